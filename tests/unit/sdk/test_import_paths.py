"""Prefect's import paths, and what tests of flows are given."""

from __future__ import annotations

import os

import pytest

from penstock import Variable, errors, exceptions, flow, task
from penstock.concurrency.sync import concurrency
from penstock.context import FlowRunContext, TaskRunContext, get_run_context, tags
from penstock.execution import RunContext
from penstock.testing import isolated_home, limited
from penstock.utilities import annotations

from .diary import run


def test_the_context_is_the_task_s_or_else_the_flow_s() -> None:
    @task
    def step(x: int) -> tuple[object, ...]:
        here, around = get_run_context(), FlowRunContext.get()
        assert isinstance(here, TaskRunContext)
        assert around is not None
        assert (here.task, around.flow) == (step, daily)
        return here.task_run.name, here.parameters, around.flow_run.id, around.parameters

    @flow
    def daily(day: str) -> tuple[object, ...]:
        assert TaskRunContext.get() is None
        assert get_run_context() == FlowRunContext.get()
        with tags("a"):
            return step(1)

    told = run(daily, {"day": "monday"}, context=RunContext("daily-1")).result

    assert told == ("step-0", {"x": 1}, "daily-1", {"day": "monday"})


def test_there_is_no_context_outside_a_run() -> None:
    assert FlowRunContext.get() is None
    assert TaskRunContext.get() is None
    with pytest.raises(errors.MissingContextError, match="inside a flow or task"):
        get_run_context()


def test_exceptions_and_annotations_are_the_same_under_prefect_s_paths() -> None:
    for name in exceptions.__all__:
        assert issubclass(getattr(exceptions, name), BaseException)
    assert exceptions.ParameterTypeError is errors.ParameterError
    assert annotations.unmapped.__module__ == "penstock.annotations"


@pytest.mark.parametrize("before", [None, "/somewhere"])
def test_a_test_gets_a_home_of_its_own(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENSTOCK_HOME", raising=False)
    if before:
        monkeypatch.setenv("PENSTOCK_HOME", before)

    with isolated_home() as first:
        Variable.set("limit", 1)
        with isolated_home():
            assert Variable.get("limit") is None
        assert Variable.get("limit") == 1

    assert not first.exists()
    assert os.environ.get("PENSTOCK_HOME") == before


def test_a_test_can_set_a_limit_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    with isolated_home():
        with limited("one-at-a-time", 1), concurrency("one-at-a-time"), pytest.raises(TimeoutError):
            concurrency("one-at-a-time", timeout_seconds=0).__enter__()
        with concurrency("one-at-a-time"):
            assert "There is no limit one-at-a-time" in caplog.text
