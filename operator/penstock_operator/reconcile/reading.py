"""Turn raw objects into models and views. Nothing in here raises, whatever the object holds."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import JsonValue, ValidationError

from penstock.concurrency.book import Book, Terms
from penstock_operator.model.flow import Flow
from penstock_operator.model.flowrun import MAX_IMAGE_ID, FlowRun
from penstock_operator.model.limit import ConcurrencyLimit
from penstock_operator.model.meta import Condition, ObjectMeta
from penstock_operator.model.schedule import Schedule
from penstock_operator.model.schema import Part
from penstock_operator.model.states import TERMINAL_STATES, Reason, SignalState
from penstock_operator.model.workpool import WorkPool
from penstock_operator.reconcile.names import (
    ATTEMPT_LABEL,
    BACKFILL_LABEL,
    FLOW_CONTAINER,
    MOMENT_ANNOTATION,
    QUEUE_LABEL,
)
from penstock_operator.reconcile.scheduling.observed import ScheduledRun
from penstock_operator.reconcile.scheduling.rules import run_name
from penstock_operator.reconcile.text import shorten
from penstock_operator.reconcile.views import (
    ConfigMapView,
    ContainerView,
    EventView,
    JobCondition,
    JobView,
    LimitView,
    Malformed,
    PodView,
    RunView,
    Series,
    SignalView,
)
from penstock_operator.reconcile.wire import child, children, field, instant, number, strings, text

Raw = Mapping[str, JsonValue]
_P = TypeVar("_P", bound=Part)
_SIGNAL_STATES = {str(each): each for each in SignalState}
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def read_flow(raw: Raw) -> Flow | Malformed:
    """Read a Flow."""
    return _read(Flow, raw)


def read_schedule(raw: Raw) -> Schedule | Malformed:
    """Read a Schedule."""
    return _read(Schedule, raw)


def next_tick_of(schedule: Raw) -> datetime | None:
    """Read the next moment that a Schedule's status shows."""
    ticks = field(schedule, "status", "nextTicks")
    return instant({"first": ticks[0]}, "first") if isinstance(ticks, list) and ticks else None


def read_scheduled_run(raw: Raw) -> ScheduledRun:
    """Read what matters of a run to the Schedule that made it."""
    return ScheduledRun(
        namespace=text(raw, "metadata", "namespace"),
        name=text(raw, "metadata", "name"),
        uid=text(raw, "metadata", "uid"),
        moment=instant(raw, "metadata", "annotations", MOMENT_ANNOTATION),
        backfill=text(raw, "metadata", "labels", BACKFILL_LABEL),
        cancelled=field(raw, "spec", "cancel") is True,
    )


def runs_listed_by(raw: Raw) -> Iterator[str]:
    """Name the runs that a Schedule's status lists: cheaper than to read all of it."""
    active = field(raw, "status", "active")
    yield from (str(each) for each in (active if isinstance(active, list) else ()))
    for start in children(raw, "status", "starting"):
        if (moment := instant(start, "at")) is not None:
            yield run_name(text(raw, "metadata", "name"), moment)


def series_of(schedule: Raw) -> Iterator[Series]:
    """Name the series of runs that a Schedule makes: its own, and one for each backfill."""
    name = text(schedule, "metadata", "name")
    yield Series(name)
    for backfill in children(schedule, "spec", "backfills"):
        yield Series(name, text(backfill, "name"))


def read_run(raw: Raw) -> FlowRun | Malformed:
    """Read a FlowRun."""
    return _read(FlowRun, raw)


def read_pool(raw: Raw) -> WorkPool | Malformed:
    """Read a WorkPool."""
    return _read(WorkPool, raw)


def _read(kind: type[_P], raw: Raw) -> _P | Malformed:
    try:
        return kind.model_validate(raw)
    except (ValidationError, RecursionError) as error:
        return Malformed(
            metadata=_metadata(raw),
            sentence=_sentence(kind.__name__, error),
            observed_generation=number(raw, "status", "observedGeneration", default=-1),
            conditions=tuple(_conditions(raw)),
        )


def _sentence(kind: str, error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return f"This {kind} is nested too deeply to be read. Make it flatter."
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"]) or "the object"
    return shorten(
        f"This {kind} cannot be read: {path}: {first['msg']}. Mend that field and apply it again."
    )


def _conditions(raw: Raw) -> Iterator[Condition]:
    for each in children(raw, "status", "conditions"):
        with suppress(ValidationError, RecursionError):
            yield Condition.model_validate(each)


def _metadata(raw: Raw) -> ObjectMeta:
    return ObjectMeta(
        name=text(raw, "metadata", "name"),
        namespace=text(raw, "metadata", "namespace"),
        uid=text(raw, "metadata", "uid"),
        resource_version=text(raw, "metadata", "resourceVersion"),
        generation=number(raw, "metadata", "generation"),
        creation_timestamp=instant(raw, "metadata", "creationTimestamp"),
        deletion_timestamp=instant(raw, "metadata", "deletionTimestamp"),
    )


def read_job(raw: Raw) -> JobView:
    """Read a batch/v1 Job."""
    attempt = text(raw, "metadata", "labels", ATTEMPT_LABEL)
    conditions = [each for each in children(raw, "status", "conditions") if _holds(each)]
    held_back = any(text(each, "type") == "Suspended" for each in conditions)
    return JobView(
        name=text(raw, "metadata", "name"),
        uid=text(raw, "metadata", "uid"),
        owner_uid=_controller(raw),
        attempt=int(attempt) if attempt.isascii() and attempt.isdigit() else 0,
        created_at=instant(raw, "metadata", "creationTimestamp") or LONG_AGO,
        started_at=instant(raw, "status", "startTime"),
        deletion_requested_at=instant(raw, "metadata", "deletionTimestamp"),
        grace_seconds=number(
            raw, "spec", "template", "spec", "terminationGracePeriodSeconds", default=30
        ),
        suspended=held_back or field(raw, "spec", "suspend") is True,
        queue=text(raw, "metadata", "labels", QUEUE_LABEL),
        active=number(raw, "status", "active"),
        ready=number(raw, "status", "ready"),
        terminating=number(raw, "status", "terminating"),
        succeeded=number(raw, "status", "succeeded"),
        failed=number(raw, "status", "failed"),
        conditions=tuple(
            JobCondition(
                type=text(each, "type"),
                reason=text(each, "reason"),
                message=text(each, "message"),
            )
            for each in conditions
        ),
    )


def read_pod(raw: Raw) -> PodView:
    """Read a pod."""
    status = child(raw, "status")
    by_type = {text(each, "type"): each for each in children(status, "conditions")}
    scheduled = by_type.get("PodScheduled", {})
    disruption = by_type.get("DisruptionTarget", {})
    disrupted = _holds(disruption)
    return PodView(
        name=text(raw, "metadata", "name"),
        uid=text(raw, "metadata", "uid"),
        owner_uid=_controller(raw),
        phase=text(status, "phase"),
        created_at=instant(raw, "metadata", "creationTimestamp") or LONG_AGO,
        reason=text(status, "reason"),
        message=text(status, "message"),
        node=text(raw, "spec", "nodeName"),
        deletion_at=instant(raw, "metadata", "deletionTimestamp"),
        unschedulable=(
            text(scheduled, "message") or "no reason is given"
            if text(scheduled, "status") == "False"
            else ""
        ),
        disruption=(text(disruption, "reason") or "Disruption") if disrupted else "",
        disruption_message=text(disruption, "message") if disrupted else "",
        containers=(
            *(_container(each, init=True) for each in children(status, "initContainerStatuses")),
            *(_container(each, init=False) for each in children(status, "containerStatuses")),
        ),
    )


def image_of(pod: Raw) -> str:
    """Return what a pod's container `flow` runs, as far as its node has told."""
    containers = read_pod(pod).containers
    return next(
        (each.image_id for each in containers if each.name == FLOW_CONTAINER and not each.is_init),
        "",
    )


def _container(raw: Raw, *, init: bool) -> ContainerView:
    state = child(raw, "state")
    terminated = child(state, "terminated")
    return ContainerView(
        name=text(raw, "name"),
        image=text(raw, "image"),
        image_id=text(raw, "imageID")[:MAX_IMAGE_ID],
        is_init=init,
        running="running" in state,
        running_since=instant(state, "running", "startedAt"),
        waiting_reason=text(state, "waiting", "reason"),
        waiting_message=text(state, "waiting", "message"),
        exit_code=number(terminated, "exitCode") if terminated else None,
        terminated_reason=text(terminated, "reason"),
        terminated_message=text(terminated, "message"),
    )


def read_event(raw: Raw) -> EventView:
    """Read a v1 Event."""
    times = (
        instant(raw, "series", "lastObservedTime"),
        instant(raw, "lastTimestamp"),
        instant(raw, "eventTime"),
        instant(raw, "metadata", "creationTimestamp"),
    )
    return EventView(
        kind=text(raw, "involvedObject", "kind"),
        name=text(raw, "involvedObject", "name"),
        warning=text(raw, "type") == "Warning",
        reason=text(raw, "reason"),
        message=text(raw, "message"),
        seen_at=next((each for each in times if each), LONG_AGO),
    )


def read_signal(raw: Raw) -> SignalView:
    """Read a Signal."""
    return SignalView(
        namespace=text(raw, "metadata", "namespace"),
        name=text(raw, "metadata", "name"),
        uid=text(raw, "metadata", "uid"),
        resource_version=text(raw, "metadata", "resourceVersion"),
        run=text(raw, "spec", "flowRunRef", "name"),
        signal=text(raw, "spec", "name"),
        created_at=instant(raw, "metadata", "creationTimestamp") or LONG_AGO,
        payload_bytes=number(raw, "spec", "payloadBytes"),
        forwarded_to=text(raw, "status", "forwardedTo"),
        run_uid=text(raw, "status", "flowRunUID"),
        state=_SIGNAL_STATES.get(text(raw, "status", "state"), SignalState.PENDING),
        message=text(raw, "status", "message"),
    )


def read_relative(raw: Raw) -> RunView:
    """Read of a run what matters to another."""
    state = text(raw, "status", "state")
    return RunView(
        name=text(raw, "metadata", "name"),
        uid=text(raw, "metadata", "uid"),
        is_over=state in TERMINAL_STATES,
        state=state,
        flow=text(raw, "spec", "flowRef", "name"),
        cancel=field(raw, "spec", "cancel") is True,
        suspend=field(raw, "spec", "suspend") is True,
        parent_uid=text(raw, "spec", "parentRef", "uid"),
        continued_as=text(raw, "status", "continuedAs"),
        attempt=number(raw, "status", "attempt"),
        reporting_since=_reporting_since(raw),
        rests_on_request=text(raw, "status", "reason") == Reason.SUSPEND_REQUESTED,
    )


def _reporting_since(run: Raw) -> datetime | None:
    report = child(run, "status", "execution")
    is_current = number(report, "attempt") == number(run, "status", "attempt")
    return instant(report, "startedAt") if is_current else None


def read_limit(raw: Raw) -> LimitView | Malformed:
    """Read a ConcurrencyLimit."""
    status = child(raw, "status")
    slots = ("holders", "waiting")  # the book checks these, and there may be many
    rest = {name: each for name, each in status.items() if name not in slots}
    read = _read(ConcurrencyLimit, {**raw, "status": rest})
    if isinstance(read, Malformed):
        return read
    try:
        book = Book.read(status)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return Malformed(read.metadata, f"Its status cannot be read: {error!r}.")
    terms = Terms.read(child(raw, "spec"))
    return LimitView(read.metadata, dict(raw), terms, book, read.status.conditions)


def read_config_map(raw: Raw) -> ConfigMapView:
    """Read a ConfigMap."""
    return ConfigMapView(
        name=text(raw, "metadata", "name"),
        data=strings(raw, "data"),
        binary=strings(raw, "binaryData"),
    )


def _holds(condition: Raw) -> bool:
    return text(condition, "status") == "True"


def _controller(raw: Raw) -> str:
    owners = children(raw, "metadata", "ownerReferences")
    return next((text(each, "uid") for each in owners if each.get("controller") is True), "")
