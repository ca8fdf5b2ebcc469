"""How slots are come by, once for sync and async: steps that yield what to wait for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass

from penstock.clock import now
from penstock.concurrency.claims import Request, limits_here
from penstock.concurrency.line import Place
from penstock.drivers.clocks import monotonic
from penstock.drivers.holding import holds_slots
from penstock.drivers.scope import Scope, current_scope
from penstock.drivers.suspension import Wait
from penstock.engine.runs import TaskRun
from penstock.errors import AcquireConcurrencySlotTimeoutError


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


Release = Callable[[], None]


def acquire(request: Request) -> Generator[Step, None, Release]:
    """Yield what to wait for until the slots are taken; return what gives them back."""
    overtakes = request.overtakes or holds_slots(current_scope.get())
    claim = limits_here().claim(request, overtakes=overtakes)
    deadline = None if request.timeout_seconds is None else monotonic() + request.timeout_seconds
    is_had = False
    try:
        while (seconds := claim.look()) is not None:
            if deadline is not None:
                left = deadline - monotonic()
                if left <= 0:
                    raise AcquireConcurrencySlotTimeoutError(_too_late(request))
                seconds = min(seconds, left)
            yield Step(seconds, claim.place, claim.waits_for if deadline is None else None)
        is_had = True
        return claim.leave if request.held else _nothing
    finally:
        if not is_had:
            claim.leave()


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
            wait = Wait(kind="ConcurrencyLimit", name=step.waits_for, since=now(), until=None)
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
