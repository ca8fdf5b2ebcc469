"""The moments that a Schedule names, with those who know how to read cron lines and rules.

The rule of a moment is the SDK's (`penstock.schedules`), so that `flow.serve`, `penstock next` and
the operator never differ.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256

from penstock.schedules import Schedule as Rule
from penstock.schedules.rules import rules_by
from penstock.schedules.stretches import moments_after
from penstock_operator.model.schedule import DaylightSaving, Interval, Schedule, ScheduleSpec
from penstock_operator.reconcile.text import duration
from penstock_operator.reconcile.wire import canonical

_TIMING = (
    "cron", "crons", "interval", "rrule", "timeZone", "dst", "jitterSeconds", "startAt", "endAt",
)  # fmt: skip

Rules = tuple[Rule, ...]


def rules_of(spec: ScheduleSpec) -> Rules:
    """Read the schedule's rules. Raises ``ScheduleError`` with a sentence where one is none."""
    lines = spec.crons or ((spec.cron,) if spec.cron else ())
    return _rules(spec.interval, spec.rrule, lines, spec.time_zone, spec.dst)


@lru_cache(maxsize=20_000)
def _rules(
    interval: Interval | None,
    rrule: str | None,
    lines: tuple[str, ...],
    zone: str,
    dst: DaylightSaving,
) -> Rules:
    return rules_by(
        seconds=interval.seconds if interval else None,
        anchor=interval.anchor if interval else None,
        rrule=rrule,
        lines=lines,
        zone=zone,
        gap=dst.gap,
        overlap=dst.overlap,
    )


def in_a_line(spec: ScheduleSpec) -> str:
    """Write down what says when runs are due."""
    if spec.interval is not None:
        return f"every {duration(timedelta(seconds=spec.interval.seconds))}"
    return spec.cron or "; ".join(spec.crons or (spec.rrule or "").split())


def rule_of(spec: ScheduleSpec) -> str:
    """Write down what says when runs are due: a change of anything else changes no moment."""
    wire = spec.to_wire()
    return canonical({key: wire[key] for key in _TIMING if key in wire})


def spec_by(rule: str, *, spec: ScheduleSpec) -> ScheduleSpec | None:
    """Return the spec as it was under a rule; ``None`` if that cannot be read any more."""
    try:
        before = ScheduleSpec.model_validate({**json.loads(rule), "flowRef": spec.flow_ref})
        rules_of(before)
    except ValueError:
        return None
    return before


def scheduled_after(after: datetime, *, spec: ScheduleSpec) -> Iterator[datetime]:
    """Return the moments later than ``after`` that the schedule itself has to see to."""
    return moments_after(after, *rules_of(spec), first=spec.start_at, last=spec.end_at)


def due_at(moment: datetime, *, schedule: Schedule) -> datetime:
    """Return when the run of a moment starts: a little later, by its own share of the jitter."""
    jitter = schedule.spec.jitter_seconds
    if not jitter:
        return moment
    name = f"{schedule.metadata.namespace}/{schedule.metadata.name}/{moment.isoformat()}"
    share = int.from_bytes(sha256(name.encode()).digest()[:8]) / 2**64
    return moment + timedelta(seconds=share * jitter)


def run_name(schedule: str, moment: datetime) -> str:
    """Name the run of a moment: there is one such name, so there is one such run (G7)."""
    return f"{schedule}-{moment.astimezone(UTC):%Y%m%d%H%M%S}"
