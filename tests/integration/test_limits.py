"""ConcurrencyLimits: real runner processes share slots, by way of a real API server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import urllib3
from tests.integration.apiserver import Object, Refused
from tests.integration.nodes import Node
from tests.integration.world import Operator, World, eventually

from penstock_operator.reconcile.settings import Settings

PRELUDE = """
import time
from penstock import concurrency, flow, task
from penstock.concurrency.sync import rate_limit

def say(*words):
    print(*words, flush=True)
"""

Cluster = Callable[..., Node]


@pytest.fixture
def cluster(world: World, release: str, kubeconfig: Path, tmp_path: Path) -> Iterator[Cluster]:
    """Make Flows of some code, and whatever runs them."""
    settings = Settings(runner_image="runner:test", runner_cluster_role=f"{release}-runner")
    labels = {"metadata": {"labels": {"release": release}}}
    world.api.merge(f"/api/v1/namespaces/{world.namespace}", labels)
    with ExitStack() as stack:

        def cluster(*, linger: float = 600.0, **flows: str) -> Node:
            code = {name: PRELUDE + body for name, body in flows.items()}
            node = Node(world, folder=tmp_path, flows=code, linger_seconds=linger)
            operator = Operator(kubeconfig, world.namespace, settings=settings)
            stack.enter_context(operator).wait_until_acting()
            stack.enter_context(node)
            world.create_pool()
            for flow in flows:
                world.create_flow(flow, entrypoint=f"flow.py:{flow}")
            return node

        yield cluster


class Observer:
    """Sees each version of each limit of a namespace."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.seen: list[Object] = []
        self._path = world.path("concurrencylimits")
        version = eventually(self._version)
        self._stream = world.api.pool.request(
            "GET",
            f"{world.api.url}{self._path}?watch=1&resourceVersion={version}",
            headers=world.api.headers,
            preload_content=False,
            timeout=urllib3.Timeout(connect=10, read=None),
        )
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _version(self) -> str | None:
        with suppress(Refused):  # a kind that is new is not served at once
            return str(self._world.api.get(self._path)["metadata"]["resourceVersion"])
        return None

    def _watch(self) -> None:
        rest = b""
        for part in self._stream.stream(amt=None):
            *lines, rest = (rest + part).split(b"\n")
            self.seen += [json.loads(line)["object"] for line in lines]

    def most_held(self) -> int:
        """Return how many slots were held at once at most; none was ever held above its limit."""
        held = [
            (sum(each["occupy"] for each in limit["status"].get("holders", ())), limit)
            for limit in list(self.seen)
            if "status" in limit
        ]
        assert all(taken <= limit["spec"]["limit"] for taken, limit in held)
        return max((taken for taken, _ in held), default=0)


@pytest.fixture
def observer(world: World) -> Observer:
    return Observer(world)


def limit(world: World, name: str, slots: int, **spec: object) -> Object:
    return world.create("concurrencylimits", "ConcurrencyLimit", name, {"limit": slots, **spec})


def status(world: World, name: str) -> Object:
    found = world.get("concurrencylimits", name)
    assert found is not None
    return found["status"]


def printed(node: Node, part: str) -> list[str]:
    return [line for line in node.lines if part in line]


def test_flows_and_tasks_of_many_runs_take_turns(
    world: World, cluster: Cluster, observer: Observer
) -> None:
    limit(world, "db", 2)
    node = cluster(
        daily="""
@task
def query(number):
    with concurrency("db"):
        time.sleep(0.05)
    return number

@flow
def daily():
    with concurrency("db", occupy=2):
        time.sleep(0.05)
    return sum(query.map(range(4)).result())
"""
    )

    for number in range(4):
        world.create_run(f"run-{number}")
    for number in range(4):
        world.wait_for_state(f"run-{number}", "Completed")

    assert observer.most_held() == 2
    eventually(lambda: status(world, "db")["active"] == 0 and not status(world, "db")["waiting"])
    assert node.errors == []
