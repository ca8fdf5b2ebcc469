"""Leaving the process while a run only waits: waiting is free.

A run is left when it is quiet and the next thing that it waits for is further away than the linger
time. The way out is that of a crash, which is why it is safe: all that is finished is stored.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from penstock.drivers.activity import Activity

LINGER_SECONDS = 30.0
"""Waits that are shorter hold the process: a new one would cost more."""
SECONDS_BETWEEN_LOOKS = 0.1
MAX_RUNS = 32
"""Runs whose end a run may wait for at once without its process; more hold it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What keeps a run from going on until a person has mended it, or has said to go on."""

    reason: str
    """One CamelCase word, for programs: ``ResultUnreadable``, ``NonDeterminism``."""
    name: str
    """The task, or whatever else it is about."""
    message: str
    """A sentence that says what is wrong and what would mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Something that a run waits for, other than work of its own."""

    kind: Literal["Sleep", "Signal", "RetryDelay", "Run", "Suspend", "Person", "ConcurrencyLimit"]
    name: str = ""
    """Which signal, which run, or what retries."""
    since: datetime
    until: datetime | None
    """When it ends by itself; ``None``: never."""
    payload_schema: Mapping[str, object] | None = None
    """JSON Schema of what a signal may say, if it is known and small."""
    problem: Problem | None = None
    """What a ``Person`` has to mend."""


@dataclass(frozen=True, slots=True)
class Suspended:
    """Why the process is left: what ends first, and all signals and runs that end something."""

    wait: Wait
    signals: tuple[str, ...]
    runs: tuple[str, ...] = ()


class Suspension:
    """Watches over the waits of one run, and leaves when there is nothing else."""

    def __init__(
        self,
        activity: Activity,
        *,
        leave: Callable[[Suspended], object],
        linger_seconds: float = LINGER_SECONDS,
        seconds_between_looks: float = SECONDS_BETWEEN_LOOKS,
        leaves_for_slots: Callable[[], bool] = lambda: True,
    ) -> None:
        self._activity = activity
        self._leave = leave
        self._linger = timedelta(seconds=linger_seconds)
        self._pause = seconds_between_looks
        self._leaves_for_slots = leaves_for_slots
        self._lock = threading.Lock()
        self._waits: dict[int, Wait] = {}
        self._watching = False

    def is_worth(self, seconds: float) -> bool:
        """Tell whether a process may be left for a wait of so many seconds."""
        return seconds > self._linger.total_seconds()

    @contextmanager
    def waiting(self, wait: Wait) -> Iterator[None]:
        """Note a wait while it lasts."""
        forget = self.add(wait)
        try:
            yield
        finally:
            forget()

    def add(self, wait: Wait) -> Callable[[], None]:
        """Note a wait; return what forgets it."""
        key = id(wait)
        with self._lock:
            self._waits[key] = wait
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name="penstock-waits", daemon=True).start()

        def forget() -> None:
            with self._lock:
                self._waits.pop(key, None)

        return forget

    def _watch(self) -> None:
        """Look again and again, as long as there are waits."""
        pause = threading.Event()
        while True:
            pause.wait(self._pause)
            with self._lock:
                waits = list(self._waits.values())
                self._watching = bool(waits)
            if not waits:
                return
            reason = worth_leaving(waits, now=datetime.now(UTC), linger=self._linger)
            if reason is not None and self._may_leave(waits) and self._activity.leave_if_quiet():
                self._leave(reason)
                return

    def _may_leave(self, waits: list[Wait]) -> bool:
        for_slots = any(wait.kind == "ConcurrencyLimit" for wait in waits)
        return not for_slots or self._leaves_for_slots()


def worth_leaving(waits: list[Wait], *, now: datetime, linger: timedelta) -> Suspended | None:
    """Return what to say on leaving, if no wait ends soon and each has had its linger time."""
    for wait in waits:
        if wait.until is not None and wait.until - now <= linger:
            return None
        if wait.kind in ("Signal", "Run", "ConcurrencyLimit") and now - wait.since < linger:
            return None  # it may come any moment
    first = min(waits, key=lambda wait: (wait.until is None, wait.until or wait.since))
    signals = sorted({wait.name for wait in waits if wait.kind == "Signal"})
    runs = sorted({wait.name for wait in waits if wait.kind == "Run"})
    if len(runs) > MAX_RUNS:
        return None  # whoever left could not say what is to wake the run
    return Suspended(first, tuple(signals), tuple(runs))
