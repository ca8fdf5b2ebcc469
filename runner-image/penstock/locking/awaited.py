"""The coroutines of a lock manager: what blocks a thread is given one of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod


class AwaitedLocks(ABC):
    """A lock manager whose waits can be awaited as well."""

    @abstractmethod
    def acquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Hold the lock of ``key``; tell whether it was had in time."""

    @abstractmethod
    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until nobody holds the lock; tell whether that came in time."""

    async def aacquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Hold the lock of ``key``, without blocking the event loop."""
        import asyncio

        return await asyncio.to_thread(
            self.acquire_lock, key, holder, acquire_timeout, hold_timeout
        )

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - Prefect's
        """Wait until nobody holds the lock, without blocking the event loop."""
        import asyncio

        return await asyncio.to_thread(self.wait_for_lock, key, timeout)
