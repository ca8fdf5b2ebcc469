"""Why a launched run has not started: read from its Job, its pod and the events about them.

These are waits that a person, or time, must mend. Each has a deadline, so that no run hangs for
ever. The order of the questions is the order in which a pod comes to life.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from penstock_operator.model.flowrun import WaitingFor
from penstock_operator.model.states import Reason, WaitKind
from penstock_operator.reconcile.events import has_got_further, latest_hindrance, latest_refusal
from penstock_operator.reconcile.names import FLOW_CONTAINER
from penstock_operator.reconcile.settings import Settings
from penstock_operator.reconcile.text import quote
from penstock_operator.reconcile.views import ContainerView, EventView, JobView, PodView

_IMAGE_TROUBLES = frozenset(
    {
        "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull",
        "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed",
    }
)  # fmt: skip
_CONTAINER_TROUBLES = frozenset(
    {
        "CreateContainerConfigError", "CreateContainerError", "RunContainerError",
        "PreCreateHookError", "PreStartHookError", "PostStartHookError", "CrashLoopBackOff",
    }
)  # fmt: skip

SILENCE = timedelta(seconds=30)
"""How long a container may run, or a Job have no pod, without a word before that is a trouble."""


HICCUP = timedelta(seconds=4)
"""How old a pod is before a warning about it counts: kubelets warn of what mends itself at once."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps a run from starting."""

    reason: Reason
    kind: WaitKind
    name: str
    """Of what is waited for."""
    cause: str
    """A clause: what is wrong, in the words of whoever found it."""
    mend: str
    """A clause: what to do about it."""
    is_final: bool = False
    """Whether waiting cannot help."""


def deadline_of(trouble: Trouble, *, settings: Settings) -> timedelta:
    """Return how long such a trouble is waited out."""
    return {
        Reason.IMAGE_UNAVAILABLE: settings.image_deadline,
        Reason.UNSCHEDULABLE: settings.unschedulable_deadline,
        Reason.QUOTA_EXCEEDED: settings.quota_deadline,
    }.get(trouble.reason, settings.pod_deadline)


def launch_trouble(
    job: JobView, *, pod: PodView | None, events: tuple[EventView, ...], now: datetime
) -> Trouble | None:
    """Say what keeps the Job's pod from starting, or None while all goes its way."""
    if pod is None:
        return _no_pod(job, events=events, now=now)
    if pod.unschedulable:
        return Trouble(
            Reason.UNSCHEDULABLE,
            WaitKind.NODE,
            pod.name,
            f"no node can take the pod {pod.name}: {quote(_of_nodes(pod.unschedulable))}",
            "make room, or mend the resources, nodeSelector, affinity or tolerations of the flow or"
            " its WorkPool",
        )
    for container in pod.containers:
        trouble = _container_trouble(container, pod=pod)
        if trouble is not None:
            return trouble
    return _pod_trouble(pod, events=events, now=now)


def _of_nodes(words: str) -> str:
    """Keep what a scheduler says of the nodes, without what it says of its own next steps."""
    return re.split(r" (?:no new claims to deallocate, )?preemption: ", words)[0]


def is_over(
    wait: WaitingFor, *, reason: Reason, pod: PodView | None, events: tuple[EventView, ...]
) -> bool:
    """Tell whether a trouble that shows no more has really passed: they come and go meanwhile."""
    if reason == Reason.WAITING_FOR_ADMISSION:
        return True
    if pod is None:
        return False
    if reason in (Reason.QUOTA_EXCEEDED, Reason.POD_REFUSED):
        return True
    if reason == Reason.UNSCHEDULABLE:
        return bool(pod.node)
    if wait.kind == WaitKind.POD and wait.name != pod.name:
        return True  # it was the pod that was missing
    pulls = reason == Reason.IMAGE_UNAVAILABLE
    started = any(_runs_flow(each) for each in pod.containers)
    return started or has_got_further(events, pod=pod, than_pulling=pulls)


def _runs_flow(container: ContainerView) -> bool:
    return container.name == FLOW_CONTAINER and container.running


def _no_pod(job: JobView, *, events: tuple[EventView, ...], now: datetime) -> Trouble | None:
    refused = latest_refusal(events, job=job.name)
    if refused is not None:
        return refusal_trouble(refused.message, job=job.name)
    if now - job.launched_at < SILENCE:
        return None
    return Trouble(
        Reason.POD_NOT_STARTING,
        WaitKind.POD,
        job.name,
        f"the Job {job.name} has had no pod for {int(SILENCE.total_seconds())} s, and no event says"
        " why",
        "look whether the cluster's controller manager runs",
    )


def refusal_trouble(words: str, *, job: str) -> Trouble:
    """Say what a refusal to create the Job or its pod means."""
    if "exceeded quota" in words:
        return Trouble(
            Reason.QUOTA_EXCEEDED,
            WaitKind.QUOTA,
            _quota_name(words) or job,
            f"the namespace's quota is exhausted: {quote(words)}",
            "raise the quota, or wait for other pods to end",
        )
    return Trouble(
        Reason.POD_REFUSED,
        WaitKind.POD,
        job,
        f"the cluster refuses the pod: {quote(words)}",
        "mend the Flow's or the WorkPool's podTemplate, or what refuses it",
    )


def _quota_name(words: str) -> str:
    _, _, rest = words.partition("exceeded quota: ")
    return rest.partition(",")[0].strip()


def _container_trouble(container: ContainerView, *, pod: PodView) -> Trouble | None:
    words = quote(container.waiting_message or container.waiting_reason)
    if container.waiting_reason in _IMAGE_TROUBLES:
        is_final = container.waiting_reason == "InvalidImageName"
        image = container.image or "of the container " + container.name
        return Trouble(
            Reason.IMAGE_UNAVAILABLE,
            WaitKind.IMAGE,
            image,
            f"the image {image} cannot be pulled: {container.waiting_reason}: {words}",
            "correct the image's name in the Flow"
            if is_final
            else "push the image, or mend its name or the imagePullSecrets",
            is_final=is_final,
        )
    if container.waiting_reason in _CONTAINER_TROUBLES:
        return Trouble(
            Reason.POD_NOT_STARTING,
            WaitKind.POD,
            pod.name,
            f"the container {container.name} of the pod {pod.name} does not start:"
            f" {container.waiting_reason}: {words}",
            "mend what it names",
        )
    return None


def _pod_trouble(pod: PodView, *, events: tuple[EventView, ...], now: datetime) -> Trouble | None:
    flow = next((each for each in pod.containers if _runs_flow(each)), None)
    if flow is not None:
        return _silence(pod, since=flow.running_since or pod.created_at, now=now)
    if any(each.running or each.exit_code is not None for each in pod.containers):
        return None
    stuck = latest_hindrance(events, pod=pod)
    if stuck is None or now - pod.created_at < HICCUP:
        return None
    return Trouble(
        Reason.POD_NOT_STARTING,
        WaitKind.POD,
        pod.name,
        f"the pod {pod.name} on the node {pod.node or 'none'} does not start: {stuck.reason}:"
        f" {quote(stuck.message)}",
        "mend what it names",
    )


def _silence(pod: PodView, *, since: datetime, now: datetime) -> Trouble | None:
    if now - since < SILENCE:
        return None
    return Trouble(
        Reason.POD_NOT_STARTING,
        WaitKind.POD,
        pod.name,
        f"the container flow of the pod {pod.name} runs, but its runner has not reported",
        f"read its log (kubectl logs {pod.name} -c flow), and look whether the pod reaches the API"
        " server",
    )
