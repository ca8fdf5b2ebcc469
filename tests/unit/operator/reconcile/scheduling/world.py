"""A namespace with one Schedule, its Flow and runs; operators that crash and read old caches."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock_operator.model.flow import Flow
from penstock_operator.model.schedule import Schedule, ScheduleSpec
from penstock_operator.model.states import State
from penstock_operator.reconcile.actions import (
    CancelRun,
    CreateRun,
    PatchScheduleStatus,
    Plan,
    TellEvent,
)
from penstock_operator.reconcile.names import BACKFILL_LABEL, MOMENT_ANNOTATION
from penstock_operator.reconcile.observed import NOT_LOOKED
from penstock_operator.reconcile.scheduling.observed import ObservedSchedule, ScheduledRun
from penstock_operator.reconcile.scheduling.plans import plan_schedule
from penstock_operator.reconcile.scheduling.rules import run_name

START = datetime(2026, 1, 1, tzinfo=UTC)


class Refused(Exception):
    """A precondition failed."""


@dataclass
class Run:
    """A run as the API server has it."""

    name: str
    moment: datetime
    parameters: dict[str, Any]
    backfill: str
    state: State | None = None
    cancelled: bool = False


@dataclass
class World:
    """What the API server holds, and the clock."""

    spec: dict[str, Any]
    now: datetime = START
    status: dict[str, Any] = field(default_factory=dict)
    version: int = 1
    generation: int = 1
    flow: dict[str, Any] | None = field(
        default_factory=lambda: {"entrypoint": "flow.py:nightly", "image": "nightly:1"}
    )
    runs: dict[str, Run] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    """Every run that was ever created, in order."""
    status_writes: int = 0
    decided: list[tuple[str, datetime]] = field(default_factory=list)
    """Under which rule what was decided up to where, one after another."""

    events: dict[str, Any] = field(default_factory=dict)
    """By their names, of which there can be one each."""

    @property
    def moments(self) -> list[datetime]:
        """The moments of all runs ever made, in the order in which they were made."""
        return [self.runs[name].moment for name in self.made]

    @property
    def skipped(self) -> dict[str, int]:
        return self.status.get("skipped", {})

    @property
    def active(self) -> list[str]:
        return [run.name for run in self.runs.values() if run.state is None]

    def edit(self, **changes: Any) -> None:
        """Change the spec as a person does; None takes a field away."""
        merged = {**self.spec, **changes}
        self.spec = {key: each for key, each in merged.items() if each is not None}
        self.generation += 1
        self.version += 1

    def end(self, *names: str, state: State = State.COMPLETED) -> None:
        for name in names or self.active:
            self.runs[name].state = state

    def condition(self, kind: str) -> dict[str, Any]:
        return next(each for each in self.status["conditions"] if each["type"] == kind)

    def snapshot(self) -> ObservedSchedule:
        """Return what an operator sees now, but for the outcomes."""
        schedule = Schedule.model_validate(
            {
                "metadata": {
                    "name": "nightly",
                    "namespace": "jobs",
                    "uid": "u1",
                    "resourceVersion": str(self.version),
                    "generation": self.generation,
                    "creationTimestamp": START.isoformat(),
                },
                "spec": {"flowRef": {"name": "nightly"}, **self.spec},
                "status": self.status,
            }
        )
        flow = Flow.model_validate(
            {"metadata": {"name": "nightly", "namespace": "jobs"}, "spec": self.flow}
        ) if self.flow is not None else None  # fmt: skip
        runs = tuple(
            ScheduledRun(
                namespace="jobs",
                name=run.name,
                uid=run.name,
                moment=run.moment,
                backfill=run.backfill,
                cancelled=run.cancelled,
            )
            for run in self.runs.values()
            if run.state is None
        )
        return ObservedSchedule(schedule=schedule, flow=flow, runs=runs)

    def plan(self, seen: ObservedSchedule | None = None, *, now: datetime | None = None) -> Plan:
        """Plan by what an operator has seen, an old cache perhaps, and look up what it asks."""
        seen, now = seen or self.snapshot(), now or self.now
        plan = plan_schedule(seen, now=now)
        if plan.need:
            assert seen.outcomes is NOT_LOOKED
            assert isinstance(seen.schedule, Schedule)
            names = {run.name for run in seen.runs}
            status = seen.schedule.status
            listed = {*status.active, *(run_name("nightly", each.at) for each in status.starting)}
            outcomes = {name: self._state_of(name) for name in listed - names}
            plan = plan_schedule(
                ObservedSchedule(seen.schedule, seen.flow, seen.runs, outcomes), now=now
            )
            assert not plan.need
        return plan

    def _state_of(self, name: str) -> State | None:
        run = self.runs.get(name)
        return None if run is None else run.state or State.RUNNING

    def carry_out(self, plan: Plan, *, actions: int | None = None) -> None:
        """Carry out a plan, or the first actions of it; raises where a precondition fails."""
        for action in plan.actions[:actions]:
            match action:
                case CreateRun(manifest=manifest):
                    self._create(json.loads(json.dumps(manifest)))
                case CancelRun(name=name):
                    self.runs[name].cancelled = True
                case PatchScheduleStatus(target=target, status=status):
                    if target.resource_version != str(self.version):
                        raise Refused
                    self.status = json.loads(json.dumps(status.to_wire()))
                    self.version += 1
                    self.status_writes += 1
                    self._note_what_is_decided()
                case TellEvent(manifest=manifest):
                    event = json.loads(json.dumps(manifest))
                    self.events.setdefault(event["metadata"]["name"], event)
                case _:
                    raise AssertionError(action)

    def _note_what_is_decided(self) -> None:
        """Where the rule changes, the old one counts up to what the same write decided."""
        rule, through = self.status["rule"], self.status.get("decidedThrough")
        mark = datetime.fromisoformat(through) if through else START
        if self.decided:
            self.decided[-1] = (self.decided[-1][0], mark)
        if not self.decided or self.decided[-1][0] != rule:
            self.decided.append((rule, mark))

    @property
    def rules(self) -> list[tuple[datetime, datetime, ScheduleSpec]]:
        """Each rule that there was: after when it counts, up to when, and how the spec was."""
        marks = [START, *(mark for _, mark in self.decided)]
        specs = [
            ScheduleSpec.model_validate({**json.loads(rule), "flowRef": {"name": "nightly"}})
            for rule, _ in self.decided
        ]
        return list(zip(marks, marks[1:], specs, strict=False))

    def _create(self, manifest: dict[str, Any]) -> None:
        meta = manifest["metadata"]
        if meta["name"] in self.runs:
            return
        self.made.append(meta["name"])
        self.runs[meta["name"]] = Run(
            name=meta["name"],
            moment=datetime.fromisoformat(meta["annotations"][MOMENT_ANNOTATION]),
            parameters=manifest["spec"].get("parameters", {}),
            backfill=meta["labels"].get(BACKFILL_LABEL, ""),
        )

    def settle(self) -> Plan:
        """Let one operator work until there is nothing to do now; return its last plan."""
        for _ in range(1000):
            plan = self.plan()
            self.carry_out(plan)
            at_once = plan.requeue_after is not None and plan.requeue_after <= timedelta(0)
            if not plan.actions and not at_once:
                return plan
        raise AssertionError("It never comes to rest.")

    def run_until(self, end: datetime, *, lasting: timedelta | None = None) -> None:
        """Let time pass up to a moment, looking whenever the plan asks for it."""
        while True:
            plan = self.settle()
            if lasting is not None:
                self._end_after(lasting)
            wake = self.now + plan.requeue_after if plan.requeue_after is not None else end
            if wake >= end:
                break
            self.now = max(wake, self.now + timedelta(microseconds=1))
        self.now = end
        self.settle()

    def _end_after(self, lasting: timedelta) -> None:
        for run in self.runs.values():
            if run.state is None and self.now - run.moment >= lasting:
                run.state = State.COMPLETED


def clock(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=UTC)  # type: ignore[arg-type, misc] # year to second
