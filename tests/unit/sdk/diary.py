"""A reporter that remembers, and a run of a flow that it listens to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.engine.outcome import Outcome
from penstock.engine.runs import FlowRun, TaskRun
from penstock.execution import Overrides, RunContext, execute
from penstock.flows import Flow
from penstock.states import State


class Diary:
    """A reporter that writes down the name of each run and state."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str]] = []
        self.ids: set[str] = set()
        self.seen: dict[str, FlowRun | TaskRun] = {}

    def flow_run_changed(self, run: FlowRun, state: State[object]) -> None:
        self._note(run, state)

    def task_run_changed(self, run: TaskRun, state: State[object]) -> None:
        self._note(run, state)

    def _note(self, run: FlowRun | TaskRun, state: State[object]) -> None:
        self.ids.add(run.id)
        self.seen[run.name] = run
        self.entries.append((run.name, state.name))

    def states_of(self, name: str) -> list[str]:
        return [state for run, state in self.entries if run == name]


def run(
    flow: Flow[..., Any],
    parameters: Mapping[str, object] | None = None,
    *,
    context: RunContext | None = None,
    reporter: Diary | None = None,
    overrides: Overrides | None = None,
) -> Outcome:
    """Execute a flow as the in-pod runner does."""
    return execute(
        flow,
        parameters=parameters or {},
        context=context or RunContext("test-run"),
        reporter=reporter,
        overrides=overrides,
    )
