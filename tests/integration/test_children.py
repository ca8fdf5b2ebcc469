"""Runs that start runs: real runner processes, an operator and an API server."""

from __future__ import annotations

from tests.integration.apiserver import Object
from tests.integration.nodes import Cluster, Node
from tests.integration.world import World, eventually

LOAD = """
import time
from penstock import flow, task

@task
def fetch(day):
    time.sleep({seconds})
    return {{"day": day, "rows": (1, 2)}}

@flow
def load(day: str = "today"):
    if day == "never":
        raise LookupError("no such day")
    return fetch(day)
"""
PARENT = """
from penstock import flow, run_flow, task
from penstock.errors import ChildRunFailed

@task
def note(words):
    print("noting", words, flush=True)

@flow
def daily():
    note("before")
    {body}
"""


def children_of(world: World, run: str) -> list[Object]:
    return world.list("flowruns", labelSelector=f"penstock.dev/parent={run}")


def printed(node: Node, part: str) -> list[str]:
    return [line for line in node.lines if part in line]


def test_a_parent_waits_without_a_pod_and_gets_what_its_child_returned(
    world: World, cluster: Cluster
) -> None:
    parent = PARENT.format(
        body='found = run_flow("load", {"day": "monday"}); print("got", found, flush=True)'
    )
    node = cluster(daily=parent, load=LOAD.format(seconds=6))
    world.create_run("one")

    waiting = world.wait_for_reason("one", "WaitingForRun", within=30)
    (child,) = children_of(world, "one")
    alone = [f"{child['metadata']['name']}-1"]
    eventually(lambda: node.running == alone)
    world.wait_for_state("one", "Completed", within=40)

    assert waiting["waitingFor"]["name"] == child["metadata"]["name"]
    assert child["spec"]["parentRef"]["name"] == "one"
    assert child["metadata"]["name"].startswith("one-")
    assert node.started == ["one-1", f"{child['metadata']['name']}-1", "one-2"]
    eventually(lambda: printed(node, "got {'day': 'monday', 'rows': (1, 2)}"))
    assert len(printed(node, "noting before")) == 1
    assert len(children_of(world, "one")) == 1
    assert world.status("one")["recoveries"] == 0


def test_a_parent_waits_without_a_pod_for_a_deployment(world: World, cluster: Cluster) -> None:
    body = """
    from penstock.deployments import run_deployment
    run = run_deployment("team/load", parameters={"day": "monday"})
    print("ran", run.name, run.state.name, flush=True)
    """
    node = cluster(daily=PARENT.format(body=body.strip()), load=LOAD.format(seconds=6))
    world.create_run("one")

    world.wait_for_reason("one", "WaitingForRun", within=60)
    world.wait_for_state("one", "Completed", within=60)

    (child,) = children_of(world, "one")
    name = child["metadata"]["name"]
    assert node.started == ["one-1", f"{name}-1", "one-2"]
    assert eventually(lambda: printed(node, f"ran {name} Completed"))


def test_the_failure_of_a_child_is_raised_in_its_parent(world: World, cluster: Cluster) -> None:
    body = """
    try:
        run_flow("load", {"day": "never"})
    except ChildRunFailed as error:
        print("caught", error.state, error.run, repr(error.__cause__), flush=True)
    state = run_flow("load", {"day": "never", }, return_state=True)
    print("state", state.name, flush=True)
    """
    node = cluster(daily=PARENT.format(body=body.strip()), load=LOAD.format(seconds=0))
    world.create_run("one")

    world.wait_for_state("one", "Completed", within=60)

    names = [each["metadata"]["name"] for each in children_of(world, "one")]
    assert eventually(lambda: printed(node, "state Failed"))
    line = printed(node, "caught Failed")[0]
    assert "LookupError('no such day')" in line
    assert any(name in line for name in names)
    assert len(names) == 2


def test_children_run_beside_each_other(world: World, cluster: Cluster) -> None:
    body = """
    started = [run_flow("load", {"day": str(day)}, wait=False) for day in range(3)]
    print("got", [child.result()["day"] for child in started], flush=True)
    """
    node = cluster(daily=PARENT.format(body=body.strip()), load=LOAD.format(seconds=2))
    world.create_run("one")

    world.wait_for_state("one", "Completed", within=60)

    eventually(lambda: printed(node, "got ['0', '1', '2']"))
    assert len(children_of(world, "one")) == 3


def test_children_are_gathered_by_async_flows(world: World, cluster: Cluster) -> None:
    code = """
import asyncio
from penstock import flow, run_flow

@flow
async def daily():
    found = await asyncio.gather(*(run_flow("load", {"day": str(day)}) for day in range(2)))
    print("got", [each["day"] for each in found], flush=True)
"""
    node = cluster(daily=code, load=LOAD.format(seconds=4))
    world.create_run("one")

    world.wait_for_reason("one", "WaitingForRun", within=30)
    world.wait_for_state("one", "Completed", within=60)

    eventually(lambda: printed(node, "got ['0', '1']"))
    assert len(children_of(world, "one")) == 2


def test_a_parent_that_is_killed_starts_no_child_twice(world: World, cluster: Cluster) -> None:
    body = """
    child = run_flow("load", wait=False)
    note("started")
    import time; time.sleep(2)
    print("got", child.result()["day"], flush=True)
    """
    node = cluster(daily=PARENT.format(body=body.strip()), load=LOAD.format(seconds=3))
    world.create_run("one")
    eventually(lambda: children_of(world, "one"), within=30)
    node.kill("one-1")

    world.wait_for_state("one", "Completed", within=60)

    assert len(children_of(world, "one")) == 1
    eventually(lambda: printed(node, "got today"))


def test_a_child_is_cancelled_when_its_parent_is_and_an_abandoned_one_is_not(
    world: World, cluster: Cluster
) -> None:
    body = """
    run_flow("load", {"day": "a"}, wait=False, on_parent_close="Abandon")
    run_flow("load", {"day": "b"})
    """
    cluster(daily=PARENT.format(body=body.strip()), load=LOAD.format(seconds=8))
    world.create_run("one")
    world.wait_for_reason("one", "WaitingForRun", within=30)

    world.cancel("one")

    by_day = {
        each["spec"]["parameters"]["day"]: each["metadata"]["name"]
        for each in children_of(world, "one")
    }
    world.wait_for_state("one", "Cancelled")
    world.wait_for_reason(by_day["b"], "ParentClosed", within=30)
    world.wait_for_state(by_day["b"], "Cancelled", within=30)
    world.wait_for_state(by_day["a"], "Completed", within=30)


def test_a_failed_child_is_started_anew_when_its_parent_begins_anew(
    world: World, cluster: Cluster
) -> None:
    code = """
from penstock import flow, run_flow

@flow(retries=1)
def daily():
    run_flow("load", {"day": "ok"})
    run_flow("load", {"day": "never"})
"""
    cluster(daily=code, load=LOAD.format(seconds=0))
    world.create_run("one")

    world.wait_for_state("one", "Failed", within=90)

    days = sorted(each["spec"]["parameters"]["day"] for each in children_of(world, "one"))
    assert days == ["never", "never", "ok"]
