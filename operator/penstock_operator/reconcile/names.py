"""Names that are pure functions of what they name, and the labels that tie objects together."""

from hashlib import sha256

from penstock_operator.model.flow import Flow
from penstock_operator.model.flowrun import FlowRun
from penstock_operator.reconcile.views import Malformed

FLOW_LABEL = "penstock.dev/flow"
RUN_LABEL = "penstock.dev/run"
POOL_LABEL = "penstock.dev/pool"
ATTEMPT_LABEL = "penstock.dev/attempt"
PARENT_LABEL = "penstock.dev/parent"
CHAIN_LABEL = "penstock.dev/chain"
SCHEDULE_LABEL = "penstock.dev/schedule"
BACKFILL_LABEL = "penstock.dev/backfill"
MOMENT_ANNOTATION = "penstock.dev/scheduled-time"
"""The moment that a run is for, RFC 3339 in UTC."""
KUEUE = "kueue.x-k8s.io/"
QUEUE_LABEL = f"{KUEUE}queue-name"
"""The LocalQueue of Kueue that is to admit a Job."""
MANAGED_BY = {"app.kubernetes.io/managed-by": "penstock"}

DEFAULT_POOL = "default"
DEFAULT_QUEUE = "default"
RUNNER_ACCOUNT = "penstock-runner"
FLOW_CONTAINER = "flow"


_LONGEST_JOB_NAME = 57
"""What leaves room, among the 63 characters of a label, for a pod's `-` and five random letters."""


def job_name(run: str, *, attempt: int) -> str:
    """Name the Job of one attempt: `<run>-<attempt>`, or, where that is too long (ten thousand
    attempts of a run whose name is as long as it may be), the run's name shortened, with a hash.

    The admission policies know both forms.
    """
    name = f"{run}-{attempt}"
    if len(name) <= _LONGEST_JOB_NAME:
        return name
    tail = f"-{sha256(run.encode()).hexdigest()[:8]}-{attempt}"
    return run[: _LONGEST_JOB_NAME - len(tail)] + tail


def snapshot_name(flow: str, *, code_version: str) -> str:
    """Name the ConfigMap that holds what the runs of that version start from."""
    return f"{flow}-{code_version}"


def queue_name(run: FlowRun, *, flow: Flow | Malformed | None) -> str:
    """Name the queue of its pool in which a run waits for a slot."""
    of_flow = flow.spec.queue if isinstance(flow, Flow) else None
    return run.spec.queue or of_flow or DEFAULT_QUEUE


def pool_name(run: FlowRun, *, flow: Flow | Malformed | None) -> str:
    """Name the run's WorkPool: the one it was launched in, else its flow's."""
    if run.status.work_pool:
        return run.status.work_pool
    return flow.spec.work_pool_ref.name if isinstance(flow, Flow) else DEFAULT_POOL
