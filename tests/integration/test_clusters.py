"""Tasks on a real Dask cluster and on a real Ray: what holds for one holds for the other."""

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock import flow, task
from penstock.artifacts import create_markdown_artifact
from penstock.errors import UnpicklableError, WorkerDied
from penstock.execution import RunContext, execute
from penstock.task_runners import DaskTaskRunner, RayTaskRunner

Runner = DaskTaskRunner | RayTaskRunner


@pytest.fixture(scope="module", params=["dask", "ray"])
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    library = pytest.importorskip("distributed" if request.param == "dask" else "ray")
    if request.param == "dask":
        import dask

        # As the clusters that we start: a task whose worker died is not given to another one.
        with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
            local = library.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
        with local as cluster:
            yield DaskTaskRunner(cluster=cluster)
    else:
        library.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=40)
        yield RayTaskRunner()
        library.shutdown()


@task
def double(x: int) -> int:
    print("doubling", x)
    return 2 * x


@task
async def double_later(x: int) -> int:
    return 2 * x


@task
def process() -> int:
    return os.getpid()


@task(retries=2)
def succeed_third(path: str) -> int:
    with Path(path).open("a") as file:
        file.write("x")
    attempts = len(Path(path).read_text())
    if attempts < 3:
        raise ConnectionError(f"attempt {attempts}")
    return attempts


@task(timeout_seconds=0.5)
def slow() -> None:
    time.sleep(20)


@task
def identity(first: object) -> object:
    return first


@task
def leave() -> None:
    os._exit(3)


def test_bodies_run_on_the_workers(runner: Runner) -> None:
    @flow(task_runner=runner)
    def run() -> list[object]:
        results: list[object] = [double_later.submit(double.submit(1)).result()]
        return [*results, *double.map(range(4)).result(), process.submit().result()]

    *values, worker = run()

    assert values == [4, 0, 2, 4, 6]
    assert worker != os.getpid()


def test_prints_travel_back(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    @flow(task_runner=runner, log_prints=True)
    def run() -> None:
        double.submit(1).result()

    with caplog.at_level(logging.INFO, logger="penstock"):
        run()

    assert [r.message for r in caplog.records if r.name == "penstock.task_runs"] == ["doubling 1"]


def test_artifacts_made_on_a_worker_join_the_run_s(runner: Runner) -> None:
    @task
    def describe() -> None:
        create_markdown_artifact(f"# From {os.getpid()}", key="report")

    @flow(task_runner=runner)
    def run() -> None:
        describe.submit().result()

    context = RunContext("daily-1")
    execute(run, parameters={}, context=context)
    (made,) = context.records.artifacts

    assert made.task_run_id == "daily-1/describe-0"
    assert made.data != f"# From {os.getpid()}"


def test_the_engine_retries_and_the_library_does_not(runner: Runner, tmp_path: Path) -> None:
    """Prefect: the same; retries of Dask or Ray would run a body behind the engine's back."""

    @flow(task_runner=runner)
    def run() -> int:
        return succeed_third.submit(str(tmp_path / "attempts")).result()

    assert run() == 3


def test_a_time_out_ends_the_wait_on_time(runner: Runner) -> None:
    @flow(task_runner=runner)
    def run() -> tuple[str, float]:
        double.submit(1).result()  # connects
        began = time.monotonic()
        future = slow.submit()
        future.wait()
        return future.state.name, time.monotonic() - began

    state, seconds = run()

    assert state == "TimedOut"
    assert seconds < 15


def test_an_argument_that_cannot_be_pickled_is_named(runner: Runner) -> None:
    @flow(task_runner=runner)
    def run() -> None:
        identity.submit(x for x in [1]).result()

    with pytest.raises(UnpicklableError, match="The argument first of identity-0"):
        run()


def test_a_worker_that_dies_fails_its_task_alone(runner: Runner) -> None:
    @flow(task_runner=runner)
    def run() -> tuple[object, int]:
        lost = leave.submit().result(raise_on_failure=False)
        return lost, double.submit(1).result()

    error, value = run()

    assert isinstance(error, WorkerDied)
    assert value == 2


def test_without_a_cluster_a_run_on_dask_has_one_of_its_own() -> None:
    pytest.importorskip("distributed")
    own = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0"}

    @flow(task_runner=DaskTaskRunner(cluster_kwargs=own))
    def run() -> int:
        return double.submit(1).result()

    assert run() == 2
