"""What a lock manager has to do, for those who write one."""

from __future__ import annotations

from penstock.engine.locking import LockManager

__all__ = ["LockManager"]
