"""ConcurrencyLimits and the operator: slots for whole runs, of those who are gone, and of those who
wait without a pod."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.integration.apiserver import Refused
from tests.integration.world import Operator, World, eventually

from penstock.concurrency.book import Book, Terms
from penstock.concurrency.ledger import Me, Wish, leave, settle

Object = dict[str, Any]


def _limit(world: World, name: str = "db", **spec: Any) -> None:
    world.create("concurrencylimits", "ConcurrencyLimit", name, {"limit": 1} | spec)


def _flow(world: World, *limits: str, name: str = "daily") -> None:
    shares = [{"name": each} for each in limits or ("db",)]
    world.create_flow(name, concurrencyLimits=shares)


def _book(world: World, name: str = "db") -> Book:
    return Book.read((world.get("concurrencylimits", name) or {}).get("status") or {})


def _holders(world: World, name: str = "db") -> set[str]:
    return {entry.run for entry in _book(world, name).holders}


def _start(world: World, run: str, flow: str = "daily", *, attempt: int = 1) -> None:
    world.wait_for_job(f"{run}-{attempt}", within=60)
    world.start_job(f"{run}-{attempt}")
    world.report(run, attempt=attempt)
    world.wait_for_state(run, "Running", within=60)


def _finish(world: World, run: str, *, attempt: int = 1) -> None:
    world.wait_for_job(f"{run}-{attempt}", within=60)
    world.report_outcome(run, attempt=attempt)
    world.wait_for_state(run, "Completed", within=60)


def _write(world: World, change: Callable[[Book, Terms], Book], name: str = "db") -> None:
    """Write a limit as a runner does."""

    def written() -> bool:
        limit = world.get("concurrencylimits", name) or {}
        book = change(Book.read(limit.get("status") or {}), Terms.read(limit["spec"]))
        try:
            path = world.path("concurrencylimits", name, "status")
            world.api.request("PUT", path, limit | {"status": book.written()})
        except Refused as refused:
            if refused.status != 409:
                raise
            return False
        return True

    eventually(written, within=60)


def _me(world: World, run: str, *, attempt: int = 1) -> Me:
    uid = (world.get("flowruns", run) or {})["metadata"]["uid"]
    return Me(run=run, uid=uid, attempt=attempt, process="p1")


def _ask(world: World, run: str, *, attempt: int = 1) -> None:
    """Take a slot in a process of a run, or a place in the line."""
    me, wish = _me(world, run, attempt=attempt), Wish(occupy=1)

    def asked(book: Book, terms: Terms) -> Book:
        used = book.held_by(me.key)
        return settle(book, terms, me=me, used=used, line=[wish], now=datetime.now(UTC)).book

    _write(world, asked)


def _leave_for_slot(world: World, run: str, *, attempt: int = 1) -> None:
    """Leave the pod, keeping the place in the line."""
    me = _me(world, run, attempt=attempt)
    _write(world, lambda b, t: leave(b, t, me=me, suspended=True, now=datetime.now(UTC)))
    world.leave(run, "ConcurrencyLimit", attempt=attempt, name="db")


def test_a_run_holds_its_flows_slots_from_its_launch_to_its_end(
    world: World, operator: Operator
) -> None:
    world.create_pool()
    _limit(world)
    _flow(world)
    world.create_run("r0")
    _start(world, "r0")
    world.create_run("r1")
    status = world.wait_for_reason("r1", "WaitingForSlot", within=60)
    held = _holders(world)

    _finish(world, "r0")

    _finish(world, "r1")
    assert held == {"r0"}
    assert {key: status["waitingFor"][key] for key in ("kind", "name", "ahead")} == {
        "kind": "ConcurrencyLimit",
        "name": "db",
        "ahead": 0,
    }
    eventually(lambda: _book(world) and not _book(world).holders, within=60)


def test_kubectl_scales_a_limit(world: World, operator: Operator) -> None:
    world.create_pool()
    _limit(world, limit=0)
    _flow(world)
    world.create_run("r0")
    world.wait_for_reason("r0", "WaitingForSlot", within=60)

    done = world.api.kubectl("-n", world.namespace, "scale", "concurrencylimit/db", "--replicas=1")

    assert done.returncode == 0, done.stderr
    world.wait_for_job("r0-1", within=60)


def test_a_run_that_waits_for_a_limit_leaves_the_pools_slot_to_others(
    world: World, operator: Operator
) -> None:
    world.create_pool(concurrency=1)
    _limit(world, limit=0)
    _flow(world)
    world.create_flow("other")
    world.create_run("r0")
    world.wait_for_reason("r0", "WaitingForSlot", within=60)

    world.create_run("x0", "other")
    _finish(world, "x0")
    world.change("concurrencylimits", "db", {"limit": 1})

    _finish(world, "r0")


def test_a_limit_that_is_missing_is_waited_for(world: World, operator: Operator) -> None:
    world.create_pool()
    _flow(world)
    world.create_run("r0")
    status = world.wait_for_reason("r0", "ConcurrencyLimitNotFound", within=60)

    _limit(world)

    _start(world, "r0")
    assert "ConcurrencyLimit db, which the Flow names, does not exist" in status["message"]


def test_a_run_that_waits_without_a_pod_gives_its_slots_back_and_takes_them_again(
    world: World, operator: Operator
) -> None:
    world.create_pool()
    _limit(world)
    _flow(world)
    world.create_run("r0")
    _start(world, "r0")
    world.leave("r0", "Signal", attempt=1, name="go")
    world.create_run("r1")
    _start(world, "r1")

    world.send("r0", "go")
    waits = world.wait_for_reason("r0", "WaitingForSlot", within=60)
    _finish(world, "r1")

    _finish(world, "r0", attempt=2)
    assert waits["waitingFor"]["kind"] == "ConcurrencyLimit"


def test_two_flows_that_want_the_same_two_limits_do_not_wait_for_each_other(
    world: World, operator: Operator
) -> None:
    world.create_pool()
    _limit(world, "a")
    _limit(world, "b")
    _flow(world, "a", "b", name="one")
    _flow(world, "b", "a", name="two")
    runs = {f"r{n}": ("one", "two")[n % 2] for n in range(4)}
    for run, flow in runs.items():
        world.create_run(run, flow)

    for _ in runs:
        run = eventually(lambda: min(_holders(world, "a") & _holders(world, "b"), default=None))
        _finish(world, run)
        eventually(lambda r=run: r not in _holders(world, "a") | _holders(world, "b"), within=60)

    assert {world.status(run)["state"] for run in runs} == {"Completed"}


def test_what_a_killed_pod_held_goes_to_who_waits_without_one(
    world: World, operator: Operator
) -> None:
    world.create_pool()
    world.create_flow()
    _limit(world, leaseDurationSeconds=3600)
    for run in ("r0", "r1"):
        world.create_run(run)
        _start(world, run)
        _ask(world, run)
    _leave_for_slot(world, "r1")
    status = world.wait_for_state("r1", "Suspended", within=60)
    before = _holders(world)

    world.fail_job("r0-1")

    _start(world, "r1", attempt=2)
    assert before == {"r0"}
    assert (status["reason"], status["waitingFor"]["kind"]) == (
        "WaitingForSlot",
        "ConcurrencyLimit",
    )
    entry = _book(world).holders[0]
    assert (entry.run, entry.suspended) == ("r1", True)
    _ask(world, "r1", attempt=2)
    assert _book(world).holders[0].attempt == 2


def _give_back(world: World, run: str) -> None:
    me = _me(world, run)
    _write(world, lambda b, t: leave(b, t, me=me, suspended=False, now=datetime.now(UTC)))


def test_a_full_pool_of_runs_that_wait_for_a_slot_gets_it_before_a_run_that_has_no_room(
    world: World, operator: Operator
) -> None:
    world.create_pool(concurrency=2)
    world.create_flow()
    _limit(world)
    for run in ("holds", "rests"):
        world.create_run(run)
        _start(world, run)
        _ask(world, run)
    _leave_for_slot(world, "rests")
    world.wait_for_state("rests", "Suspended", within=60)
    world.create_run("works")
    _start(world, "works")
    _ask(world, "works")
    line = [entry.run for entry in _book(world).waiting]

    _give_back(world, "holds")

    eventually(lambda: _holders(world) == {"works"}, within=60)
    # Before that it waited for a slot, too: of the limit.
    eventually(lambda: world.status("rests")["waitingFor"]["kind"] == "Slot", within=60)
    _ask(world, "holds")
    behind = [entry.run for entry in _book(world).waiting]
    _finish(world, "works")
    _finish(world, "rests", attempt=2)
    assert line == ["rests", "works"]
    assert behind == ["rests", "holds"]


def test_a_run_that_is_served_while_its_pool_is_full_lets_others_go_first_and_then_keeps_its_turn(
    world: World, operator: Operator
) -> None:
    world.create_pool(concurrency=1)
    world.create_flow("other")
    _flow(world)
    _limit(world, limit=0)
    world.create_run("r0")
    world.wait_for_reason("r0", "WaitingForSlot", within=60)
    world.create_run("x0", "other")
    _start(world, "x0")
    _ask(world, "x0")

    world.change("concurrencylimits", "db", {"limit": 1})

    eventually(lambda: _holders(world) == {"x0"}, within=60)
    world.create_run("x1", "other")
    world.wait_for_reason("x1", "WaitingForSlot", within=60)
    _finish(world, "x0")
    _finish(world, "r0")
    _finish(world, "x1")


def test_a_run_whose_limit_is_deleted_goes_on(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow()
    _limit(world, limit=0)
    world.create_run("r0")
    _start(world, "r0")
    _ask(world, "r0")
    _leave_for_slot(world, "r0")
    world.wait_for_state("r0", "Suspended", within=60)

    world.api.delete(world.path("concurrencylimits", "db"))

    _finish(world, "r0", attempt=2)


def test_a_process_that_is_silent_for_its_lease_is_forgotten(
    world: World, operator: Operator
) -> None:
    world.create_pool()
    world.create_flow()
    _limit(world, leaseDurationSeconds=5)
    world.create_run("r0")
    _start(world, "r0")

    _ask(world, "r0")

    eventually(lambda: not _book(world).holders, within=60)
    assert world.status("r0")["state"] == "Running"


def test_the_limit_tells_that_it_is_in_force(world: World, operator: Operator) -> None:
    _limit(world)

    ready = eventually(
        lambda: (
            (world.get("concurrencylimits", "db") or {}).get("status", {}).get("conditions") or None
        ),
        within=60,
    )

    assert {each["type"]: each["status"] for each in ready} == {"Ready": "True", "Stalled": "False"}


def test_slots_survive_a_killed_operator(world: World, kubeconfig: Path) -> None:
    with Operator(kubeconfig, world.namespace) as first:
        first.wait_until_acting()
        world.create_pool()
        _limit(world)
        _flow(world)
        for run in ("r0", "r1"):
            world.create_run(run)
            world.wait_for_reason(run, "Launching" if run == "r0" else "WaitingForSlot", within=60)
        first.kill()
    _start_without_operator(world, "r0")
    with Operator(kubeconfig, world.namespace, lease_name="another") as second:
        second.wait_until_acting()
        held, jobs = _holders(world), world.jobs_of("r1")
        _finish(world, "r0")

        _finish(world, "r1")
        assert held == {"r0"}
        assert jobs == []


def _start_without_operator(world: World, run: str) -> None:
    world.wait_for_job(f"{run}-1", within=60)
    world.start_job(f"{run}-1")
    world.report(run, attempt=1)


def test_two_operators_at_once_never_give_a_slot_twice(world: World, kubeconfig: Path) -> None:
    world.create_pool()
    _limit(world, limit=2)
    _flow(world)
    runs = [f"r{n}" for n in range(8)]
    with (
        Operator(kubeconfig, world.namespace) as one,
        Operator(kubeconfig, world.namespace, lease_name="another") as two,
    ):
        one.wait_until_acting()
        two.wait_until_acting()
        for run in runs:
            world.create_run(run)
        left, most = set(runs), 0
        while left:
            run = eventually(lambda: min(_launched(world) & left, default=None), within=60)
            most = max(most, len(_launched(world) & left))
            _finish(world, run)
            left.discard(run)

    assert most <= 2


def _launched(world: World) -> set[str]:
    jobs = world.list("jobs", labelSelector="penstock.dev/run")
    return {job["metadata"]["labels"]["penstock.dev/run"] for job in jobs}
