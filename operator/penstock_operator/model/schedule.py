"""Schedule: when runs are created."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from penstock.schedules import Gap, Overlap
from penstock_operator.model.meta import Conditions, FlowRef, ObjectMeta
from penstock_operator.model.schema import (
    Count,
    FreeObject,
    Generation,
    ObjectName,
    Part,
    PositiveSeconds,
    Seconds,
    Timestamp,
    listed_by,
    must,
    refuse_unless,
)

LONGEST_NAME = 36
"""Its runs are named `<schedule>-<yyyymmddhhmmss>`, in at most 52 characters."""

_CRON = (
    r"^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)"
    r"|[0-9A-Za-z*/,#?-]+( +[0-9A-Za-z*/,#?-]+){4,5})$"
)
CronLine = Annotated[
    str,
    Field(
        min_length=1,
        max_length=256,
        json_schema_extra=refuse_unless(
            must(
                f"self.matches('{_CRON}')",
                "A cron line has five fields (minute hour day month weekday), or six with seconds"
                " first, or is one of @yearly, @monthly, @weekly, @daily and @hourly.",
            )
        ),
    ),
]


class OverlapPolicy(StrEnum):
    """What happens when a run is due while an earlier one of the schedule goes on."""

    ALLOW = "Allow"
    SKIP = "Skip"
    BUFFER_ONE = "BufferOne"
    BUFFER_ALL = "BufferAll"
    CANCEL_RUNNING = "CancelRunning"
    TERMINATE_RUNNING = "TerminateRunning"


class CatchUpOrder(StrEnum):
    """Which of the missed runs starts first."""

    OLDEST_FIRST = "OldestFirst"
    NEWEST_FIRST = "NewestFirst"


class Interval(Part):
    """A length of time, counted from a moment."""

    seconds: PositiveSeconds
    """Seconds from one run to the next."""

    anchor: Timestamp | None = None
    """A moment at which a run is due; 2020-01-01T00:00:00Z unless set."""


class DaylightSaving(Part):
    """What happens where clocks are put forward and back."""

    gap: Gap | None = None
    """For a time that the clock leaves out: once right after the gap, or not at all. Unless set:
    RunOnceAfter, but Skip for a rule that names no hours, such as */15 * * * *."""

    overlap: Overlap | None = None
    """For a time that the clock shows twice. Unless set: First, but Both for a rule that names no
    hours, such as */15 * * * *."""


class CatchUp(Part):
    """What becomes of runs that were due while nobody could create them."""

    window_seconds: Seconds = 3600
    """How late a run may start. What is later is skipped, and counted."""

    limit: Annotated[int, Field(ge=0, le=1000)] = 1
    """How many missed runs are made up at once: the latest ones. The others are skipped, and
    counted."""

    order: CatchUpOrder = CatchUpOrder.OLDEST_FIRST
    """In which order they are made up."""


class Backfill(Part):
    """A stretch of time whose runs are made up."""

    model_config = ConfigDict(
        json_schema_extra=refuse_unless(
            must("self.start <= self.end", "A backfill's end is not before its start.")
        )
    )

    name: ObjectName
    """Its name. A backfill that is taken off the list is given up."""

    start: Timestamp
    """The first moment that counts."""

    end: Timestamp
    """The last moment that counts."""

    overlap_policy: Literal["Allow", "BufferAll"] = "BufferAll"
    """BufferAll: one run after another. Allow: all at once, as far as the pool lets them."""


class ScheduleSpec(Part):
    """When runs of a Flow are created, and with what parameters."""

    model_config = ConfigDict(
        json_schema_extra=refuse_unless(
            must(
                "[has(self.cron), has(self.crons), has(self.interval), has(self.rrule)]"
                ".filter(x, x).size() == 1",
                "Set exactly one of cron, crons, interval and rrule.",
            ),
            must(
                "!has(self.startAt) || !has(self.endAt) || self.startAt < self.endAt",
                "A schedule ends after it starts: endAt is later than startAt.",
            ),
        )
    )

    flow_ref: FlowRef
    """The Flow to run, of the same namespace."""

    parameters: FreeObject | None = None
    """Parameters of the runs. In texts {{ scheduledTime }} is the moment that the run is for, in
    UTC; {{ scheduledTime:%Y-%m-%d }} is the same in the schedule's time zone, as strftime writes
    it."""

    cron: CronLine | None = None
    """A cron line: five fields, six with seconds first, or @daily and the like. Names (mon-fri),
    L (the last day) and # (fri#2, the second Friday) are known."""

    crons: Annotated[
        tuple[CronLine, ...] | None,
        Field(min_length=1, max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = None
    """Several cron lines. A moment that two of them name is due once."""

    interval: Interval | None = None
    """A run each so many seconds, whatever clocks show."""

    rrule: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """A recurrence rule of iCalendar (RFC 5545), such as FREQ=WEEKLY;BYDAY=MO,FR;BYHOUR=9."""

    time_zone: Annotated[
        str,
        Field(
            min_length=1,
            max_length=64,
            json_schema_extra=refuse_unless(
                must(
                    "self.matches('^[A-Za-z]') && self != 'Local'"
                    " && timestamp('2000-01-01T00:00:00Z').getHours(self) >= 0",
                    "There is no such time zone; names are like Europe/Zurich or UTC.",
                )
            ),
        ),
    ] = "UTC"
    """Whose clock cron lines and rules speak of: a name of the IANA time zone database."""

    dst: DaylightSaving = Field(default=DaylightSaving())
    """What happens where that clock is put forward and back."""

    jitter_seconds: Annotated[int, Field(ge=0, le=86400)] = 0
    """Runs start up to so many seconds late, each by a delay of its own that is always the same."""

    overlap_policy: OverlapPolicy = OverlapPolicy.ALLOW
    """What happens when a run is due while an earlier one goes on: Allow starts it, Skip does not,
    BufferOne and BufferAll let one or all wait, CancelRunning cancels the earlier one and waits for
    its end, TerminateRunning cancels it and starts at once."""

    catch_up: CatchUp = Field(default=CatchUp())
    """What becomes of runs that were due while nobody could create them."""

    start_at: Timestamp | None = None
    """No run is due before."""

    end_at: Timestamp | None = None
    """No run is due after."""

    suspend: bool = False
    """Whether nothing is created. What is due meanwhile is skipped, and counted."""

    suspend_after_failures: Annotated[int, Field(ge=1, le=1000)] | None = None
    """After so many runs in a row that did not complete nothing is created, until the Schedule is
    changed."""

    backfills: Annotated[
        tuple[Backfill, ...],
        Field(
            max_length=16,
            json_schema_extra=listed_by("name"),
        ),
    ] = ()
    """Stretches of time whose runs are made up. A moment that has a run gets no second one."""

    trigger_at: Timestamp | None = None
    """One run at this moment, or at once if it has passed. Another moment makes another run."""


class Start(Part):
    """A run that was decided on."""

    at: Timestamp
    """The moment that it is for."""

    backfill: ObjectName | None = None
    """The backfill that asks for it."""


class BackfillStatus(Part):
    """How a backfill stands."""

    name: ObjectName
    """Its name."""

    start: Timestamp
    """Its start when it was begun."""

    end: Timestamp
    """Its end when it was begun."""

    through: Timestamp | None = None
    """What it names up to here has been decided."""

    total: Count = 0
    """How many runs it asks for."""

    done: Count = 0
    """How many of them exist, or were made, or were skipped."""

    complete: bool = False
    """Whether nothing is left to be made."""


class ScheduleStatus(Part):
    """What became of the moments that the schedule names. The operator writes it."""

    observed_generation: Generation = -1
    """The generation of the Schedule that this status is about."""

    conditions: Conditions = ()
    """Ready tells whether runs are created; Stalled says what a person must mend."""

    schedule: Annotated[str, Field(max_length=8192)] | None = None
    """What says when runs are due, in one line."""

    rule: Annotated[str, Field(max_length=8192)] | None = None
    """What said when runs are due, as JSON. Once it is changed, it fires nothing of the past."""

    decided_through: Timestamp | None = None
    """Each moment up to here was made a run, or skipped and counted."""

    last_tick: Timestamp | None = None
    """The last moment that was made a run."""

    next_ticks: Annotated[
        tuple[Timestamp, ...],
        Field(max_length=5, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """The next moments."""

    starting: Annotated[
        tuple[Start, ...],
        Field(max_length=2000, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """Runs that were decided on, until they are seen to exist."""

    buffered: Annotated[
        tuple[Timestamp, ...],
        Field(max_length=1000, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """Moments whose runs wait for the end of an earlier one."""

    active: Annotated[
        tuple[ObjectName, ...],
        Field(max_length=100, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """Runs of the schedule that go on; at most 100 are listed."""

    active_runs: Count = 0
    """How many go on."""

    started: Count = 0
    """How many runs the schedule has made."""

    skipped: Annotated[dict[str, Count], Field(max_length=16)] = Field(default_factory=dict)
    """How many moments were skipped, by reason."""

    failures_in_a_row: Count = 0
    """How many of its runs have ended without completing since the last one that did."""

    stopped_at_generation: Generation | None = None
    """The generation of the Schedule that had too many failures."""

    paused: bool = False
    """Whether moments go by that are to be counted as skipped when it goes on."""

    last_trigger: Timestamp | None = None
    """The last triggerAt that was made a run."""

    backfills: Annotated[
        tuple[BackfillStatus, ...],
        Field(
            max_length=16,
            json_schema_extra=listed_by("name"),
        ),
    ] = ()
    """How the backfills stand."""


class Schedule(Part):
    """When runs of a Flow are created."""

    metadata: ObjectMeta
    spec: ScheduleSpec
    """When runs are created, and with what parameters."""

    status: ScheduleStatus = Field(default=ScheduleStatus())
    """What became of the moments that the schedule names."""
