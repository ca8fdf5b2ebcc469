"""Runs that a flow starts: as sub-flows here, as runs of their own where there is a cluster."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from penstock import ChildRun, State, flow, run_flow
from penstock.deployments import arun_deployment, run_deployment
from penstock.drivers.children import Children, Order
from penstock.engine.outcome import Outcome
from penstock.errors import ChildRunFailed, FlowLoadError, ParameterError
from penstock.execution import RunContext, execute
from penstock.flows import Flow
from penstock.journal.chain import MemoryChain
from penstock.journal.run_journal import open_journal
from penstock.journal.writing import Holder
from penstock.replaying import replay_records
from penstock.states import Completed, Failed, Running

# In one process


@flow
def double(number: int) -> int:
    return 2 * number


@flow
async def double_later(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


@flow
def broken() -> None:
    raise LookupError("nothing there")


@pytest.mark.parametrize("which", ["double", double, "team/double", "DOUBLE"], ids=str)
def test_a_flow_runs_another_by_its_name_or_itself(which: Any) -> None:
    @flow
    def parent() -> int:
        return run_flow(which, {"number": 4}) + 1

    assert parent() == 9


def test_outside_of_flows_it_is_a_run_of_its_own() -> None:
    assert run_flow("double", {"number": 4}) == 8


def test_an_async_flow_awaits_what_it_runs_sync_or_async() -> None:
    @flow
    async def parent() -> list[int]:
        return list(
            await asyncio.gather(
                run_flow("double", {"number": 1}), run_flow(double_later, {"number": 2})
            )
        )

    assert asyncio.run(parent()) == [2, 4]  # type: ignore[arg-type]


def test_a_sync_flow_runs_an_async_one_to_its_end() -> None:
    @flow
    def parent() -> int:
        return run_flow("double-later", {"number": 2})  # type: ignore[no-any-return]

    assert parent() == 4


def test_the_failure_of_a_flow_is_raised() -> None:
    with pytest.raises(LookupError, match="nothing there"):
        run_flow("broken")


def test_a_state_is_returned_where_it_is_asked_for() -> None:
    state = run_flow("broken", return_state=True)

    assert state.is_failed()


def test_a_run_that_is_not_waited_for_keeps_its_failure_to_itself() -> None:
    child = run_flow("broken", wait=False)

    assert isinstance(child.result(raise_on_failure=False), LookupError)
    with pytest.raises(LookupError):
        child.result()


def test_a_name_that_is_not_found_is_answered_with_what_to_do() -> None:
    with pytest.raises(FlowLoadError, match=r"no flow 'duoble' here.*Did you mean double.*Import"):
        run_flow("duoble")


def test_a_flow_is_found_beside_modules_that_answer_no_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Proxy:
        @property
        def __class__(self) -> Any:
            raise RuntimeError("outside of a request")

    module = ModuleType("web")
    module.__dict__["request"] = Proxy()
    monkeypatch.setattr(sys, "modules", {"gone": None, "web": module, **sys.modules})

    assert run_flow("double", {"number": 4}) == 8


def test_a_policy_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="'Cancel' or 'Abandon', not 'Keep'"):
        run_flow("double", on_parent_close="Keep")  # type: ignore[call-overload]


def test_parameters_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ParameterError):
        run_flow("double", {"nummer": 1})


# Where there is a cluster


class Cluster:
    """Children that end at once, as they are told to."""

    def __init__(self, ends: Callable[[Order], State[Any]], *, uid: str = "u-1") -> None:
        self._ends = ends
        self.orders: dict[str, Order] = {}
        self.starts: list[str] = []
        self.chain = MemoryChain()
        self._attempt = 0
        self._uid = uid

    def run(self, parent: Flow[..., Any]) -> Outcome:
        """Make the next attempt of the parent."""
        self._attempt += 1
        context = RunContext("daily")
        holder = Holder(attempt=self._attempt, process="pod")
        context.journal = open_journal(self.chain, holder=holder)
        context.children = Children(
            parent="daily",
            parent_uid=self._uid,
            start=self._start,
            final_state=lambda name: self._ends(self.orders[name]),
            read=self._read,
        )
        for name in self.orders:
            context.children.tell_of_end(name)
        self._children = context.children
        return execute(parent, parameters={}, context=context)

    def _read(self, name: str) -> dict[str, Any]:
        order, state = self.orders[name], self._ends(self.orders[name])
        return {
            "metadata": {"name": name, "namespace": "team", "uid": f"uid of {name}"},
            "spec": {"flowRef": {"name": order.flow}, "parameters": order.parameters},
            "status": {"state": state.type.title(), "message": state.message},
        }

    def _start(self, order: Order, name: str) -> None:
        self.orders[name] = order
        self.starts.append(name)
        self._children.tell_of_end(name)


def failure(order: Order) -> State[Any]:
    return Failed(message="so it ended", data=ChildRunFailed("it ended", run="x", state="Failed"))


def test_a_child_is_started_in_the_cluster_and_its_result_returned() -> None:
    @flow
    def parent() -> int:
        return run_flow("load", {"days": (1, 2)}) + 1  # type: ignore[no-any-return]

    cluster = Cluster(lambda order: Completed(data=41))
    outcome = cluster.run(parent)

    (name,) = cluster.orders
    assert outcome.result == 42
    assert cluster.orders[name] == Order(
        flow="load", parameters={"days": [1, 2]}, close_policy="Cancel", timeout_seconds=None
    )
    assert name.startswith("daily-")


def test_a_flow_that_runs_here_all_the_same_is_a_sub_flow() -> None:
    @flow
    def parent() -> int:
        return run_flow("double", {"number": 2}, as_child=False)  # type: ignore[no-any-return]

    cluster = Cluster(lambda order: Completed(data=41))

    assert cluster.run(parent).result == 4
    assert cluster.orders == {}


def test_a_parent_that_is_taken_up_again_starts_no_child_twice() -> None:
    results = iter([1, 2])
    launches = iter(["killed", "well"])

    @flow
    def parent() -> int:
        found = run_flow("load")
        if next(launches) == "killed":
            raise SystemExit(1)
        return found  # type: ignore[no-any-return]

    cluster = Cluster(lambda order: Completed(data=next(results)))
    cluster.run(parent)
    outcome = cluster.run(parent)

    assert (outcome.result, len(cluster.starts)) == (1, 1)


def test_a_replay_finds_children_and_starts_none() -> None:
    names = ["load", "more"]

    @flow
    def parent() -> list[int]:
        return [run_flow(name) for name in names]

    cluster = Cluster(lambda order: Completed(data=1))
    cluster.run(parent)
    same = replay_records(parent, cluster.chain.read())
    names[1] = "other"
    other = replay_records(parent, cluster.chain.read())

    assert (same.problems, same.found) == ((), {"load": 1, "more": 1})
    assert "other is called where an earlier launch of the run called more" in other.problems[0]
    assert len(cluster.starts) == 2


def test_equal_calls_start_a_child_each() -> None:
    @flow
    def parent() -> None:
        run_flow("load")
        run_flow("load")

    cluster = Cluster(lambda order: Completed(data=1))
    cluster.run(parent)

    assert len(set(cluster.starts)) == 2


def test_another_run_names_its_children_otherwise() -> None:
    @flow
    def parent() -> None:
        run_flow("load")

    first, second = (Cluster(lambda order: Completed(), uid=uid) for uid in ("u-1", "u-2"))
    first.run(parent)
    second.run(parent)

    assert first.starts != second.starts


def test_a_retry_of_the_parent_starts_a_failed_child_anew_and_no_other() -> None:
    @flow(retries=1)
    def parent() -> int:
        run_flow("good")
        return run_flow("bad")  # type: ignore[no-any-return]

    cluster = Cluster(lambda order: failure(order) if order.flow == "bad" else Completed())
    outcome = cluster.run(parent)

    assert outcome.state.is_failed()
    assert [cluster.orders[name].flow for name in cluster.starts] == ["good", "bad", "bad"]


def test_a_failure_is_found_again_by_the_next_attempt() -> None:
    @flow
    def parent() -> str:
        state = run_flow("bad", return_state=True)
        return f"{type(state.data).__name__} {state.data.state}"

    cluster = Cluster(failure)
    results = [cluster.run(parent).result, cluster.run(parent).result]

    assert results == ["ChildRunFailed Failed"] * 2
    assert len(cluster.starts) == 1


def test_children_that_are_not_waited_for_are_started_all_the_same() -> None:
    @flow
    def parent() -> list[object]:
        children = [run_flow("load", {"n": n}, wait=False) for n in range(3)]
        assert all(isinstance(child, ChildRun) for child in children)
        return [child.result() for child in reversed(children)]

    cluster = Cluster(lambda order: Completed(data=order.parameters["n"]))

    assert cluster.run(parent).result == [2, 1, 0]


def test_parameters_that_json_cannot_hold_are_refused() -> None:
    @flow
    def parent() -> None:
        run_flow("load", {"connection": object()})

    outcome = Cluster(failure).run(parent)

    assert "written into its object as JSON" in outcome.message


def test_a_deployment_is_run_as_a_child_of_its_own() -> None:
    @flow
    def parent() -> tuple[str, str, object]:
        run = run_deployment("team/load", parameters={"days": (1, 2)})
        return run.flow_name, run.state.name, run.parameters

    cluster = Cluster(lambda order: Completed(data=object()))
    outcome = cluster.run(parent)

    (order,) = cluster.orders.values()
    assert outcome.result == ("load", "Completed", {"days": [1, 2]})
    assert (order.flow, order.close_policy) == ("load", "Cancel")


def test_a_deployment_that_fails_is_returned_and_no_retry_runs_it_again() -> None:
    names: list[str] = []

    @flow(retries=1)
    def parent() -> str:
        run = run_deployment("load")
        names.append(run.name)
        if len(names) == 1:
            raise ValueError("once more")
        return run.state.name

    cluster = Cluster(failure)
    outcome = cluster.run(parent)

    assert (outcome.result, len(cluster.starts), len(set(names))) == ("Failed", 1, 1)


def test_a_deployment_that_is_not_waited_for_outlives_its_parent() -> None:
    @flow
    async def parent() -> str:
        run = await arun_deployment("load", timeout=0)
        return run.name

    cluster = Cluster(lambda order: Running())
    outcome = cluster.run(parent)

    ((name, order),) = cluster.orders.items()
    assert (outcome.result, order.close_policy) == (name, "Abandon")


def test_what_was_read_of_a_deployment_is_read_once() -> None:
    launches = iter(["killed", "well"])

    @flow
    def parent() -> str:
        run = run_deployment("load")
        if next(launches) == "killed":
            raise SystemExit(1)
        return run.state.name

    ends = iter([Completed(), Failed(message="read again")])
    cluster = Cluster(lambda order: next(ends))
    cluster.run(parent)

    assert cluster.run(parent).result == "Completed"


def test_a_deployment_that_is_gone_before_it_is_looked_at_fails_the_flow() -> None:
    @flow
    def parent() -> None:
        run_deployment("load")

    cluster = Cluster(lambda order: Completed())
    cluster._read = lambda name: None  # type: ignore[assignment,method-assign]
    outcome = cluster.run(parent)

    assert "was deleted before it could be looked at" in outcome.message


@pytest.mark.parametrize(
    "start",
    [lambda: run_flow("load"), lambda: run_deployment("load").state.name],
    ids=["run_flow", "run_deployment"],
)
def test_a_rerun_starts_no_child_whose_end_it_knows(start: Callable[[], object]) -> None:
    launches = iter(["killed", "well"])

    @flow
    def parent() -> object:
        found = start()
        if next(launches) == "killed":
            raise SystemExit(1)
        return found

    before = Cluster(lambda order: Completed(data="loaded"))
    before.run(parent)
    rerun = Cluster(lambda order: Completed(data="again"), uid="u-2")
    rerun.chain, rerun._attempt = before.chain, 1
    outcome = rerun.run(parent)

    assert outcome.result in ("loaded", "Completed")
    assert (len(before.starts), rerun.starts) == (1, [])
