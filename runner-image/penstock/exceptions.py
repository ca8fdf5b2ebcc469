"""The errors of ``penstock.errors``, under the names that Prefect's code imports."""

from penstock.absent import refuse_absent
from penstock.errors import (
    CancelledRun,
    CrashedRun,
    FailedRun,
    FlowRunTimeoutError,
    MappingError,
    MissingContextError,
    ParameterError,
    PenstockError,
    TaskRunTimeoutError,
)

MappingLengthMismatch = MappingMissingIterable = MappingError
ParameterBindError = ParameterTypeError = SignatureMismatchError = ParameterError
PenstockException = PenstockError

__all__ = [
    "CancelledRun",
    "CrashedRun",
    "FailedRun",
    "FlowRunTimeoutError",
    "MappingLengthMismatch",
    "MappingMissingIterable",
    "MissingContextError",
    "ParameterBindError",
    "ParameterTypeError",
    "PenstockException",
    "SignatureMismatchError",
    "TaskRunTimeoutError",
]


refuse_absent(globals())
