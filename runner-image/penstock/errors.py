"""Every error that Penstock raises, in one tree.

    PenstockError
    ├── FlowLoadError            an entrypoint that leads to no flow
    ├── ParameterError           parameters that do not fit the flow's signature (also a TypeError)
    ├── MappingError             `.map` without an iterable, or with iterables of unequal length
    ├── ConcurrencySlotAcquisitionError       slots that cannot be had
    │   └── AcquireConcurrencySlotTimeoutError  … not in time (also a TimeoutError)
    ├── MissingContextError      an engine call outside a running flow or task
    ├── FailedRun                the result of a failed state that holds no exception
    │   └── ChildRunFailed           … or of a child run that did not complete
    ├── ChildRunRefused          a child run that cannot be started
    ├── ResultElsewhere          the result of a run that did not come back
    ├── CrashedRun               the result of a run that left by SystemExit or KeyboardInterrupt
    │   └── JournalError             a run that cannot go on because of its journal
    │       ├── CorruptJournal         … it is damaged
    │       ├── JournalFenced          … another attempt of the run has taken it over
    │       ├── StoreUnusable          … the place that it is to be kept in cannot hold it
    │       ├── NonDeterminism         … a strict flow calls something else than before
    │       └── UnreadableResult       … a result in it needs a class that is gone
    ├── RerunImpossible          a run that cannot begin with what another one has stored
    ├── ResultNotFound           a key under which no result is kept (also a LookupError)
    ├── UndigestibleArgument     an argument that tells no call from another (also a TypeError)
    ├── UnstorableValue          a result that has no stored form (also a TypeError)
    ├── UpstreamNotCompleted     the result of a task whose inputs did not complete
    ├── DeadlockError            a wait for what waits for the waiting body itself
    ├── NestingError             sub-flows that call each other without end (also a RecursionError)
    ├── MissingLibraryError      an optional library that is not installed (also an ImportError)
    ├── RemoteError              what a worker could not run, or an error that could not travel
    ├── UnpicklableError         an argument or result that cannot travel (also a TypeError)
    ├── UnreadableValue          a stored value that can no longer be read
    ├── WorkerDied               the process that ran a task's body is gone
    ├── TaskInterrupted          a task that begins at most once, and may have begun before
    ├── SignalTimeoutError       a signal that did not come in time (also a TimeoutError)
    └── RunTimeoutError          a body that took longer than timeout_seconds (also a TimeoutError)
        ├── FlowRunTimeoutError
        └── TaskRunTimeoutError
            └── HeartbeatTimeout     … or said nothing for its heartbeat_timeout_seconds

    RuntimeWarning
    ├── AmbiguousOrder           calls that nothing but their order tells apart, and it is open
    └── MutatedArgument          a body has changed what it was called with

    BaseException
    ├── CancelledRun             raised once in a flow that is cancelled, at its next engine call
    ├── ContinuedAsNew           raised by ``continue_as_new``, and ends the flow
    └── TaskAbandoned            raised by engine calls inside a body whose time has run out

Warnings are raised in flows that are ``strict``. The last three are no ``Exception``, so that
``except Exception`` does not swallow them.
"""
# ruff: noqa: N818 - the names without "Error" are Prefect's

from __future__ import annotations


class PenstockError(Exception):
    """Any error of Penstock's own making."""


class FlowLoadError(PenstockError):
    """An entrypoint leads to no flow; the message says what to do."""


class ParameterError(PenstockError, TypeError):
    """Parameters do not fit the flow's signature or type hints."""


class MappingError(PenstockError, ValueError):
    """``.map`` was called without an iterable or with iterables of unequal length."""


class ConcurrencySlotAcquisitionError(PenstockError):
    """The slots that were asked for can never be had; the message says why."""


class AcquireConcurrencySlotTimeoutError(ConcurrencySlotAcquisitionError, TimeoutError):
    """The slots that were asked for did not become free in time."""


class MissingContextError(PenstockError, RuntimeError):
    """An engine call needs a running flow or task around it."""


class FailedRun(PenstockError):
    """A failed state was asked for its result and holds no exception."""


class ChildRunFailed(FailedRun):
    """A child run did not complete; its own exception is the cause, where that is known."""

    def __init__(self, message: str, *, run: str = "", state: str = "") -> None:
        super().__init__(message)
        self.run = run
        """Name of the child."""
        self.state = state
        """How it ended: Failed, Crashed or Cancelled; empty if it was deleted."""


class ChildRunRefused(PenstockError):
    """A child run cannot be started; the message has the API server's reason."""


class ResultElsewhere(PenstockError):
    """A run in the cluster has completed, and its result is not here."""


class CrashedRun(PenstockError):
    """A run ended by ``SystemExit``, ``KeyboardInterrupt`` or the like; the cause is chained."""


class JournalError(CrashedRun):
    """The run's journal cannot be read or written, so that the run cannot go on."""


class CorruptJournal(JournalError):
    """A record of the journal is damaged or missing; the message says which."""


class JournalFenced(JournalError):
    """Another attempt has taken the run over: this one has to stop."""


class StoreUnusable(JournalError):
    """The place that a journal is to be kept in cannot hold it; the message says what to mend."""


class NonDeterminism(JournalError):
    """A flow that is strict makes another call than on an earlier launch; see which."""


class UnreadableResult(JournalError):
    """What a finished call left in the journal cannot be read any more."""

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(message)
        self.name = name
        """Of the call."""


class RerunImpossible(PenstockError):
    """A run cannot begin with what another run has stored; the message says why."""


class UpstreamNotCompleted(PenstockError):
    """A task never ran because one of its inputs failed; the message names it."""


class DeadlockError(PenstockError, RuntimeError):
    """A body would wait for a task that waits, directly or not, for that body."""


class NestingError(PenstockError, RecursionError):
    """Sub-flows are nested too deeply, as in a recursion that does not end."""


class MissingLibraryError(PenstockError, ImportError):
    """An optional library is not installed; the message has the line that installs it."""


class RemoteError(PenstockError):
    """A body could not be run by its worker, or raised what cannot be sent back."""


class UnpicklableError(PenstockError, TypeError):
    """An argument or a result cannot be sent to another process; the message says which."""


class ResultNotFound(PenstockError, LookupError):
    """No result is kept under a key, or it has expired."""


class UnstorableValue(PenstockError, TypeError):
    """A value cannot be serialised; the message names its type."""


class UndigestibleArgument(PenstockError, TypeError):
    """A call is known by an argument whose content cannot be compared; the message names it."""


class UnreadableValue(PenstockError):
    """What is stored cannot be made a value again; the message says what is missing or broken."""


class WorkerDied(PenstockError):
    """The process that ran a task's body ended; the message has its exit code."""


class TaskInterrupted(PenstockError):
    """A task with ``at_most_once`` began before in this run, and nobody knows what came of it."""


class SignalTimeoutError(PenstockError, TimeoutError):
    """A signal that the run waited for did not come in time."""


class RunTimeoutError(PenstockError, TimeoutError):
    """A body took longer than its ``timeout_seconds``."""


class FlowRunTimeoutError(RunTimeoutError):
    """A flow took longer than its ``timeout_seconds``."""


class TaskRunTimeoutError(RunTimeoutError):
    """A task took longer than its ``timeout_seconds``."""


class AmbiguousOrder(RuntimeWarning):
    """Only their order tells some calls apart, and it may be another one on the next launch."""


class MutatedArgument(RuntimeWarning):
    """A task has changed an argument, by which the call is known."""


class HeartbeatTimeout(TaskRunTimeoutError):
    """A task did not call ``heartbeat`` for its ``heartbeat_timeout_seconds``."""


class CancelledRun(BaseException):
    """The run was cancelled; engine calls made while this unwinds work again."""


class ContinuedAsNew(BaseException):
    """The flow has asked to end and to go on as a new run."""

    def __init__(self, parameters: dict[str, object]) -> None:
        super().__init__("The flow goes on as a new run.")
        self.parameters = parameters


class TaskAbandoned(BaseException):
    """This body ran out of time and nobody waits for it any more: leave as soon as possible."""
