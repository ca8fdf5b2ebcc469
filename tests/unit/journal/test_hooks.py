"""Hooks of runs that are taken up again (rule 19)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.journal.runs import PowerCut, Runs

from penstock import Flow, flow, task


class Calls(list[str]):
    """What was called; the power may go."""

    def __init__(self) -> None:
        super().__init__()
        self.power_goes = True

    def hook(self, name: str) -> Any:
        """Return a hook that notes that it was called."""

        def note(*_: object) -> None:
            self.append(name)

        return [note]

    def cut(self) -> None:
        """End the process, once."""
        if self.power_goes:
            self.power_goes = False
            raise PowerCut


def reference(calls: Calls, *, retries: int) -> Flow[..., None]:
    @task(on_running=calls.hook("task runs"), on_completion=calls.hook("task done"))
    def step() -> int:
        return 1

    @task(on_running=calls.hook("last runs"), on_completion=calls.hook("last done"))
    def last() -> None:
        calls.cut()

    @flow(
        retries=retries,
        on_running=calls.hook("flow runs"),
        on_completion=calls.hook("flow done"),
    )
    def steps() -> None:
        step()
        last()

    return steps


@pytest.mark.parametrize("retries", [0, 1])
def test_each_hook_is_called_once_in_all_launches(retries: int) -> None:
    calls = Calls()
    runs = Runs(reference(calls, retries=retries))

    for _ in range(3):
        runs.attempt()

    assert calls == [
        "flow runs",
        "task runs",
        "task done",
        "last runs",
        "last done",
        "flow done",
    ]
