"""Reruns: what they wait for before they begin, and when they never can."""

from __future__ import annotations

import pytest
from tests.unit.operator.reconcile.cluster import Cluster, Object, Operator


def rerun(
    state: str | None, *, flow: Object | None = None, of: str = "daily", **spec: object
) -> tuple[Cluster, Operator]:
    """Return a run that names another one, which is in a state."""
    cluster = Cluster.with_run(run={"rerunOf": {"name": "zero"}} | spec, flow=flow)
    if state is not None:
        cluster.others["zero"] = cluster.new("zero", {"flowRef": {"name": of}})
        cluster.others["zero"]["status"] = {"state": state}
    operator = Operator(cluster)
    operator.settle()
    return cluster, operator


@pytest.mark.parametrize("state", ["Completed", "Failed", "Crashed", "Cancelled"])
def test_a_rerun_of_a_run_that_has_ended_starts(state: str) -> None:
    cluster, _ = rerun(state)

    assert cluster.created_jobs == ["one-1"]


def test_a_rerun_waits_for_the_end_of_the_run_that_it_names() -> None:
    cluster, operator = rerun("Running")
    waiting = dict(cluster.status)

    cluster.others["zero"]["status"] = {"state": "Cancelled"}
    operator.wait(seconds=5)

    assert (waiting["state"], waiting["reason"]) == ("Scheduled", "WaitingForRun")
    assert waiting["waitingFor"]["kind"] == "Run"
    assert waiting["waitingFor"]["name"] == "zero"
    assert cluster.created_jobs == ["one-1"]


def test_a_rerun_that_waits_writes_nothing_meanwhile() -> None:
    cluster, operator = rerun("Running")
    before = list(cluster.writes)

    operator.wait(seconds=600)

    assert cluster.writes == before


@pytest.mark.parametrize(
    ("state", "of", "words"),
    [
        pytest.param(None, "daily", "The run zero, with whose journal", id="it is gone"),
        pytest.param("Failed", "hourly", "of the Flow hourly, and this one is of daily", id="flow"),
    ],
)
def test_a_rerun_that_can_never_begin_fails_at_once(state: str | None, of: str, words: str) -> None:
    cluster, _ = rerun(state, of=of)

    assert (cluster.state, cluster.status["reason"]) == ("Failed", "RerunImpossible")
    assert words in cluster.status["message"]
    assert cluster.created_jobs == []


def test_a_run_that_names_itself_fails_at_once() -> None:
    cluster = Cluster.with_run(run={"rerunOf": {"name": "one"}})
    cluster.others["one"] = cluster.run

    Operator(cluster).settle()

    assert (cluster.state, cluster.status["reason"]) == ("Failed", "RerunImpossible")


def test_a_rerun_need_not_give_the_parameters_that_the_run_before_was_given() -> None:
    schema = {"type": "object", "required": ["day"], "properties": {"day": {"type": "string"}}}

    cluster, _ = rerun("Failed", flow={"parameterSchema": schema})
    wrong, _ = rerun("Failed", flow={"parameterSchema": schema}, parameters={"day": 7})

    assert cluster.created_jobs == ["one-1"]
    assert wrong.status["reason"] == "InvalidParameters"


def test_the_run_before_is_not_looked_at_once_the_rerun_has_begun() -> None:
    cluster, operator = rerun("Failed")

    cluster.others.clear()
    cluster.claim(1)
    cluster.crash_pod(1)
    operator.settle()

    assert cluster.created_jobs == ["one-1", "one-2"]


def test_the_runners_word_that_there_is_nothing_to_begin_with_ends_the_run() -> None:
    cluster, operator = rerun("Failed")

    cluster.finish(1, "Failed", "RerunImpossible")
    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Failed", "RerunImpossible")
