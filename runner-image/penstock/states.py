"""What a run can be: the states, under Prefect's names.

A state is a value. Its ``type`` is one of nine; its ``name`` says more within the type
(``AwaitingRetry`` is a kind of ``Scheduled``).
"""
# ruff: noqa: N802 - states are made by functions that are named like classes, as Prefect's are

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Generic, Never, TypeVar, cast

from penstock.absent import refuse_absent
from penstock.clock import current_clock
from penstock.errors import CancelledRun, CrashedRun, FailedRun

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class StateType(StrEnum):
    """The types of states, as Prefect has them."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    CRASHED = "CRASHED"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"


TERMINAL_STATES = frozenset(
    {StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED}
)


_NAMES = {kind: kind.value.capitalize() for kind in StateType}


class State(Generic[R_co]):
    """One state of one run: type, name, message, the time it began, and the data it holds.

    ``data`` is the result of a completed run and the exception of an unsuccessful one.
    Treat a state as immutable.
    """

    __slots__ = ("data", "message", "name", "timestamp", "type")

    def __init__(
        self,
        type: StateType,  # noqa: A002 - Prefect's name
        *,
        name: str | None = None,
        message: str = "",
        data: object = None,
        timestamp: datetime | None = None,
    ) -> None:
        self.type = type
        self.name = name or _NAMES[type]
        self.message = message
        self.data = data
        if timestamp is None:  # clock.now() without the cost of a call, for each state of each run
            clock = current_clock.get()
            timestamp = datetime.now(UTC) if clock is None else clock.now()
        self.timestamp = timestamp

    def is_scheduled(self) -> bool:
        """Tell whether the run starts, or starts again, later."""
        return self.type is StateType.SCHEDULED

    def is_pending(self) -> bool:
        """Tell whether the run has not begun yet."""
        return self.type is StateType.PENDING

    def is_running(self) -> bool:
        """Tell whether the run's body is being executed."""
        return self.type is StateType.RUNNING

    def is_completed(self) -> bool:
        """Tell whether the run succeeded."""
        return self.type is StateType.COMPLETED

    def is_failed(self) -> bool:
        """Tell whether the run failed by its own doing."""
        return self.type is StateType.FAILED

    def is_crashed(self) -> bool:
        """Tell whether the run was torn down from outside its own code."""
        return self.type is StateType.CRASHED

    def is_cancelling(self) -> bool:
        """Tell whether the run was told to stop and has not yet."""
        return self.type is StateType.CANCELLING

    def is_paused(self) -> bool:
        """Tell whether the run waits without a process, to go on later."""
        return self.type is StateType.PAUSED

    def is_cancelled(self) -> bool:
        """Tell whether somebody stopped the run."""
        return self.type is StateType.CANCELLED

    def is_final(self) -> bool:
        """Tell whether the run will never leave this state."""
        return self.type in TERMINAL_STATES

    def result(self, *, raise_on_failure: bool = True) -> R_co:
        """Return the result; raise the exception of an unsuccessful run, or return it if told to.

        Raises ``FailedRun`` for a state that is not final.
        """
        if self.type is StateType.COMPLETED:
            return cast("R_co", self.data)
        if not self.is_final():
            raise FailedRun(f"The run is {self.name} and has no result yet; wait for it first.")
        error = self.error()
        if raise_on_failure:
            raise error
        return cast("R_co", error)

    async def aresult(self, *, raise_on_failure: bool = True) -> R_co:
        """Do what ``result`` does."""
        return self.result(raise_on_failure=raise_on_failure)

    def error(self) -> BaseException:
        """Return the exception of an unsuccessful final state, made up if it holds none."""
        if isinstance(self.data, BaseException):
            if self.is_crashed() and not isinstance(self.data, Exception):
                crash = CrashedRun(self.message or repr(self.data))
                crash.__cause__ = self.data
                return crash
            return self.data
        message = self.message or f"The run ended as {self.name}."
        if self.is_crashed():
            return CrashedRun(message)
        return CancelledRun(message) if self.is_cancelled() else FailedRun(message)

    def __repr__(self) -> str:
        if self.message:
            return f"{self.name}({self.message!r})"
        return f"{self.name}(type={self.type.value})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        return (self.type, self.name, self.message) == (other.type, other.name, other.message)

    __hash__ = object.__hash__


def Completed(*, message: str = "", data: R | None = None) -> State[R]:
    """Return the state of a run that succeeded with ``data``."""
    return State(StateType.COMPLETED, message=message, data=data)


def Failed(*, message: str = "", data: BaseException | None = None) -> State[Never]:
    """Return the state of a run that failed with the exception ``data``."""
    return State(StateType.FAILED, message=message, data=data)


def TimedOut(*, message: str = "", data: BaseException | None = None) -> State[Never]:
    """Return the failed state of a run that took too long."""
    return State(StateType.FAILED, name="TimedOut", message=message, data=data)


def NotReady(*, message: str = "", data: BaseException | None = None) -> State[Never]:
    """Return the failed state of a run that never started, because an input did not complete.

    Prefect types it ``PENDING`` and so waits for a state that never comes; here it is final.
    """
    return State(StateType.FAILED, name="NotReady", message=message, data=data)


def Crashed(*, message: str = "", data: BaseException | None = None) -> State[Never]:
    """Return the state of a run that was torn down by something other than its own code."""
    return State(StateType.CRASHED, message=message, data=data)


def Cancelled(*, message: str = "", data: BaseException | None = None) -> State[Never]:
    """Return the state of a run that somebody stopped."""
    return State(StateType.CANCELLED, message=message, data=data)


def Pending(*, message: str = "") -> State[Never]:
    """Return the state of a run that has not begun."""
    return State(StateType.PENDING, message=message)


def Running(*, message: str = "") -> State[Never]:
    """Return the state of a run whose body is being executed."""
    return State(StateType.RUNNING, message=message)


def Retrying(*, message: str = "") -> State[Never]:
    """Return the running state of a second or later attempt."""
    return State(StateType.RUNNING, name="Retrying", message=message)


def AwaitingRetry(*, message: str = "") -> State[Never]:
    """Return the state of a run that waits out the delay before its next attempt."""
    return State(StateType.SCHEDULED, name="AwaitingRetry", message=message)


refuse_absent(globals())
