"""What the plan of a Schedule looks at."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from penstock_operator.model.flow import Flow
from penstock_operator.model.schedule import Schedule
from penstock_operator.model.states import State
from penstock_operator.reconcile.observed import NOT_LOOKED, NotLooked
from penstock_operator.reconcile.scheduling.rules import run_name
from penstock_operator.reconcile.views import Malformed


@dataclass(frozen=True, slots=True)
class ScheduledRun:
    """An unfinished run that a Schedule made."""

    namespace: str
    name: str
    uid: str
    moment: datetime | None
    """The moment that it is for; unknown where somebody took the annotation off."""
    backfill: str = ""
    """The backfill that it belongs to."""
    cancelled: bool = False


def listed_runs(schedule: Schedule) -> frozenset[str]:
    """Name the runs that a Schedule's status lists as active or starting."""
    name = schedule.metadata.name
    starting = (run_name(name, each.at) for each in schedule.status.starting)
    return frozenset((*schedule.status.active, *starting))


@dataclass(frozen=True, slots=True)
class ObservedSchedule:
    """All that the plan of a Schedule may look at."""

    schedule: Schedule | Malformed
    flow: Flow | Malformed | None
    runs: tuple[ScheduledRun, ...] = ()
    """Its unfinished runs, those of its backfills too."""
    outcomes: Mapping[str, State | None] | NotLooked = NOT_LOOKED
    """The states of the runs that the status lists as active or starting and that are not among
    `runs`, read from the API server; ``None`` for one that does not exist."""
