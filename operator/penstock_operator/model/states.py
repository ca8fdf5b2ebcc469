"""The closed sets of words that statuses use.

People write alerts and scripts on them, so a word, once shipped, keeps its meaning.
"""

from enum import StrEnum


class State(StrEnum):
    """Where a run stands. The last four are terminal: a run reaches one of them and stays (G4)."""

    SCHEDULED = "Scheduled"
    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    CANCELLING = "Cancelling"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CRASHED = "Crashed"
    CANCELLED = "Cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL_STATES


TERMINAL_STATES = (State.COMPLETED, State.FAILED, State.CRASHED, State.CANCELLED)


class Reason(StrEnum):
    """Why a run is in its state."""

    # Scheduled
    FLOW_NOT_FOUND = "FlowNotFound"
    FLOW_STALLED = "FlowStalled"
    FLOW_SUSPENDED = "FlowSuspended"
    WORK_POOL_NOT_FOUND = "WorkPoolNotFound"
    WORK_POOL_STALLED = "WorkPoolStalled"
    WORK_POOL_SUSPENDED = "WorkPoolSuspended"
    QUEUE_NOT_FOUND = "QueueNotFound"
    CONCURRENCY_LIMIT_NOT_FOUND = "ConcurrencyLimitNotFound"
    WAITING_FOR_SLOT = "WaitingForSlot"  # of a pool; also Suspended, of a ConcurrencyLimit
    # Pending; those that a person must mend end as Failed at their deadline
    LAUNCHING = "Launching"
    RECOVERING = "Recovering"
    RESUMING = "Resuming"
    IMAGE_UNAVAILABLE = "ImageUnavailable"
    UNSCHEDULABLE = "Unschedulable"
    QUOTA_EXCEEDED = "QuotaExceeded"
    WAITING_FOR_ADMISSION = "WaitingForAdmission"
    POD_REFUSED = "PodRefused"
    POD_NOT_STARTING = "PodNotStarting"
    # Running
    RUNNING = "Running"
    # Suspended; the last one also while the run's pod still has its time to end. A person has to
    # mend the next two, or to say that the run goes on nevertheless.
    RESULT_UNREADABLE = "ResultUnreadable"
    NON_DETERMINISM = "NonDeterminism"
    STORE_UNUSABLE = "StoreUnusable"
    SLEEPING = "Sleeping"
    WAITING_FOR_SIGNAL = "WaitingForSignal"
    WAITING_FOR_RETRY = "WaitingForRetry"
    WAITING_FOR_RUN = "WaitingForRun"  # also Scheduled, of a rerun
    SUSPEND_REQUESTED = "SuspendRequested"
    # Cancelling and Cancelled
    CANCEL_REQUESTED = "CancelRequested"
    ROLLING_BACK = "RollingBack"
    PARENT_CLOSED = "ParentClosed"
    SUPERSEDED = "Superseded"
    FLOW_LIMIT_REACHED = "FlowLimitReached"
    # Completed
    COMPLETED = "Completed"
    CONTINUED_AS_NEW = "ContinuedAsNew"
    # Failed
    FLOW_FAILED = "FlowFailed"
    INVALID_PARAMETERS = "InvalidParameters"
    TIMED_OUT = "TimedOut"
    RERUN_IMPOSSIBLE = "RerunImpossible"
    LAUNCH_REFUSED = "LaunchRefused"
    ENTRYPOINT_NOT_LOADED = "EntrypointNotLoaded"
    # Crashed
    RECOVERIES_EXHAUSTED = "RecoveriesExhausted"
    OUT_OF_MEMORY = "OutOfMemory"
    PROCESS_EXITED = "ProcessExited"
    USER_EXIT = "UserExit"
    JOURNAL_UNUSABLE = "JournalUnusable"
    PROTOCOL_UNSUPPORTED = "ProtocolUnsupported"


class ReadyReason(StrEnum):
    """Why a Flow, a WorkPool or a Schedule is ready to be used, or stalled."""

    READY = "Ready"
    SUSPENDED = "Suspended"
    MALFORMED = "Malformed"
    INVALID_PARAMETER_SCHEMA = "InvalidParameterSchema"
    INVALID_PARAMETERS = "InvalidParameters"
    INVALID_POD_TEMPLATE = "InvalidPodTemplate"
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    INVALID_SOURCE = "InvalidSource"
    IMAGE_MISSING = "ImageMissing"
    INVALID_RULE = "InvalidRule"
    FLOW_NOT_FOUND = "FlowNotFound"
    TOO_MANY_FAILURES = "TooManyFailures"
    BACKFILL_TOO_LARGE = "BackfillTooLarge"


class ConditionType(StrEnum):
    """The conditions that tools read: kstatus' two, and one for each kind's own question.

    Durable is there only where it is False: some result of the run could not be stored.
    """

    READY = "Ready"
    SUCCEEDED = "Succeeded"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    DURABLE = "Durable"


class ConditionStatus(StrEnum):
    """A condition holds, does not hold, or cannot be told yet."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class WaitKind(StrEnum):
    """What a run waits for that is not running. From Sleep on, they need no pod meanwhile."""

    FLOW = "Flow"
    WORK_POOL = "WorkPool"
    SLOT = "Slot"
    IMAGE = "Image"
    NODE = "Node"
    QUOTA = "Quota"
    ADMISSION = "Admission"
    POD = "Pod"
    RECOVERY = "Recovery"
    SLEEP = "Sleep"
    SIGNAL = "Signal"
    RETRY_DELAY = "RetryDelay"
    RUN = "Run"
    SUSPEND = "Suspend"
    PERSON = "Person"
    CONCURRENCY_LIMIT = "ConcurrencyLimit"


class SignalState(StrEnum):
    """What became of a signal."""

    PENDING = "Pending"
    CONSUMED = "Consumed"
    REJECTED = "Rejected"
