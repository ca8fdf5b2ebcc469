"""The plan of a Schedule: make the runs that are due, and say what became of each moment (G7).

A moment is decided once: the status says up to where that is done, which runs it decided on, and
counts what was skipped. It is written before the runs are made, by whoever knew its last version;
a run that a crash kept from being made is made by the next plan, and none is made twice.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice

from penstock_operator.model.flow import Flow
from penstock_operator.model.schedule import Schedule, ScheduleStatus, Start
from penstock_operator.model.states import State
from penstock_operator.reconcile.actions import (
    Action,
    CancelRun,
    PatchScheduleStatus,
    Plan,
    target_of,
)
from penstock_operator.reconcile.observed import Look, NotLooked
from penstock_operator.reconcile.scheduling.backfills import Progress, go_on
from penstock_operator.reconcile.scheduling.course import Course
from penstock_operator.reconcile.scheduling.creation import create_run
from penstock_operator.reconcile.scheduling.missed import PUNCTUAL, due_moments
from penstock_operator.reconcile.scheduling.observed import ObservedSchedule, listed_runs
from penstock_operator.reconcile.scheduling.past import count_what_is_past
from penstock_operator.reconcile.scheduling.rules import (
    due_at,
    in_a_line,
    rule_of,
    run_name,
    scheduled_after,
)
from penstock_operator.reconcile.scheduling.telling import (
    newly_skipped,
    tell_of_halt,
    tell_of_skipped,
)
from penstock_operator.reconcile.scheduling.verdicts import fault_of, verdict_on, with_conditions
from penstock_operator.reconcile.views import Malformed

_SHOWN_TICKS = 5
_NOW = timedelta(0)
_TIDY_AFTER = timedelta(seconds=2)
"""How long a run may be listed as starting once it exists."""


def plan_schedule(observed: ObservedSchedule, *, now: datetime) -> Plan:
    """Plan what a Schedule has to do now, and when to look again."""
    schedule = observed.schedule
    if isinstance(schedule, Malformed) or schedule.metadata.deletion_timestamp is not None:
        return Plan()  # a status that cannot be read is not written over: it counts
    fault = fault_of(schedule, flow=observed.flow, now=now)
    if fault is not None:
        rule = schedule.status.rule or rule_of(schedule.spec)
        held = schedule.status.model_copy(update={"next_ticks": (), "rule": rule})
        return Plan(actions=_patched(schedule, with_conditions(schedule, held, fault, now=now)))
    unseen = listed_runs(schedule) - {each.name for each in observed.runs}
    if unseen and isinstance(observed.outcomes, NotLooked):
        return Plan(need=frozenset({Look.OUTCOMES}))
    return _decide(observed, schedule, now=now)


def _decide(observed: ObservedSchedule, schedule: Schedule, *, now: datetime) -> Plan:
    known: dict[str, State | None] = {each.name: State.RUNNING for each in observed.runs}
    if not isinstance(observed.outcomes, NotLooked):
        known |= observed.outcomes
    starting = schedule.status.starting
    unmade = [each for each in starting if known[_name_of(each, schedule)] is None]
    course = Course.of(schedule, runs=observed.runs, starting=unmade, now=now)
    course.count_endings(known[name] for name in schedule.status.active)
    rule = rule_of(schedule.spec)
    stopped = _stopped_at(schedule, course)
    paused = schedule.spec.suspend or stopped is not None
    more = behind = count_what_is_past(course, rule=rule, paused=paused)
    if not paused and not behind:
        if not _is_early(schedule, rule=rule, now=now):
            more = _decide_what_is_due(course, reason=_reason_to_skip(observed.flow))
        course.drain()
    trigger = _triggered(course)
    backfills = go_on(schedule, runs=observed.runs, starting=unmade, now=now)
    upcoming = () if paused or behind else _upcoming(course, rule=rule)
    starts = [
        *(Start(at=each) for each in course.starts),
        *(Start(at=at, backfill=each.status.name) for each in backfills for at in each.starts),
    ]
    status = course.status(
        schedule=in_a_line(schedule.spec),
        rule=schedule.status.rule if behind else rule,
        paused=paused or (behind and schedule.status.paused),
        stopped_at_generation=stopped,
        last_trigger=trigger,
        next_ticks=upcoming,
        starting=(*unmade, *starts),
        backfills=tuple(each.status for each in backfills),
    )
    ahead = course.decided_through if course.decided_through - now > PUNCTUAL else None
    is_over = not (upcoming or paused or behind)
    verdict = verdict_on(
        schedule, flow=observed.flow, stopped=stopped, ahead=ahead, is_over=is_over
    )
    status = with_conditions(schedule, status, verdict, now=now)
    again = _again(course, upcoming=upcoming, backfills=backfills, more=more)
    if _only_forgets_starts(status, schedule) and _is_fresh(starting, schedule, now=now):
        status, again = schedule.status, min(again or _TIDY_AFTER, _TIDY_AFTER)
    return Plan(
        actions=(
            *(create_run(schedule, each) for each in unmade),
            *_patched(schedule, status),
            *(create_run(schedule, each) for each in starts),
            *(CancelRun(each.namespace, each.name, each.uid) for each in course.superseded()),
            *tell_of_skipped(schedule, status, now=now),
            *tell_of_halt(schedule, status, now=now),
        ),
        requeue_after=again,
        punctual=True,
    )


def _name_of(start: Start, schedule: Schedule) -> str:
    return run_name(schedule.metadata.name, start.at)


def _only_forgets_starts(status: ScheduleStatus, schedule: Schedule) -> bool:
    """Tell whether the status says nothing but that runs exist that were decided on."""
    old = schedule.status
    return old.starting != () and status.model_copy(update={"starting": old.starting}) == old


def _is_fresh(starting: Iterable[Start], schedule: Schedule, *, now: datetime) -> bool:
    """Tell whether that can wait for the next word, which comes soon where runs are short."""
    latest = max(due_at(each.at, schedule=schedule) for each in starting)
    return now - latest < _TIDY_AFTER


def _is_early(schedule: Schedule, *, rule: str, now: datetime) -> bool:
    """Tell from the status alone that nothing is due yet: reading a rule costs a millisecond."""
    status = schedule.status
    return (
        status.rule == rule
        and status.next_ticks != ()
        and due_at(status.next_ticks[0], schedule=schedule) > now
    )


def _stopped_at(schedule: Schedule, course: Course) -> int | None:
    """Return the generation at which failures stopped the schedule, if they hold it still."""
    limit, generation = schedule.spec.suspend_after_failures, schedule.metadata.generation
    stopped = schedule.status.stopped_at_generation
    if stopped is not None and stopped != generation:
        course.failures = 0  # it was changed meanwhile: tried anew
        return None
    if limit is None or course.failures < limit:
        return None
    return generation


def _decide_what_is_due(course: Course, *, reason: str | None) -> bool:
    due = due_moments(course.schedule, after=course.decided_through, now=course.now)
    course.skip(due.missed, "Missed")
    for moment in due.runs:
        if reason is not None:
            course.skip(1, reason)
        else:
            course.admit(moment)
    course.decided_through = due.through
    return due.more


def _reason_to_skip(flow: Flow | Malformed | None) -> str | None:
    if flow is None:
        return "FlowNotFound"
    if isinstance(flow, Flow) and flow.spec.suspend:
        return "FlowSuspended"
    return None


def _triggered(course: Course) -> datetime | None:
    """Make the run that triggerAt asks for; return the last that was asked for."""
    schedule = course.schedule
    asked, last = schedule.spec.trigger_at, schedule.status.last_trigger
    if asked is None or asked == last:
        return last
    if asked > course.now:
        course.again_at.append(asked)
        return last
    if course.now - asked > timedelta(seconds=schedule.spec.catch_up.window_seconds):
        course.skip(1, "Missed")
    elif asked not in course.starts:
        course.start(asked)
    return asked


def _upcoming(course: Course, *, rule: str) -> tuple[datetime, ...]:
    status = course.schedule.status
    if (
        status.rule == rule
        and status.next_ticks
        and status.decided_through == course.decided_through
    ):
        return status.next_ticks
    moments = scheduled_after(course.decided_through, spec=course.schedule.spec)
    return tuple(islice(moments, _SHOWN_TICKS))


def _again(
    course: Course, *, upcoming: Sequence[datetime], backfills: list[Progress], more: bool
) -> timedelta | None:
    moments = list(course.again_at)
    if upcoming:
        moments.append(due_at(upcoming[0], schedule=course.schedule))
    moments += [course.now for each in backfills if each.starts]
    moments += [each.status.end for each in backfills if each.status.end > course.now]
    if more:
        moments.append(course.now)
    if not moments:
        return None
    return max(_NOW, min(moments) - course.now)


def _patched(schedule: Schedule, status: ScheduleStatus) -> tuple[Action, ...]:
    if status == schedule.status:
        return ()
    skipped = newly_skipped(schedule, status)
    return (PatchScheduleStatus(target_of(schedule.metadata), status, skipped),)
