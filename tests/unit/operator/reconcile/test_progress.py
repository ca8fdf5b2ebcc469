"""A flow that always dies is not launched for ever; one that comes further each time is (rule 24).

Also what the operator says of results that could not be stored.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator.reconcile.cluster import SETTINGS, Cluster, Operator

from penstock_operator.reconcile.actions import CreateJob, PatchRunStatus
from penstock_operator.reconcile.runs import plan_run


def launched(**flow: object) -> tuple[Cluster, Operator]:
    cluster = Cluster.with_run(flow={"maxRecoveries": 100} | flow)
    operator = Operator(cluster)
    operator.settle()
    return cluster, operator


def is_launched(cluster: Cluster, attempt: int) -> bool:
    return f"one-{attempt}" in cluster.created_jobs


def crash(cluster: Cluster, operator: Operator, *, entries: int | None) -> None:
    """Let the present attempt report so many entries, and die."""
    attempt = cluster.status["attempt"]
    journal = {} if entries is None else {"journal": {"entries": entries, "bytes": 9}}
    cluster.claim(attempt, **journal)
    operator.settle()
    cluster.crash_pod(attempt, exit_code=139)
    operator.wait(seconds=120, until=lambda: cluster.is_over or is_launched(cluster, attempt + 1))


def lose(cluster: Cluster, operator: Operator, *, entries: int) -> None:
    attempt = cluster.status["attempt"]
    cluster.claim(attempt, journal={"entries": entries, "bytes": 9})
    operator.settle()
    cluster.evict_pod(attempt)
    operator.wait(seconds=120, until=lambda: cluster.is_over or is_launched(cluster, attempt + 1))


@pytest.mark.parametrize("entries", [None, 0, 7], ids=["an old runner", "nothing", "the same"])
def test_three_crashes_in_which_the_run_comes_no_further_end_it(entries: int | None) -> None:
    cluster, operator = launched()

    for _ in range(3):
        crash(cluster, operator, entries=entries)

    assert (cluster.state, cluster.status["reason"]) == ("Crashed", "ProcessExited")
    assert cluster.status["attempt"] == 3


def test_a_run_that_comes_further_with_each_launch_may_crash_more_often() -> None:
    cluster, operator = launched()

    for entries in range(1, 9):
        crash(cluster, operator, entries=entries)

    assert (cluster.state, cluster.status["crashes"]) == ("Pending", 1)


def test_progress_between_two_crashes_begins_a_new_row() -> None:
    cluster, operator = launched()

    for entries in (4, 4, 5, 5):
        crash(cluster, operator, entries=entries)
    before = cluster.state
    crash(cluster, operator, entries=5)

    assert (before, cluster.state) == ("Pending", "Crashed")


def test_disruptions_neither_count_as_crashes_nor_as_progress() -> None:
    cluster, operator = launched()

    crash(cluster, operator, entries=4)
    for _ in range(5):
        lose(cluster, operator, entries=4)
    crash(cluster, operator, entries=4)
    before = (cluster.state, cluster.status["crashes"])
    crash(cluster, operator, entries=4)

    assert before == ("Pending", 2)
    assert cluster.state == "Crashed"


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2)), max_size=8))
def test_a_run_ends_exactly_at_its_third_crash_without_progress(
    history: list[tuple[bool, int]],
) -> None:
    """Whatever is lost in between: the rule, restated over the whole history."""
    cluster, operator = launched()
    entries = known = row = 0

    for is_crash, more in history:
        entries += more
        (crash if is_crash else lose)(cluster, operator, entries=entries)
        if is_crash:
            row, known = (1 if entries > known else row + 1), max(known, entries)
        assert (cluster.state == "Crashed") is (row == 3)
        if row == 3:
            break


def test_a_result_that_could_not_be_stored_is_told_once_and_for_good() -> None:
    cluster, operator = launched()
    cluster.claim(1, journal={"entries": 1, "unstored": 1, "unstoredTask": "load(load)"})
    operator.settle()
    told = [each for each in cluster.status["conditions"] if each["type"] == "Durable"]

    pod = cluster.newest_pod(1)
    cluster.claim(1, pod=pod, journal={"unstored": 9, "unstoredTask": "clean(clean)"})
    operator.settle()
    cluster.finish(1, journal={"entries": 1})
    operator.settle()

    assert [(each["status"], each["reason"]) for each in told] == [("False", "ResultsNotStored")]
    assert "of the task load(load) could not be stored" in told[0]["message"]
    assert cluster.state == "Completed"
    assert told[0] in cluster.status["conditions"]


def test_nothing_is_said_of_a_run_whose_results_are_all_stored() -> None:
    cluster, operator = launched()

    cluster.claim(1, journal={"entries": 1})
    operator.settle()

    assert [each["type"] for each in cluster.status["conditions"]] == [
        "Succeeded",
        "Reconciling",
        "Stalled",
    ]


def test_results_that_were_not_stored_are_counted_once_when_their_attempt_is_over() -> None:
    cluster, operator = launched()
    counted: list[int] = []

    def reconcile() -> None:
        plan = operator.reconcile()
        counted.extend(each.unstored for each in plan.actions if isinstance(each, PatchRunStatus))

    cluster.claim(1, journal={"entries": 1, "unstored": 3, "unstoredTask": "load(load)"})
    reconcile()
    cluster.evict_pod(1)
    while not is_launched(cluster, 2):
        reconcile()
        cluster.now += timedelta(seconds=5)
    cluster.finish(2, journal={"entries": 1, "unstored": 2, "unstoredTask": "load(load)"})
    for _ in range(3):
        reconcile()

    assert [each for each in counted if each] == [3, 2]


@pytest.mark.parametrize("full", [False, True])
def test_a_launch_in_a_namespace_whose_journals_are_full_is_told_so(full: bool) -> None:
    cluster = Cluster.with_run()
    operator = Operator(cluster)
    operator.refresh()

    plan = plan_run(
        replace(operator.observe(), journals_are_full=full), now=cluster.now, settings=SETTINGS
    )

    manifest = next(each.manifest for each in plan.actions if isinstance(each, CreateJob))
    assert ("PENSTOCK_JOURNALS_FULL" in str(manifest)) is full
