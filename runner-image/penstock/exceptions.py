"""The errors of ``penstock.errors``, under the names that Prefect's code imports."""

from penstock.absent import refuse_absent
from penstock.errors import (
    CancelledRun,
    CrashedRun,
    FailedRun,
    FlowRunTimeoutError,
    HeartbeatTimeout,
    MappingError,
    MissingContextError,
    ParameterError,
    PenstockError,
    ResultNotFound,
    SignalTimeoutError,
    TaskInterrupted,
    TaskRunTimeoutError,
    UnstorableValue,
)

MappingLengthMismatch = MappingMissingIterable = MappingError
ParameterBindError = ParameterTypeError = SignatureMismatchError = ParameterError
PenstockException = PenstockError
FlowPauseTimeout = SignalTimeoutError
MissingResult = ResultNotFound
SerializationError = UnstorableValue

__all__ = [
    "CancelledRun",
    "CrashedRun",
    "FailedRun",
    "FlowPauseTimeout",
    "FlowRunTimeoutError",
    "HeartbeatTimeout",
    "MappingLengthMismatch",
    "MappingMissingIterable",
    "MissingContextError",
    "MissingResult",
    "ParameterBindError",
    "ParameterTypeError",
    "PenstockException",
    "SerializationError",
    "SignatureMismatchError",
    "TaskInterrupted",
    "TaskRunTimeoutError",
]


refuse_absent(globals())
