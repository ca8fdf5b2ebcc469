"""Runs that go on as new ones: real runner processes, an operator and an API server."""

from __future__ import annotations

from tests.integration.apiserver import Object
from tests.integration.nodes import Cluster
from tests.integration.test_children import printed
from tests.integration.world import World, eventually

LOOP = """
import os
from penstock import continue_as_new, flow, task, wait_for_signal

@task
def step(cursor):
    print("step", cursor, flush=True)

@flow
def daily(cursor: int = 0, last: int = 2, label: str = "none"):
    step(cursor)
    if cursor < last:
        continue_as_new({"cursor": cursor + 1})
    return f"{label} {cursor}"
"""
TOLD = """
from penstock import continue_as_new, flow, wait_for_signal

@flow
def told(count: int = 0):
    said = wait_for_signal("say")
    print("heard", count, said, flush=True)
    if said != "stop":
        continue_as_new({"count": count + 1})
"""
PARENT = """
from penstock import flow, run_flow

@flow
def parent():
    print("got", run_flow("daily", {"last": 3, "label": "end"}), flush=True)
"""


def chain(world: World, first: str) -> list[Object]:
    """Return the runs of a chain, from the first to the last."""
    runs = [world.get("flowruns", first)]
    while runs[-1] and (following := runs[-1]["status"].get("continuedAs")):
        runs.append(world.get("flowruns", following))
    return [run for run in runs if run]


def test_a_run_goes_on_as_new_ones_until_it_returns(world: World, cluster: Cluster) -> None:
    node = cluster(daily=LOOP)
    world.create_run("one", parameters={"label": "kept"}, timeoutSeconds=600)

    eventually(lambda: len(chain(world, "one")) == 3, within=60)
    runs = chain(world, "one")
    last = runs[-1]["metadata"]["name"]
    world.wait_for_state(last, "Completed", within=30)

    assert [run["status"]["reason"] for run in runs[:2]] == ["ContinuedAsNew"] * 2
    assert runs[-1]["spec"]["parameters"] == {"label": "kept", "cursor": 2}
    assert runs[-1]["spec"]["timeoutSeconds"] == 600
    assert runs[-1]["spec"]["continuedFrom"]["first"] == "one"
    assert runs[-1]["metadata"]["labels"]["penstock.dev/chain"] == "one"
    eventually(lambda: len(printed(node, "step")) == 3)
    assert world.status(last)["reason"] == "Completed"


def test_a_parent_gets_what_the_last_run_of_a_chain_returned(
    world: World, cluster: Cluster
) -> None:
    node = cluster(daily=LOOP, parent=PARENT)
    world.create_run("one", flow="parent")

    world.wait_for_state("one", "Completed", within=120)

    eventually(lambda: printed(node, "got end 3"))


def test_signals_reach_the_chain_under_its_first_name(world: World, cluster: Cluster) -> None:
    node = cluster(told=TOLD)
    world.create_run("one", flow="told")
    world.wait_for_state("one", "Running", "Suspended", within=30)

    for number in range(3):
        world.send("one", "say", name=f"say-{number}", payload=number, sender="admin")
    eventually(lambda: len(chain(world, "one")) >= 4, within=90)
    world.send("one", "say", name="stop", payload="stop", sender="admin")

    last = chain(world, "one")[-1]["metadata"]["name"]
    world.wait_for_state(last, "Completed", within=60)
    eventually(lambda: len(printed(node, "heard")) == 4)
    heard = [line.partition("heard ")[2] for line in printed(node, "heard")]
    assert heard == ["0 0", "1 1", "2 2", "3 stop"]


def test_a_cancel_ends_the_chain(world: World, cluster: Cluster) -> None:
    endless = LOOP.replace("last: int = 2", "last: int = 10_000")
    cluster(daily=endless)
    world.create_run("one")
    eventually(lambda: len(chain(world, "one")) >= 3, within=60)

    def cancelled() -> bool:
        last = chain(world, "one")[-1]
        if last["status"].get("state") == "Cancelled":
            return True
        world.cancel(last["metadata"]["name"])
        return False

    eventually(cancelled, within=90)
    size = len(chain(world, "one"))
    runs = world.list("flowruns", labelSelector="penstock.dev/chain=one")

    assert len(runs) <= size
    states = {run["status"].get("state") for run in runs}
    assert states <= {"Completed", "Cancelled"}


def test_a_run_that_is_killed_while_it_goes_on_has_one_successor(
    world: World, cluster: Cluster
) -> None:
    slow = LOOP.replace(
        "    if cursor < last:", "    import time; time.sleep(1)\n    if cursor < last:"
    )
    node = cluster(daily=slow)
    world.create_run("one")
    eventually(lambda: "one-1" in node.running, within=30)
    node.kill("one-1")

    eventually(lambda: len(chain(world, "one")) == 3, within=90)
    world.wait_for_state(chain(world, "one")[-1]["metadata"]["name"], "Completed", within=60)

    assert len(world.list("flowruns")) == 3
