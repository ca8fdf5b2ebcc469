"""How long one attempt may still take: its time-out, its task's total time, its silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.clock import now
from penstock.drivers.clocks import Deadline
from penstock.engine.definition import Kind
from penstock.engine.ending import Ending
from penstock.errors import FlowRunTimeoutError, HeartbeatTimeout, TaskRunTimeoutError

if TYPE_CHECKING:
    from penstock.drivers.call import LiveCall
    from penstock.drivers.scope import Scope


def patience_with(call: LiveCall) -> Patience | None:
    """Return how long the attempt that begins now may take; ``None``: for ever."""
    definition = call.definition
    if (
        definition.timeout_seconds is None
        and call.deadline is None
        and definition.heartbeat_timeout_seconds is None
    ):
        return None
    return Patience(call)


class Patience:
    """The limits of one attempt; each heartbeat renews the one on its silence."""

    def __init__(self, call: LiveCall) -> None:
        definition = call.definition
        self._call = call
        self._total = None
        if call.deadline is not None:
            self._total = Deadline((call.deadline - now()).total_seconds())
        self.silence = definition.heartbeat_timeout_seconds
        """Seconds without a heartbeat that the body may take."""
        self.begin()

    def begin(self) -> None:
        """Let the attempt's own time run from now."""
        self._attempt = _deadline(self._call.definition.timeout_seconds)
        self.renew()

    def renew(self) -> None:
        """Take note of a heartbeat."""
        self._silent = _deadline(self.silence)

    def left(self) -> float:
        """Return the seconds until the first limit is met; none or less once one is."""
        limits = (self._attempt, self._total, self._silent)
        return min(each.left() for each in limits if each is not None)

    def left_in_all(self) -> float | None:
        """Return the same, whether it is silent or not; ``None``: for ever."""
        limits = (self._attempt, self._total)
        return min((each.left() for each in limits if each is not None), default=None)

    def left_in_silence(self) -> float | None:
        """Return how long the body may still be silent; ``None``: for ever."""
        return None if self._silent is None else self._silent.left()

    def ran_out(self) -> Ending:
        """Return how a body ends that nobody waits for any more."""
        limits = (self._attempt, self._total, self._silent)
        met = min((each for each in limits if each is not None), key=Deadline.left)
        if met is self._total:
            return _total_ran_out(self._call)
        if met is self._attempt:
            return _attempt_ran_out(self._call)
        message = f"{self._call.run.name} sent no heartbeat for {self.silence:g} seconds."
        return Ending(error=HeartbeatTimeout(message), timed_out=True)


def time_ran_out(call: LiveCall) -> Ending:
    """Return how a stream ends, whose reader's time does not count."""
    if call.deadline is not None and now() >= call.deadline:
        return _total_ran_out(call)
    return _attempt_ran_out(call)


def active_seconds(call: LiveCall) -> float | None:
    """Return how long the body of a stream may work; ``None``: for ever."""
    seconds = call.definition.timeout_seconds
    if call.deadline is None:
        return seconds
    left = (call.deadline - now()).total_seconds()
    return left if seconds is None else min(seconds, left)


def _attempt_ran_out(call: LiveCall) -> Ending:
    definition = call.definition
    kind = FlowRunTimeoutError if definition.kind is Kind.FLOW else TaskRunTimeoutError
    message = f"{call.run.name} took longer than its {definition.timeout_seconds:g} seconds."
    return Ending(error=kind(message), timed_out=True)


def _total_ran_out(call: LiveCall) -> Ending:
    seconds = call.definition.total_timeout_seconds
    message = f"All attempts of {call.run.name} together took longer than its {seconds:g} seconds."
    return Ending(error=TaskRunTimeoutError(message), timed_out=True)


def _deadline(seconds: float | None) -> Deadline | None:
    return None if seconds is None else Deadline(seconds)


def watch_beats(scope: Scope, patience: Patience) -> None:
    """Have each heartbeat of an attempt renew its time, where one is waited for."""
    if patience.silence is not None:
        from penstock.drivers.beats import Beats

        scope.beats = Beats(scope)
        scope.beats.renew = patience.renew
