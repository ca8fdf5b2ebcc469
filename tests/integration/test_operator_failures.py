"""Operators that die, meet each other, lose their API server or are given nonsense."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path

import pytest
from tests.integration.world import Automaton, Operator, World, eventually

from penstock_operator.kube.lease import LeaseTimes
from penstock_operator.kube.transport import Request

SOON = LeaseTimes(duration=3, renew_deadline=2.0, retry=0.2, renew=0.4)


def free_the_lease(world: World) -> None:
    """Spare the test the wait for a dead holder's Lease to expire."""
    if world.get("leases", "penstock-operator"):
        world.api.delete(world.path("leases", "penstock-operator"))


def end_after(calls: int, world: World, kubeconfig: Path) -> Request | None:
    """Kill an operator after so many API calls; return the last one, or None if it lived."""
    with Automaton(world) as automaton:
        # One worker makes its calls in the same order each time.
        victim = Operator(kubeconfig, world.namespace, dies_after=calls, workers=1).start()
        mortal = victim.mortal
        assert mortal is not None
        eventually(lambda: mortal.dead.is_set() or world.status("one").get("state") == "Completed")
        survived = not mortal.dead.is_set()
        victim.kill()
        free_the_lease(world)
        with Operator(kubeconfig, world.namespace):
            world.wait_for_state("one", "Completed")
    assert automaton.errors == []
    return None if survived else mortal.last


def test_an_operator_killed_after_any_of_its_calls_loses_and_doubles_nothing(
    world: World, kubeconfig: Path
) -> None:
    last_calls = []
    for calls in count(1):
        with world.neighbour() as place:
            place.create_pool()
            place.create_flow()
            place.create_run("one")
            last = end_after(calls, place, kubeconfig)
            status, jobs = place.status("one"), place.jobs_of("one")
        if last is None:
            break
        last_calls.append(f"{last.method} {last.resource}")
        assert status["attempt"] == 1, last_calls
        assert len(jobs) == 1, last_calls

    assert {
        "PATCH flowruns/status",
        "POST jobs",
        "POST configmaps",
        "PATCH flows/status",
        "POST serviceaccounts",
        "PATCH rolebindings",
        "PATCH workpools/status",
    } <= set(last_calls), last_calls


def test_a_standby_takes_over_at_once_when_the_holder_stops(world: World, kubeconfig: Path) -> None:
    long = LeaseTimes(duration=600, renew_deadline=300)
    first = Operator(kubeconfig, world.namespace, lease_times=long).start().wait_until_acting()
    with Operator(kubeconfig, world.namespace, lease_times=long) as second:
        time.sleep(1.5)
        stood_by = not second.is_acting

        first.stop()
        second.wait_until_acting(within=90)

    assert stood_by


def test_a_standby_takes_over_from_a_dead_holder(world: World, kubeconfig: Path) -> None:
    world.create_pool()
    world.create_flow()
    first = Operator(kubeconfig, world.namespace, lease_times=SOON).start().wait_until_acting()
    world.create_run("one")
    world.wait_for_job("one-1")

    with Operator(kubeconfig, world.namespace, lease_times=SOON) as second, Automaton(world):
        first.kill()
        second.wait_until_acting()
        status = world.wait_for_state("one", "Completed")

    assert status["attempt"] == 1
    assert len(world.jobs_of("one")) == 1


def test_a_holder_that_lost_its_lease_ends(world: World, kubeconfig: Path) -> None:
    operator = Operator(kubeconfig, world.namespace, lease_times=SOON).start().wait_until_acting()

    world.change("leases", "penstock-operator", {"holderIdentity": "somebody-else"})
    operator.join()

    assert type(operator.error).__name__ == "LeaseLostError"


def test_two_operators_that_both_act_make_one_job(world: World, kubeconfig: Path) -> None:
    world.create_pool()
    world.create_flow()
    with Operator(kubeconfig, world.namespace) as first:
        first.wait_until_acting()
        other = f"{world.namespace}"
        with Operator(kubeconfig, other, lease_name="another-lease") as second, Automaton(world):
            second.wait_until_acting()
            for number in range(10):
                world.create_run(f"run-{number}")
            states = [world.wait_for_state(f"run-{n}", "Completed") for n in range(10)]

    assert [status["attempt"] for status in states] == [1] * 10
    assert [len(world.jobs_of(f"run-{n}")) for n in range(10)] == [1] * 10


def test_a_new_operator_goes_on_where_the_old_one_stopped(world: World, kubeconfig: Path) -> None:
    world.create_pool()
    world.create_flow()
    with Operator(kubeconfig, world.namespace):
        for number in range(5):
            world.create_run(f"run-{number}")
            world.wait_for_job(f"run-{number}-1")
            world.start_job(f"run-{number}-1")
            world.report(f"run-{number}", attempt=1)
            world.wait_for_state(f"run-{number}", "Running")
    for number in range(5):
        world.report_outcome(f"run-{number}", attempt=1)
        world.complete_job(f"run-{number}-1")

    with Operator(kubeconfig, world.namespace):
        states = [world.wait_for_state(f"run-{n}", "Completed") for n in range(5)]

    assert [status["attempt"] for status in states] == [1] * 5


def test_a_job_deleted_while_no_operator_ran_is_replaced(world: World, kubeconfig: Path) -> None:
    world.create_pool()
    world.create_flow()
    with Operator(kubeconfig, world.namespace):
        world.create_run("one")
        world.wait_for_job("one-1")
        world.start_job("one-1")
        world.report("one", attempt=1)
        world.wait_for_state("one", "Running")
    world.remove_job("one-1")

    with Operator(kubeconfig, world.namespace):
        world.wait_for_job("one-2")

    assert world.status("one")["recoveries"] == 1


BAD_FLOWS = {
    "unicode": {"entrypoint": "flöw.py:größe", "env": [{"name": "A", "value": "\u2028\U0001f600"}]},
    "nested-schema": {"parameterSchema": {"$ref": "#"}},
    "wrong-schema": {"parameterSchema": {"type": "no-such-type"}},
    "slow-pattern": {
        "parameterSchema": {"properties": {"a": {"pattern": "(a+)+$"}}},
        "parameters": {"a": "a" * 64 + "!"},
    },
    "foreign-template": {"podTemplate": {"spec": {"containers": [{"name": "flow", "env": 3}]}}},
    "huge-parameters": {"parameters": {"blob": "x" * 400_000}},
    "no-such-image": {"source": {"image": {}}},
}


def test_bad_objects_stop_neither_the_operator_nor_a_good_run(
    world: World, operator: Operator
) -> None:
    world.create_pool()
    world.create_pool("strange", podTemplate={"spec": {"containers": "none", "x": [[]]}})
    accepted = []
    for name, spec in BAD_FLOWS.items():
        try:
            world.create_flow(name, **{"entrypoint": "flow.py:daily", **spec})
        except AssertionError:
            continue  # refused at apply, which is better still
        world.create_run(f"{name}-run", flow=name)
        accepted.append(f"{name}-run")
    world.create_flow("in-strange-pool", workPoolRef={"name": "strange"})
    world.create_run("strange-run", flow="in-strange-pool")

    world.create_flow()
    world.create_run("good")
    world.wait_for_job("good-1")

    assert operator.error is None
    assert accepted
    for run in [*accepted, "strange-run"]:
        eventually(lambda: world.status(run).get("state"), what=f"{run} has a state")  # noqa: B023


def test_finished_runs_are_collected_by_the_flows_history(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow(history={"successfulRuns": 2, "failedRuns": 1})

    with Automaton(world):
        for number in range(4):
            world.create_run(f"run-{number}")
            world.wait_for_state(f"run-{number}", "Completed")
            time.sleep(1.1)  # times of finish are whole seconds

        eventually(lambda: len(world.list("flowruns")) == 2)

    assert {run["metadata"]["name"] for run in world.list("flowruns")} == {"run-2", "run-3"}


def test_a_schedule_that_is_often_due_clears_away_no_run_of_another(
    world: World, operator: Operator
) -> None:
    world.create_pool()
    world.create_flow(history={"successfulRuns": 2})
    night = {"cron": "0 3 * * *", "backfills": [
        {"name": "one", "start": "2026-01-02T00:00:00Z", "end": "2026-01-02T23:59:59Z"},
    ]}  # fmt: skip

    with Automaton(world):
        world.create_run("by-hand")
        world.create("schedules", "Schedule", "nightly", {"flowRef": {"name": "daily"}, **night})
        kept = {"by-hand", "nightly-20260102030000"}
        for run in kept:
            eventually(lambda: world.get("flowruns", run), what=run)  # noqa: B023
            world.wait_for_state(run, "Completed")
        often = {"flowRef": {"name": "daily"}, "cron": "* * * * * *"}
        world.create("schedules", "Schedule", "often", often)
        seen = eventually(lambda: found if len(found := _names_of_runs(world)) >= 5 else None)

        eventually(lambda: not seen - kept <= _names_of_runs(world), what="some are deleted")

    assert kept <= _names_of_runs(world)


def _names_of_runs(world: World) -> set[str]:
    return {run["metadata"]["name"] for run in world.list("flowruns")}


def test_finished_runs_go_after_their_time_to_live(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow(history={"ttlSecondsAfterFinished": 2})

    with Automaton(world):
        world.create_run("one")
        world.wait_for_state("one", "Completed")

        eventually(lambda: not world.list("flowruns"))

    assert world.list("flowruns") == []


@pytest.mark.parametrize("what", ["flowruns", "jobs"])
def test_a_resync_repairs_what_the_watch_has_missed(
    world: World, kubeconfig: Path, what: str
) -> None:
    world.create_pool()
    world.create_flow()
    with Operator(
        kubeconfig, world.namespace, first_resync_seconds=0.5, resync_seconds=1.0
    ) as operator:
        operator.wait_until_acting()
        assert operator.app is not None
        operator.deaf_to.add(what)
        world.create_run("one")
        if what == "flowruns":
            world.wait_for_job("one-1", within=30)
            return
        world.wait_for_job("one-1")
        world.start_job("one-1")
        world.report("one", attempt=1)
        world.wait_for_state("one", "Running")
        world.remove_job("one-1")

        world.wait_for_job("one-2", within=30)
