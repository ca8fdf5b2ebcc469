"""What the events about a pod or a Job say now: events outlive what they tell of."""

from datetime import UTC, datetime

from penstock_operator.reconcile.views import EventView, PodView

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

_PROGRESS = frozenset({"Pulled", "Created", "Started"})
_TOLD_BY_THE_POD = frozenset(
    {"BackOff", "Evicted", "Failed", "FailedScheduling", "Killing", "Preempted", "Unhealthy"}
)
"""Warnings that the pod's own status tells better, or that are no hindrance."""


def latest_refusal(events: tuple[EventView, ...], *, job: str) -> EventView | None:
    """Return the last event that says why the Job's pod could not be created."""
    told = (each for each in events if each.kind == "Job" and each.reason == "FailedCreate")
    return max((each for each in told if each.name == job), key=_time, default=None)


def latest_hindrance(events: tuple[EventView, ...], *, pod: PodView) -> EventView | None:
    """Return the last warning about a pod that has not got any further since."""
    mine = _about(events, pod=pod)
    warnings = (each for each in mine if each.warning and each.reason not in _TOLD_BY_THE_POD)
    last = max(warnings, key=_time, default=None)
    # A pull starts when the volumes are mounted and the sandbox stands.
    further = _last(mine, reasons=_PROGRESS | {"Pulling"})
    return last if last is not None and last.seen_at > further else None


def has_got_further(events: tuple[EventView, ...], *, pod: PodView, than_pulling: bool) -> bool:
    """Tell whether the last that was heard of a pod is progress; a pull's beginning is none where
    pulls are the trouble."""
    mine = _about(events, pod=pod)
    warned = max((each.seen_at for each in mine if each.warning), default=_LONG_AGO)
    progress = _PROGRESS if than_pulling else _PROGRESS | {"Pulling"}
    return _last(mine, reasons=progress) > warned


def _about(events: tuple[EventView, ...], *, pod: PodView) -> tuple[EventView, ...]:
    return tuple(each for each in events if each.kind == "Pod" and each.name == pod.name)


def _last(events: tuple[EventView, ...], *, reasons: frozenset[str]) -> datetime:
    seen = (each.seen_at for each in events if not each.warning and each.reason in reasons)
    return max(seen, default=_LONG_AGO)


def _time(event: EventView) -> datetime:
    return event.seen_at
