"""Reruns as processes: what they take over of the run before, and what when that is broken off."""

from __future__ import annotations

import copy
import signal
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.runner.faulty_server import Delay, FaultyServer
from tests.integration.runner.processes import Place, RunnerProcess

FLOW = """
from penstock import flow, runtime, task

@task
def load(day):
    print("loading", day, flush=True)
    return day

@task
def ship(day):
    print("key", runtime.task_run.idempotency_key, flush=True)
    if {broken}:
        raise RuntimeError("no ship")
    return "shipped " + day

@flow
def daily(day: str = "monday", by: str = "land"):
    print(ship(load(day)), "by", by, flush=True)
"""
BROKEN, MENDED = FLOW.format(broken=True), FLOW.format(broken=False)

Launch = Callable[..., RunnerProcess]


@pytest.fixture
def launch(server: FaultyServer, tmp_path: Path) -> Iterator[Launch]:
    """Start the next attempt of the server's run, in a pod of its own."""
    started: list[RunnerProcess] = []

    def launch(code: str) -> RunnerProcess:
        assert server.run is not None
        name = server.run["metadata"]["name"]
        server.run["status"]["attempt"] += 1
        attempt = server.run["status"]["attempt"]
        folder = tmp_path / f"{name}-{attempt}"
        folder.mkdir()
        place = Place(
            folder=folder,
            host="127.0.0.1",
            port=server.port,
            credentials=server.credentials,
            run=name,
            attempt=attempt,
            pod_name=f"{name}-{attempt}-bcdfg",
            pod_uid=f"u-{name}-{attempt}",
        )
        entry: dict[str, object] = {"entrypoint": "flow.py:daily", "parameters": {}}
        started.append(RunnerProcess(place, code=textwrap.dedent(code), launch=entry))
        return started[-1]

    assert server.run is not None
    server.run["status"]["attempt"] = 0
    yield launch
    for process in started:
        process.close()


def begin_rerun(server: FaultyServer, name: str, *, parameters: Any = None, **how: str) -> None:
    """End the server's run as what it reported, and make another one that names it."""
    assert server.run is not None
    old = copy.deepcopy(server.run)
    old["status"]["state"] = server.reports[-1].get("outcome", {"state": "Crashed"})["state"]
    server.others[old["metadata"]["name"]] = old
    server.run = {
        "kind": "FlowRun",
        "metadata": {"name": name, "namespace": "default", "uid": f"{name:0<8.8}-77"},
        "spec": {
            "flowRef": {"name": "daily"},
            "rerunOf": {"name": old["metadata"]["name"], "from": "Failure"} | how,
        },
        "status": {"state": "Pending", "attempt": 0},
    }
    if parameters is not None:
        server.run["spec"]["parameters"] = parameters


def forget(server: FaultyServer, run: str) -> None:
    """Delete a run, and what it owns."""
    del server.others[run]
    for name, item in list(server.journal.items.items()):
        if item["spec"]["run"] == run:
            del server.journal.items[name]


def fail(server: FaultyServer, launch: Launch, **spec: object) -> RunnerProcess:
    assert server.run is not None
    server.run["spec"] |= spec
    first = launch(BROKEN)
    assert first.exit_code() == 1, first.output
    return first


def key_in(runner: RunnerProcess) -> list[str]:
    return [line for line in runner.lines if line.startswith("key ")]


def test_a_rerun_does_again_what_failed_and_nothing_else(
    server: FaultyServer, launch: Launch
) -> None:
    first = fail(server, launch, parameters={"day": "friday"})
    begin_rerun(server, "second")

    second = launch(MENDED)

    assert second.exit_code() == 0, second.output
    assert "loading" not in second.output
    assert "shipped friday by land" in second.output
    assert server.reports[-1]["progress"] == "2/2"
    assert key_in(first) == key_in(second)


def test_a_rerun_needs_nothing_of_the_run_before_once_it_has_begun(
    server: FaultyServer, launch: Launch
) -> None:
    first = fail(server, launch)
    begin_rerun(server, "second")
    fail(server, launch)
    forget(server, "daily")
    begin_rerun(server, "third")

    third = launch(MENDED)

    assert third.exit_code() == 0, third.output
    assert "loading" not in third.output
    assert key_in(first) == key_in(third)


def test_parameters_of_a_rerun_replace_those_of_the_same_name(
    server: FaultyServer, launch: Launch
) -> None:
    fail(server, launch, parameters={"day": "friday"})
    begin_rerun(server, "second", parameters={"by": "sea"})

    second = launch(MENDED)

    assert second.exit_code() == 0, second.output
    assert "loading" not in second.output
    assert "shipped friday by sea" in second.output


def test_a_rerun_from_the_start_keeps_the_parameters_only(
    server: FaultyServer, launch: Launch
) -> None:
    fail(server, launch, parameters={"day": "friday"})
    begin_rerun(server, "second", **{"from": "Start"})

    second = launch(MENDED)

    assert second.exit_code() == 0, second.output
    assert "loading friday" in second.output


def test_a_rerun_from_a_task_runs_that_task_again(server: FaultyServer, launch: Launch) -> None:
    fail(server, launch)
    begin_rerun(server, "second", **{"from": "Task", "task": "load"})

    second = launch(MENDED)

    assert second.exit_code() == 0, second.output
    assert "loading monday" in second.output


def test_a_rerun_from_a_task_that_is_not_known_says_which_are(
    server: FaultyServer, launch: Launch
) -> None:
    fail(server, launch)
    begin_rerun(server, "second", **{"from": "Task", "task": "shave"})

    assert launch(MENDED).exit_code() == 1
    outcome = server.reports[-1]["outcome"]
    assert outcome["reason"] == "RerunImpossible"
    assert "entries of: daily, load, ship" in outcome["message"]


def test_a_rerun_whose_predecessor_was_deleted_says_so(
    server: FaultyServer, launch: Launch
) -> None:
    fail(server, launch)
    begin_rerun(server, "second")
    forget(server, "daily")

    assert launch(MENDED).exit_code() == 1
    outcome = server.reports[-1]["outcome"]
    assert (outcome["state"], outcome["reason"]) == ("Failed", "RerunImpossible")
    assert "The run daily" in outcome["message"]


def test_a_rerun_whose_predecessors_journal_is_gone_says_so(
    server: FaultyServer, launch: Launch
) -> None:
    fail(server, launch)
    begin_rerun(server, "second")
    server.journal.items.clear()

    assert launch(MENDED).exit_code() == 1
    assert "is gone, though the run had finished tasks" in server.reports[-1]["outcome"]["message"]


def test_a_rerun_of_a_rerun_that_never_began_begins_where_that_would_have(
    server: FaultyServer, launch: Launch
) -> None:
    fail(server, launch, parameters={"day": "friday"})
    begin_rerun(server, "second", parameters={"by": "sea"})
    begin_rerun(server, "third", parameters={"by": "air"})
    server.others["second"]["status"] = {"state": "Failed", "attempt": 1}

    third = launch(MENDED)

    assert third.exit_code() == 0, third.output
    assert "loading" not in third.output
    assert "shipped friday by air" in third.output


def test_a_rerun_that_is_killed_while_it_takes_over_does_so_at_its_next_attempt(
    server: FaultyServer, launch: Launch
) -> None:
    fail(server, launch)
    begin_rerun(server, "second")
    server.faults["POST"].extend([Delay(0), Delay(5)])  # its fence, then what it takes over
    killed = launch(MENDED)
    server.wait_for(lambda server: any("second" in name for name in server.journal.items))
    killed.signal(signal.SIGKILL)
    killed.exit_code()

    second = launch(MENDED)

    assert second.exit_code() == 0, second.output
    assert "loading" not in second.output
