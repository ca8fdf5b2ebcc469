"""How slots are come by, once for sync and async: steps that yield what to wait for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from penstock.clock import now
from penstock.concurrency.claims import Claim, Request, limits_here
from penstock.concurrency.line import Place
from penstock.drivers.clocks import monotonic
from penstock.drivers.holding import holds_slots
from penstock.drivers.scope import Scope, current_scope
from penstock.drivers.suspension import Wait
from penstock.engine.runs import TaskRun
from penstock.errors import AcquireConcurrencySlotTimeoutError

if TYPE_CHECKING:
    from penstock.concurrency.terms import Term

_ANSWER_SECONDS = 10.0
"""How long a wait goes on whose time is over, if its limit has not been heard: a run may come back
late for slots that it was handed in time."""


def request_of(
    names: str | Iterable[str],
    *,
    occupy: int,
    timeout_seconds: float | None,
    strict: bool,
    held: bool,
) -> Request:
    """Return a checked request."""
    names = (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))
    if type(occupy) is not int or occupy < 1:
        raise ValueError(f"occupy is a number of at least 1, not {occupy!r}.")
    if timeout_seconds is not None and timeout_seconds < 0:
        raise ValueError(f"timeout_seconds is at least 0, or None, not {timeout_seconds!r}.")
    return Request(
        names=names, slots=occupy, timeout_seconds=timeout_seconds, strict=strict, held=held
    )


@dataclass(frozen=True, slots=True)
class Step:
    """Let these seconds pass, or less if the bell rings."""

    seconds: float
    place: Place
    waits_for: str | None
    """The limit for which a run may wait without its process."""
    until: datetime | None = None
    """When the wait ends, if that is stored."""


@dataclass(frozen=True, slots=True)
class Errand:
    """Store something before anything else: it may take as long as the store does."""

    run: Callable[[], None]


Release = Callable[[], None]


def acquire(
    request: Request, *, term: Term | None = None
) -> Generator[Step | Errand, None, Release]:
    """Yield what to do until the slots are taken; return what gives them back.

    With a ``term`` the run finds the same deadline, and the same end, if it is taken up again.
    """
    overtakes = request.overtakes or holds_slots(current_scope.get())
    return (yield from attend(limits_here().claim(request, overtakes=overtakes), request, term))


def attend(
    claim: Claim, request: Request, term: Term | None = None
) -> Generator[Step | Errand, None, Release]:
    """Do the same with a claim."""
    timeout = _seconds(request, term=term)
    deadline = None if timeout is None else monotonic() + timeout
    heard_by = monotonic() + max(timeout or 0.0, 0.0) + _ANSWER_SECONDS
    is_had = False
    try:
        while (seconds := claim.look()) is not None:
            if deadline is None:
                yield Step(seconds, claim.place, claim.waits_for)
            else:
                end = deadline if claim.is_answered else heard_by
                yield from _wait_until(end, claim, request, term, seconds=seconds)
        if deadline is not None and term is not None and term.until is not None:
            yield Errand(term.note_had)
        is_had = True
        return claim.leave if request.held else _nothing
    finally:
        if not is_had:
            claim.leave()


def _wait_until(
    end: float, claim: Claim, request: Request, term: Term | None, *, seconds: float
) -> Generator[Step | Errand, None, None]:
    """Yield what to do for so many seconds, but no longer than to the end; raise there."""
    left = end - monotonic()
    if left <= 0:
        if term is not None and term.until is not None:
            yield Errand(term.note_late)
        raise AcquireConcurrencySlotTimeoutError(_too_late(request))
    seconds = min(seconds, left)
    if term is None:
        yield Step(seconds, claim.place, None)
        return
    if term.until is None and claim.waits_for is not None:
        yield Errand(partial(term.begin, left))
    yield Step(seconds, claim.place, claim.waits_for, until=term.until)


def _seconds(request: Request, *, term: Term | None) -> float | None:
    """Return how long the wait may take yet; ``None``: for ever."""
    if term is None or term.until is None:
        return request.timeout_seconds
    if term.was_late:
        raise AcquireConcurrencySlotTimeoutError(_too_late(request))
    # Once the flow has had them it goes on as it did then, however long that takes.
    return None if term.was_had else (term.until - now()).total_seconds()


class Vigil:
    """Notes, while a flow waits for slots, that it does nothing else: then it needs no pod."""

    def __init__(self, scope: Scope | None) -> None:
        is_flow = scope is not None and not isinstance(scope.run, TaskRun)
        context = scope.context if scope is not None and is_flow else None
        self._suspension = context.suspension if context is not None else None
        self._forget: Callable[[], None] | None = None

    def see(self, step: Step) -> None:
        """Take note of what is waited for."""
        if self._suspension is not None and self._forget is None and step.waits_for is not None:
            wait = Wait(kind="ConcurrencyLimit", name=step.waits_for, since=now(), until=step.until)
            self._forget = self._suspension.add(wait)

    def close(self) -> None:
        """Take note that nothing is waited for any more."""
        if self._forget is not None:
            self._forget()


def _nothing() -> None:
    """Give nothing back: it comes back by decay."""


def _too_late(request: Request) -> str:
    names = ", ".join(request.names)
    return f"No slots of {names} were free within {request.timeout_seconds:g} s; all are taken."
