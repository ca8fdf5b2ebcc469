"""Writes what was asked at the desks of this process: one request for all that came meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from penstock.runner import exits
from penstock.runner.apiserver import ApiServer, UnreachableError
from penstock.runner.limits.desk import LONGEST_PAUSE, NEVER, Desk, Write

_LONGEST_REST = 5.0
"""Seconds between looks at the desks."""


class Clerk:
    """A thread that goes from desk to desk, once somebody has asked at one."""

    def __init__(
        self, server: ApiServer, *, path: str, desks: Callable[[], Mapping[str, Desk]]
    ) -> None:
        self._server = server
        self._path = path
        self._desks = desks
        self._news = threading.Event()
        self._turn = threading.Lock()
        self._is_closed = False
        self._complaint = ""
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Tell that there is something to do."""
        self._news.set()
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="penstock-limits", daemon=True
                )
                self._thread.start()

    def close(self, *, suspended: bool, within: float) -> None:
        """Give back what is held and write no more; with ``suspended``, places in line are kept."""
        with self._turn:
            self._is_closed = True
            last = time.monotonic() + within
            for name, desk in self._desks().items():
                while not self._leave(name, desk, suspended=suspended):
                    if time.monotonic() > last:
                        return
                    time.sleep(self._random_pause(desk))

    def _random_pause(self, desk: Desk) -> float:
        return max(0.0, min(LONGEST_PAUSE, _due(desk) - time.monotonic()))

    def _leave(self, name: str, desk: Desk, *, suspended: bool) -> bool:
        if desk.is_behind():
            self._look(name, desk)
        write = desk.last_write(suspended=suspended, now=_now())
        return write is None or self._carry_out(write, name=name, desk=desk)

    def _work(self) -> None:
        while True:
            due = min(map(_due, self._desks().values()), default=NEVER)
            self._news.wait(max(0.0, min(_LONGEST_REST, due - time.monotonic())))
            self._news.clear()
            for name, desk in self._desks().items():
                with self._turn:
                    if not self._is_closed and _due(desk) <= time.monotonic():
                        self._attend(name, desk)

    def _attend(self, name: str, desk: Desk) -> None:
        if desk.is_behind():
            self._look(name, desk)
        write = desk.next_write(at=time.monotonic(), now=_now())
        if write is not None:
            self._carry_out(write, name=name, desk=desk)

    def _carry_out(self, write: Write, *, name: str, desk: Desk) -> bool:
        """Write; tell whether that is done, or need not be done any more."""
        began = time.monotonic()
        try:
            answer = self._server.replace(f"{self._path}/{name}/status", write.body)
        except UnreachableError as error:
            self._refuse(write, began=began, desk=desk, why=str(error))
            return False
        if answer.ok:
            desk.written(write, answer.body, at=time.monotonic())
        elif answer.status == 404:
            desk.meet(None, at=time.monotonic())
        elif answer.status == 409:
            desk.refused(write, at=time.monotonic(), took=time.monotonic() - began)
        else:
            self._refuse(write, began=began, desk=desk, why=answer.sentence)
        return answer.ok or answer.status == 404

    def _refuse(self, write: Write, *, began: float, desk: Desk, why: str) -> None:
        """Try again later, and say once for each cause why that is needed."""
        desk.refused(write, at=time.monotonic(), took=time.monotonic() - began)
        if why != self._complaint:
            self._complaint = why
            exits.say(f"Slots of a ConcurrencyLimit can be neither taken nor given back: {why}")

    def _look(self, name: str, desk: Desk) -> None:
        """Ask for a limit of which the watch has not told yet that somebody else wrote it."""
        try:
            answer = self._server.get(f"{self._path}/{name}")
        except UnreachableError:
            return
        if answer.ok:
            desk.meet(answer.body, at=time.monotonic())
        elif answer.status == 404:
            desk.meet(None, at=time.monotonic())


def _due(desk: Desk) -> float:
    return desk.due(at=time.monotonic(), now=_now())


def _now() -> datetime:
    return datetime.now(UTC)
