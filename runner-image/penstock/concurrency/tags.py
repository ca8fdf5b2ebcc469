"""Limits of tags: ``tag:database`` limits the tasks that have the tag ``database``."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from penstock.clock import now
from penstock.concurrency.acquiring import Release, Step, acquire
from penstock.concurrency.claims import Request
from penstock.engine.effects import InLine, Pause


class TagSlots:
    """One slot of each of these limits: waited for, then held, then given back."""

    def __init__(self, names: Iterable[str], *, overtakes: bool) -> None:
        request = Request(
            names=tuple(names),
            slots=1,
            timeout_seconds=None,
            strict=False,
            held=True,
            is_quiet=True,
            overtakes=overtakes,
        )
        self._steps = acquire(request)
        self._release: Release | None = None
        self._since = now()

    def look(self) -> Pause | bool:
        """Take the slots, or return what to wait for."""
        try:
            step = next(self._steps)
        except StopIteration as taken:
            self._release = taken.value
            return True
        assert isinstance(step, Step), "a wait without a time-out leaves nothing in the journal"
        in_line = InLine(step.waits_for, self._since) if step.waits_for else None
        return Pause(step.seconds, early=step.place.subscribe, in_line=in_line)

    def leave(self, *, after: threading.Thread | None) -> None:
        """Give the slots back, once this thread has ended, or wait for them no longer."""
        self._steps.close()
        release, self._release = self._release, None
        if release is None:
            return
        if after is None or not after.is_alive():
            release()
            return

        def release_after() -> None:
            after.join()
            release()

        threading.Thread(target=release_after, name=f"{after.name} (slots)", daemon=True).start()
