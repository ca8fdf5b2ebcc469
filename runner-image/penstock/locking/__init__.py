"""Locks that make tasks of one cache key run one at a time, under Prefect's names."""

from penstock.locking.filesystem import FileSystemLockManager
from penstock.locking.memory import MemoryLockManager
from penstock.locking.protocol import LockManager

__all__ = ["FileSystemLockManager", "LockManager", "MemoryLockManager"]
