"""What became of an attempt that ended without an outcome, read from its Job and its pod.

A disruption (the cluster took the pod away) says nothing about the flow. A crash (the process
itself ended) does, and a flow that always crashes is not launched ten times. Some causes would be
the same at the next attempt; they are final.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from penstock_operator.model.states import Reason
from penstock_operator.reconcile.names import FLOW_CONTAINER
from penstock_operator.reconcile.text import quote
from penstock_operator.reconcile.views import ContainerView, JobView, PodView

STUCK = timedelta(seconds=10)
"""How long after its deletion was due a pod counts as held by a kubelet that is gone."""

_DISRUPTIONS = {
    "EvictionByEvictionAPI": ("Drained", "was evicted through the API, as kubectl drain does,"),
    "PreemptionByScheduler": ("Preempted", "was preempted by a pod of higher priority"),
    "TerminationByKubelet": ("Evicted", "was evicted by the kubelet"),
    "DeletionByTaintManager": ("NodeLost", "was lost with its node, or driven off by a taint"),
    "DeletionByPodGC": ("NodeLost", "was lost: its node is gone"),
}
_FENCED, _UNREACHABLE, _KILLED, _TERMINATED = 70, 75, 137, 143
_EXIT_CODE = re.compile(r"failed with exit code (\d{1,3})\b")


@dataclass(frozen=True, slots=True)
class Loss:
    """The end of an attempt without an outcome."""

    cause: str
    """One word, for the metric."""
    sentence: str
    """Names what happened, where, and in whose words."""
    crash: Reason | None = None
    """Set when the process itself ended: how the run ends at the third time in a row."""
    final: Reason | None = None
    """Set when another attempt would end the same way: how the run ends now."""


def loss_of_job(job: JobView, *, pod: PodView | None) -> Loss:
    """Say what a finished Job without an outcome means."""
    failed = job.condition("Failed")
    if failed is not None and failed.reason == "DeadlineExceeded":
        return Loss(
            "JobDeadline",
            f"The Job {job.name} exceeded the WorkPool's job.activeDeadlineSeconds. Raise it, or"
            " make the flow shorter, and create another run.",
            final=Reason.TIMED_OUT,
        )
    if job.suspended:
        return loss_of_suspended_job(job)
    if pod is not None:
        return loss_of_pod(pod)
    words = failed.message if failed is not None else ""
    if "DisruptionTarget" in words:
        return Loss("Disrupted", f"The pod of the Job {job.name} was taken away: {quote(words)}.")
    code = _EXIT_CODE.search(words)
    if code is None or int(code[1]) in (_KILLED, _TERMINATED):
        return Loss("PodLost", f"The pod of the Job {job.name} was deleted.")
    return _loss_of_exit(int(code[1]), where=f"of the Job {job.name}", pod="")


def loss_of_suspended_job(job: JobView) -> Loss:
    """Say what it means that the pod of a Job was ended by its spec.suspend."""
    who = "Kueue has taken its place away" if job.queue else "somebody has set its spec.suspend"
    return Loss("Preempted", f"The Job {job.name} was suspended while it ran: {who}.")


def loss_of_pod(pod: PodView) -> Loss:
    """Say what a pod that ended without an outcome means."""
    if pod.disruption:
        return _disrupted(pod)
    flow = next((each for each in pod.containers if _is_flow(each)), None)
    if flow is not None and flow.terminated_reason == "OOMKilled":
        return Loss(
            "OutOfMemory",
            f"The flow used more memory than its limit, and was killed (exit code {flow.exit_code})"
            f" in the pod {_place(pod)}. Raise resources.limits.memory in the Flow, or use less.",
            crash=Reason.OUT_OF_MEMORY,
        )
    if pod.reason == "Evicted":
        return Loss("Evicted", f"The pod {_place(pod)} was evicted: {quote(pod.message)}.")
    if pod.deletion_at is not None:
        return Loss("PodDeleted", f"The pod {_place(pod)} was deleted.")
    if flow is None or flow.exit_code is None:
        return _loss_without_exit(pod)
    if flow.terminated_reason in ("StartError", "ContainerCannotRun"):
        return Loss(
            "StartError",
            f"The image {flow.image} cannot be started: {quote(flow.terminated_message)}. It needs"
            " python and the penstock package; rebuild it, and create another run.",
            final=Reason.POD_NOT_STARTING,
        )
    return _loss_of_exit(flow.exit_code, where=f"in the pod {_place(pod)}", pod=pod.name)


def loss_of_stuck_pod(pod: PodView, *, now: datetime) -> Loss | None:
    """Say whether a pod that is being deleted will not come back from it, or None to wait on."""
    if pod.disruption == "DeletionByTaintManager":
        return Loss(
            "NodeLost",
            f"The node {pod.node} cannot be reached, or its taints drive the pod {pod.name} off.",
        )
    if pod.deletion_at is not None and now >= pod.deletion_at + STUCK:
        return Loss(
            "NodeLost",
            f"The pod {_place(pod)} is to be deleted and does not end; its kubelet seems gone.",
        )
    return None


def _disrupted(pod: PodView) -> Loss:
    cause, words = _DISRUPTIONS.get(pod.disruption, ("Disrupted", "was taken away"))
    told = pod.message or pod.disruption_message or pod.disruption
    return Loss(cause, f"The pod {_place(pod)} {words}: {quote(told)}.".replace(",:", ":"))


def _loss_without_exit(pod: PodView) -> Loss:
    broken = next((each for each in pod.containers if each.is_init and each.exit_code), None)
    if broken is not None:
        return Loss(
            "ProcessExited",
            f"The init container {broken.name} of the pod {_place(pod)} ended with exit code"
            f" {broken.exit_code}. Its log tells more: kubectl logs {pod.name} -c {broken.name}.",
            crash=Reason.PROCESS_EXITED,
        )
    said = ": ".join(each for each in (pod.reason, pod.message) if each)
    return Loss("PodRejected", f"The pod {_place(pod)} did not run: {quote(said)}.")


def _loss_of_exit(code: int, *, where: str, pod: str) -> Loss:
    if code == _FENCED:
        return Loss("Fenced", f"The runner {where} found the run in other hands, and left.")
    if code == _UNREACHABLE:
        return Loss(
            "ReportLost", f"The runner {where} could not reach the API server to report its end."
        )
    if code == _TERMINATED:
        return Loss("Terminated", f"The runner {where} was told to end (SIGTERM).")
    hint = " It was killed (SIGKILL), often for memory." if code == _KILLED else ""
    log = f" Its log tells more: kubectl logs {pod} -c {FLOW_CONTAINER}." if pod else ""
    return Loss(
        "ProcessExited",
        f"The flow's process {where} ended with exit code {code} without a report.{hint}{log}",
        crash=Reason.PROCESS_EXITED,
    )


def _is_flow(container: ContainerView) -> bool:
    return container.name == FLOW_CONTAINER and not container.is_init


def _place(pod: PodView) -> str:
    return f"{pod.name} on the node {pod.node}" if pod.node else pod.name
