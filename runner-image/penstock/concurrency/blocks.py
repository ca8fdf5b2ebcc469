"""What ``penstock.concurrency(…)`` returns: a block for ``with`` and for ``async with``."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.concurrency.acquiring import Release, request_of
from penstock.drivers.holding import holding


class EitherBlock:
    """Holds slots while it is entered; one object for one block."""

    def __init__(
        self,
        names: str | Iterable[str],
        occupy: int = 1,
        timeout_seconds: float | None = None,
        *,
        strict: bool = False,
    ) -> None:
        self._request = request_of(
            names, occupy=occupy, timeout_seconds=timeout_seconds, strict=strict, held=True
        )
        self._releases: list[Release] = []

    def __enter__(self) -> None:
        from penstock.concurrency.sync import acquire_blocking

        self._entered(acquire_blocking(self._request))

    def __exit__(self, *_: object) -> None:
        self._left()

    async def __aenter__(self) -> None:
        from penstock.concurrency.asyncio import acquire_suspending

        self._entered(await acquire_suspending(self._request))

    async def __aexit__(self, *_: object) -> None:
        self._left()

    def _entered(self, release: Release) -> None:
        self._releases.append(release)
        holding.set(holding.get() + 1)

    def _left(self) -> None:
        holding.set(holding.get() - 1)
        self._releases.pop()()
