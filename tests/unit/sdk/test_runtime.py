"""``penstock.runtime`` and ``tags``: what code inside a run is told about the run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

import penstock
from penstock import flow, runtime, tags, task
from penstock.engine.runs import Deployed
from penstock.execution import RunContext

from .diary import run


def _of_flow() -> dict[str, Any]:
    return {name: getattr(runtime.flow_run, name) for name in runtime.flow_run.__all__}


def _of_deployment() -> dict[str, Any]:
    return {name: getattr(runtime.deployment, name) for name in runtime.deployment.__all__}


def _of_task() -> dict[str, Any]:
    return {name: getattr(runtime.task_run, name) for name in runtime.task_run.__all__}


def test_a_flow_reads_its_own_run() -> None:
    @flow(flow_run_name="report of {day}", version="7")
    def daily(day: str, limit: int = 3) -> dict[str, Any]:
        return _of_flow() | {"task": runtime.task_run.id}

    told = run(daily, {"day": "monday"}, context=RunContext("daily-1")).result

    assert told.pop("scheduled_start_time") is not None
    assert told == {
        "id": "daily-1",
        "name": "report of monday",
        "flow_name": "daily",
        "flow_version": "7",
        "parent_deployment_id": None,
        "parameters": {"day": "monday", "limit": 3},
        "parent_flow_run_id": None,
        "root_flow_run_id": "daily-1",
        "run_count": 1,
        "tags": [],
        "task": None,
    }


@pytest.mark.parametrize("how", ["called", "submitted"])
def test_a_task_reads_its_own_run_and_its_flow_s(how: str) -> None:
    @task(tags=["io"], task_run_name="load {day}")
    def load(day: str, *, limit: int = 2) -> dict[str, Any]:
        return {"task": _of_task(), "flow": (runtime.flow_run.id, runtime.flow_run.parameters)}

    @flow
    def daily(year: int) -> dict[str, Any]:
        return load("monday") if how == "called" else load.submit("monday").result()

    told = run(daily, {"year": 2026}, context=RunContext("daily-1")).result

    assert told["task"].pop("idempotency_key").startswith("daily-1-")
    assert told == {
        "task": {
            "heartbeat": None,
            "id": "daily-1/load-0",
            "name": "load monday",
            "task_name": "load",
            "parameters": {"day": "monday", "limit": 2},
            "run_count": 1,
            "tags": ["io"],
        },
        "flow": ("daily-1", {"year": 2026}),
    }


def test_parameters_hold_the_values_of_futures() -> None:
    @task
    def one() -> int:
        return 1

    @task
    def told(x: int) -> dict[str, Any]:
        return runtime.task_run.parameters

    @flow
    def inner(x: int) -> dict[str, Any]:
        return runtime.flow_run.parameters

    @flow
    def outer() -> tuple[Any, Any]:
        return told(one.submit()), inner(one.submit())  # type: ignore[arg-type] # futures

    assert outer() == ({"x": 1}, {"x": 1})


def test_run_count_is_the_number_of_the_attempt() -> None:
    seen = []

    @task(retries=2)
    def unsteady() -> None:
        seen.append(runtime.task_run.run_count)
        if len(seen) < 3:
            raise ConnectionError

    unsteady()

    assert seen == [1, 2, 3]


def test_a_sub_flow_knows_its_parent_and_the_root() -> None:
    @flow
    def leaf() -> tuple[str | None, str | None]:
        return runtime.flow_run.parent_flow_run_id, runtime.flow_run.root_flow_run_id

    @task
    def between() -> tuple[str | None, str | None]:
        return leaf()

    @flow
    def middle() -> tuple[str | None, str | None]:
        return between()

    root = flow(name="root")(lambda: middle())

    told = run(root, context=RunContext("root-1")).result

    assert told == ("root-1/middle-0", "root-1")


async def test_async_tasks_side_by_side_read_each_their_own() -> None:
    @task
    async def which(x: int) -> tuple[Any, str | None]:
        await asyncio.sleep(0)
        return runtime.task_run.parameters["x"], runtime.task_run.name

    @flow
    async def both() -> list[Any]:
        return list(await asyncio.gather(which(1), which(2)))

    assert sorted(await both()) == [(1, "which-0"), (2, "which-1")]


def test_outside_a_run_everything_is_none_or_empty() -> None:
    """Prefect gives the present time as ``scheduled_start_time``, which no run has."""
    told = {str(each) for of in (_of_flow, _of_task, _of_deployment) for each in of().values()}

    assert told == {"None", "{}", "[]", "0"}


def test_a_name_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(AttributeError, match="no 'nothing'; it has flow_name, flow_version,"):
        runtime.flow_run.nothing  # type: ignore[attr-defined] # noqa: B018
    with pytest.raises(AttributeError, match="no 'state'; it has heartbeat, id, idempotency_key,"):
        runtime.task_run.state  # type: ignore[attr-defined] # noqa: B018
    assert penstock.runtime is runtime
    assert "name" in dir(runtime.flow_run)
    assert "name" in dir(runtime.task_run)
    assert "name" in dir(runtime.deployment)


def test_a_run_of_a_deployment_knows_it_and_so_do_its_sub_flows_and_tasks() -> None:
    @task
    def step() -> str | None:
        return runtime.deployment.name

    @flow
    def inner() -> tuple[Any, ...]:
        return runtime.flow_run.parent_deployment_id, runtime.deployment.flow_run_id, step()

    @flow
    def daily(day: int, limit: int = 3) -> tuple[Any, ...]:
        return _of_deployment(), inner()

    context = RunContext("daily-1")
    context.deployed = Deployed(id="a/nightly", name="nightly", version="7", parameters={"day": 1})

    told, from_inside = run(daily, {"day": 1}, context=context).result

    assert told == {
        "id": "a/nightly",
        "name": "nightly",
        "version": "7",
        "parameters": {"day": 1},
        "flow_run_id": "daily-1",
    }
    assert from_inside == ("a/nightly", "daily-1/inner-0", "nightly")


def test_a_scheduled_run_tells_when_it_was_due_and_its_sub_flow_when_it_began() -> None:
    @flow
    def when() -> Any:
        return runtime.flow_run.scheduled_start_time

    @flow
    def daily() -> tuple[Any, Any]:
        return runtime.flow_run.scheduled_start_time, when()

    context, due = RunContext("daily-1"), datetime(2026, 11, 20, 6, tzinfo=UTC)
    context.scheduled_at = due
    told, inner = run(daily, context=context).result

    assert told == due
    assert inner > due


@pytest.mark.parametrize(
    ("variable", "module", "name", "expected"),
    [
        ("FLOW_RUN__NAME", "flow_run", "name", "made up"),
        ("FLOW_RUN__RUN_COUNT", "flow_run", "run_count", 4),
        ("FLOW_RUN__NEW", "flow_run", "new", "made up"),
        ("TASK_RUN__ID", "task_run", "id", "made up"),
        ("DEPLOYMENT__NAME", "deployment", "name", "made up"),
    ],
)
def test_a_test_may_put_something_else_in_the_place_of_a_name(
    variable: str, module: str, name: str, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"PENSTOCK__RUNTIME__{variable}", str(expected))

    assert getattr(getattr(runtime, module), name) == expected


def test_a_moment_is_put_in_its_place_with_a_zone_and_a_list_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PENSTOCK__RUNTIME__FLOW_RUN__SCHEDULED_START_TIME", "2026-11-20T06:00:00")
    monkeypatch.setenv("PENSTOCK__RUNTIME__FLOW_RUN__TAGS", "a")

    @flow
    def daily() -> Any:
        with pytest.raises(ValueError, match="stand in for tags, a list: use monkeypatch"):
            runtime.flow_run.tags  # noqa: B018
        return runtime.flow_run.scheduled_start_time

    assert daily() == datetime(2026, 11, 20, 6, tzinfo=UTC)


def test_tags_are_carried_by_every_run_inside_and_add_up() -> None:
    @task(tags=["own"])
    def step() -> list[str]:
        return runtime.task_run.tags

    @flow
    def tagged() -> Any:
        with tags("a"), tags("b", "a") as together:
            mine = together, step(), step.submit().result(), runtime.flow_run.tags
        return *mine, step()

    with tags("nightly"):
        told = tagged()

    everything = ["a", "b", "nightly", "own"]
    assert told == ({"a", "b", "nightly"}, everything, everything, ["nightly"], ["nightly", "own"])
    assert step() == ["own"]


def test_a_tag_is_a_text() -> None:
    with pytest.raises(TypeError, match="write tags"), tags(["a"]):  # type: ignore[arg-type]
        pass
