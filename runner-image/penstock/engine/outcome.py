"""What came of a flow run, told to whoever executed it: the runner, the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from penstock.engine.continuing import Continuation
from penstock.states import State


class OutcomeReason(StrEnum):
    """Why a run ended as it did; the words of the run's ``status.execution.outcome``."""

    COMPLETED = "Completed"
    CONTINUED_AS_NEW = "ContinuedAsNew"
    FLOW_FAILED = "FlowFailed"
    INVALID_PARAMETERS = "InvalidParameters"
    TIMED_OUT = "TimedOut"
    USER_EXIT = "UserExit"
    JOURNAL_UNUSABLE = "JournalUnusable"
    CANCEL_REQUESTED = "CancelRequested"


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """An exception in words."""

    type: str
    """Name of the class, with its module unless builtin."""
    message: str
    traceback: str
    """As Python prints it, without the engine's own frames; groups and causes included."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The final state of a flow run, and what explains it."""

    state: State[object]
    """Completed, Failed, Crashed or Cancelled."""
    reason: OutcomeReason
    message: str
    """One sentence."""
    result: object = None
    """What the flow returned; ``None`` unless completed."""
    error: ErrorReport | None = None
    """Absent when completed."""
    continuation: Continuation | None = None
    """What the flow goes on with, if it ended for that: what it has said itself."""
    parameters: Mapping[str, object] = field(default_factory=dict)
    """All that it goes on with."""
