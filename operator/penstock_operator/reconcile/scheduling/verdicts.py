"""Whether a Schedule makes runs, and what a person must mend if it does not."""

from datetime import datetime

from penstock.schedules import ScheduleError
from penstock_operator.model.flow import Flow
from penstock_operator.model.schedule import Schedule, ScheduleStatus
from penstock_operator.model.schema import JsonObject
from penstock_operator.model.states import ReadyReason
from penstock_operator.reconcile.code import Fault
from penstock_operator.reconcile.parameters import merged_parameters, parameter_problems
from penstock_operator.reconcile.readiness import readiness
from penstock_operator.reconcile.scheduling.backfills import backfill_fault
from penstock_operator.reconcile.scheduling.nominal import template_fault, with_moment
from penstock_operator.reconcile.scheduling.rules import rules_of
from penstock_operator.reconcile.views import Malformed

_SKIPPED = "what is due is skipped, and counted"


def fault_of(schedule: Schedule, *, flow: Flow | Malformed | None, now: datetime) -> Fault | None:
    """Return what a person must mend before anything can be decided."""
    try:
        rules_of(schedule.spec)
    except ScheduleError as error:
        return Fault(ReadyReason.INVALID_RULE, str(error))
    parameters: JsonObject = schedule.spec.parameters or {}
    unknown = template_fault(parameters)
    if unknown is not None:
        return Fault(ReadyReason.INVALID_PARAMETERS, unknown)
    if not isinstance(flow, Flow):
        return None
    filled = with_moment(parameters, now, zone=schedule.spec.time_zone)
    problems = parameter_problems(
        merged_parameters(flow.spec.parameters, run=filled), schema=flow.spec.parameter_schema
    )
    if not problems:
        return None
    said = "; ".join(problems)
    return Fault(
        ReadyReason.INVALID_PARAMETERS, f"The parameters do not fit the flow's schema: {said}."
    )


def verdict_on(
    schedule: Schedule,
    *,
    flow: Flow | Malformed | None,
    stopped: int | None,
    ahead: datetime | None,
    is_over: bool,
) -> Fault | tuple[ReadyReason, str]:
    """Say how a schedule stands whose rule can be followed."""
    if stopped is not None:
        return Fault(
            ReadyReason.TOO_MANY_FAILURES,
            f"Its last {schedule.spec.suspend_after_failures} runs did not complete. Look at them;"
            " any change of the Schedule lets it go on.",
        )
    if schedule.spec.suspend:
        return ReadyReason.SUSPENDED, f"It is suspended: {_SKIPPED}."
    if flow is None:
        name = schedule.spec.flow_ref.name
        return Fault(
            ReadyReason.FLOW_NOT_FOUND,
            f"There is no Flow {name} in its namespace; what is due meanwhile is skipped.",
        )
    if isinstance(flow, Flow) and flow.spec.suspend:
        return ReadyReason.SUSPENDED, f"Its Flow {flow.metadata.name} is suspended: {_SKIPPED}."
    too_large = backfill_fault(schedule)
    if too_large is not None:
        return Fault(ReadyReason.BACKFILL_TOO_LARGE, too_large)
    if ahead is not None:
        return ReadyReason.READY, (
            f"Moments up to {ahead:%Y-%m-%dT%H:%M:%SZ} were decided by a clock that was ahead of"
            " this one; nothing is due before. To begin anew, delete the Schedule and apply it."
        )
    if is_over:
        return ReadyReason.READY, "No run is due any more: no moment is named after the last one."
    return ReadyReason.READY, "Runs are created when they are due."


def with_conditions(
    schedule: Schedule,
    status: ScheduleStatus,
    verdict: Fault | tuple[ReadyReason, str],
    *,
    now: datetime,
) -> ScheduleStatus:
    """Write it into a status; the times of conditions that stay are kept."""
    generation = schedule.metadata.generation
    conditions = readiness(verdict, old=schedule.status.conditions, generation=generation, now=now)
    return status.model_copy(update={"conditions": conditions, "observed_generation": generation})
