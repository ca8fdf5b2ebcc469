"""ConcurrencyLimits: real runner processes share slots, by way of a real API server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3
from tests.integration.apiserver import Object, Refused
from tests.integration.forgery import admit_runners, start_pod
from tests.integration.nodes import Cluster, Node, place_of
from tests.integration.runner.processes import environment_of
from tests.integration.world import World, eventually
from typer.testing import CliRunner

from penstock.cli.app import app

PRELUDE = """
import sys, time
from penstock import concurrency, flow, task
from penstock.concurrency.sync import rate_limit

def say(*words):
    print(*words, flush=True)
"""


@pytest.fixture
def cluster(cluster: Cluster) -> Cluster:
    """The same for code that begins with the prelude, in pods that wait for slots."""

    def with_prelude(*, linger: float = 600.0, **flows: str) -> Node:
        code = {name: PRELUDE + body for name, body in flows.items()}
        return cluster(linger=linger, **code)

    return with_prelude


@dataclass(slots=True)
class Process:
    """A program that stands for a pod of a run, with the pod's token and nothing of a runner."""

    popen: subprocess.Popen[str]

    def line(self) -> str:
        assert self.popen.stdout is not None
        return self.popen.stdout.readline().strip()

    def tell(self, word: str = "go") -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(word + "\n")
        self.popen.stdin.flush()

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()


Pods = Callable[..., Process]


@pytest.fixture
def pod(world: World, release: str, tmp_path: Path) -> Iterator[Pods]:
    """Start a program as a pod of a run that nobody launches again."""
    admit_runners(world.api, world.namespace, release=release)
    eventually(lambda: version_of_limits(world))
    processes: list[Process] = []

    def pod(code: str, *, run: str = "", attempt: int = 1) -> Process:
        run = run or f"run-{len(processes)}"
        if world.get("flowruns", run) is None:
            world.create_run(run, flow="nowhere")
        name = f"{run}-{attempt}-bcdfg"
        speaker = start_pod(world.api, world.namespace, name)
        folder = tmp_path / name
        place = place_of(speaker, world, folder=folder, run=run, attempt=attempt)
        processes.append(
            Process(
                subprocess.Popen(
                    [sys.executable, "-u", "-c", PRELUDE + code],
                    env=environment_of(place, folder),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
        )
        return processes[-1]

    yield pod
    for process in processes:
        process.kill()
        for stream in (process.popen.stdin, process.popen.stdout):
            assert stream is not None
            stream.close()


def version_of_limits(world: World) -> str | None:
    """Return which version of the limits there is, once their kind is served."""
    with suppress(Refused):  # a kind that is new is not served at once
        return str(world.api.get(world.path("concurrencylimits"))["metadata"]["resourceVersion"])
    return None


class Observer:
    """Sees each version of each limit of a namespace."""

    def __init__(self, world: World) -> None:
        self.seen: list[Object] = []
        version = eventually(lambda: version_of_limits(world))
        self._stream = world.api.pool.request(
            "GET",
            f"{world.api.url}{world.path('concurrencylimits')}?watch=1&resourceVersion={version}",
            headers=world.api.headers,
            preload_content=False,
            timeout=urllib3.Timeout(connect=10, read=None),
        )
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        rest = b""
        with suppress(urllib3.exceptions.HTTPError, OSError):  # the API server ends before this
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


HOLD = """
say("asking")
with concurrency("db"):
    say("inside")
    sys.stdin.readline()
say("outside")
sys.stdin.readline()
"""


def inside(pod: Pods, **options: Any) -> Process:
    """Start a pod that holds a slot until it is told otherwise, and return it once it does."""
    holder = pod(HOLD, **options)
    assert [holder.line(), holder.line()] == ["asking", "inside"]
    return holder


def test_processes_that_contend_are_never_too_many_and_none_starves(
    world: World, pod: Pods, observer: Observer
) -> None:
    limit(world, "db", 2)

    processes = [
        pod(
            """
for number in range(6):
    with concurrency("db"):
        time.sleep(0.01)
say("done")
time.sleep(60)
"""
        )
        for _ in range(6)
    ]

    assert [process.line() for process in processes] == ["done"] * 6
    assert observer.most_held() == 2
    eventually(lambda: status(world, "db")["active"] == 0)


def test_who_came_first_is_served_first_and_a_higher_limit_serves_more(
    world: World, pod: Pods, observer: Observer
) -> None:
    limit(world, "db", 0)
    processes = []
    for number in range(4):
        processes.append(pod(HOLD))
        assert processes[-1].line() == "asking"
        eventually(lambda: status(world, "db").get("queued") == number + 1)  # noqa: B023

    world.change("concurrencylimits", "db", {"limit": 1})

    for number, process in enumerate(processes):
        assert process.line() == "inside"
        waiting = [each["holder"] for each in status(world, "db")["waiting"]]
        assert waiting == [f"run-{each}" for each in range(number + 1, 4)]
        process.tell()
        assert process.line() == "outside"
    assert observer.most_held() == 1


def test_the_slots_of_the_dead_come_back_after_their_lease(
    world: World, pod: Pods, observer: Observer
) -> None:
    limit(world, "db", 1, leaseDurationSeconds=5)
    holder = inside(pod)
    waiters = []
    for number in range(2):
        waiters.append(pod(HOLD))
        assert waiters[-1].line() == "asking"
        eventually(lambda: status(world, "db").get("queued") == number + 1)  # noqa: B023

    killed = time.monotonic()
    holder.kill()
    waiters[0].kill()

    assert waiters[1].line() == "inside"
    assert time.monotonic() - killed > 4  # it lives as long as others cannot know better
    assert [each["holder"] for each in status(world, "db")["holders"]] == ["run-2"]
    assert observer.most_held() == 1


def test_who_was_away_for_longer_than_its_lease_has_lost_its_slot_and_takes_none_back(
    world: World, pod: Pods, observer: Observer
) -> None:
    limit(world, "db", 1, leaseDurationSeconds=5)
    holder = inside(pod)
    waiter = pod(HOLD)
    eventually(lambda: status(world, "db").get("queued") == 1)

    holder.popen.send_signal(signal.SIGSTOP)
    assert [waiter.line(), waiter.line()] == ["asking", "inside"]
    holder.popen.send_signal(signal.SIGCONT)

    assert "1 slot of the ConcurrencyLimit db was lost" in holder.line()
    holder.tell()
    assert holder.line() == "outside"
    assert [each["holder"] for each in status(world, "db")["holders"]] == ["run-1"]
    assert observer.most_held() == 1


def test_the_next_attempt_has_the_slot_of_the_one_that_was_killed(
    world: World, pod: Pods, observer: Observer
) -> None:
    limit(world, "db", 1)
    killed = inside(pod, run="one")
    waiter = pod(HOLD, run="two")
    assert waiter.line() == "asking"
    eventually(lambda: status(world, "db").get("queued") == 1)

    killed.kill()
    again = pod(HOLD, run="one", attempt=2)

    assert [again.line(), again.line()] == ["asking", "inside"]
    again.tell()
    assert waiter.line() == "inside"
    assert observer.most_held() == 1


def test_a_wait_that_takes_too_long_ends_and_leaves_the_line(world: World, pod: Pods) -> None:
    limit(world, "db", 1)
    inside(pod)

    waiter = pod(
        """
try:
    with concurrency("db", timeout_seconds=0.5):
        say("inside")
except TimeoutError as error:
    say(type(error).__name__, error)
sys.stdin.readline()
"""
    )

    assert waiter.line() == (
        "AcquireConcurrencySlotTimeoutError No slots of db were free within 0.5 s; all are taken."
    )
    eventually(lambda: status(world, "db")["waiting"] == [])


def test_a_rate_lets_through_what_has_come_back(world: World, pod: Pods) -> None:
    limit(world, "api", 2, slotDecayPerSecond=4)
    code = """
began = time.monotonic()
for number in range(5):
    rate_limit("api")
say(time.monotonic() - began)
"""

    processes = [pod(code), pod(code)]

    # Ten of two that were there and four a second.
    assert max(float(process.line()) for process in processes) >= 1.8
    assert status(world, "api")["waiting"] == []


def test_limits_are_set_listed_and_deleted_by_the_command_line(
    world: World, kubeconfig: Path
) -> None:
    place = ("-n", world.namespace, "--kubeconfig", str(kubeconfig))

    def penstock(*words: str) -> Any:
        return CliRunner().invoke(app, ["limit", *words, *place])

    said = [penstock("set", "db", "5").stdout, penstock("set", "tag:heavy", "1").stdout]
    penstock("set", "api", "10", "--decay", "0.5")
    listed = json.loads(penstock("list", "-o", "json").stdout)
    deleted = [penstock("delete", "tag:heavy").exit_code, penstock("delete", "tag:heavy").exit_code]

    assert said == ["concurrencylimit/db is set\n", "concurrencylimit/tag-heavy is set\n"]
    assert [(row["name"], row["limit"], row["decay"]) for row in listed] == [
        ("api", 10, 0.5),
        ("db", 5, 0.0),
        ("tag-heavy", 1, 0.0),
    ]
    assert deleted == [0, 2]


def test_a_limit_keeps_the_decay_that_others_gave_it_until_the_command_line_takes_it_away(
    world: World, kubeconfig: Path
) -> None:
    place = ("-n", world.namespace, "--kubeconfig", str(kubeconfig))
    limit(world, "api", 10, slotDecayPerSecond=2)

    specs = []
    for words in (["0"], ["5", "--decay", "0"]):
        done = CliRunner().invoke(app, ["limit", "set", "api", *words, *place])
        assert done.exit_code == 0, done.output
        specs.append(world.get("concurrencylimits", "api")["spec"])

    assert [(each["limit"], each.get("slotDecayPerSecond")) for each in specs] == [
        (0, 2),
        (5, None),
    ]


UNLIMITED = (
    "There is no limit nothing, so nothing waits for it: kubectl penstock limit set nothing NUMBER"
)


def test_a_name_without_an_object_limits_nothing_and_says_so_once(pod: Pods) -> None:
    process = pod(
        """
import logging
logging.basicConfig(stream=sys.stdout, format="%(message)s")
for _ in range(2):
    with concurrency("nothing"):
        say("inside")
try:
    with concurrency("nothing", strict=True):
        pass
except Exception as error:
    say(type(error).__name__)
"""
    )

    assert [process.line() for _ in range(4)] == [
        UNLIMITED,
        "inside",
        "inside",
        "ConcurrencySlotAcquisitionError",
    ]


def test_several_names_are_held_together_in_async_code_too(
    world: World, pod: Pods, observer: Observer
) -> None:
    limit(world, "a", 1)
    limit(world, "b", 1)
    code = """
import asyncio

async def visit(names):
    async with concurrency(names):
        await asyncio.sleep(0.01)

async def main():
    await asyncio.gather(*(visit(["a", "b"] if n % 2 else ["b", "a"]) for n in range(10)))

asyncio.run(main())
say("done")
time.sleep(60)
"""

    processes = [pod(code), pod(code)]

    assert [process.line() for process in processes] == ["done", "done"]
    assert observer.most_held() == 1


def test_tasks_with_a_tag_share_its_slots(
    world: World, cluster: Cluster, observer: Observer
) -> None:
    limit(world, "database", 2, tag="db")
    node = cluster(
        daily="""
@task(tags=["db"])
def query(number):
    time.sleep(0.05)
    return number

@flow
def daily():
    return sum(query.map(range(6)).result())
"""
    )

    for number in range(2):
        world.create_run(f"run-{number}")
    for number in range(2):
        world.wait_for_state(f"run-{number}", "Completed")

    assert observer.most_held() == 2
    assert node.errors == []


def test_bodies_in_worker_processes_share_the_slots_too(
    world: World, cluster: Cluster, observer: Observer
) -> None:
    limit(world, "db", 1)
    node = cluster(
        daily="""
from penstock.task_runners import ProcessPoolTaskRunner

@task
def query(number):
    with concurrency("db", strict=True):
        time.sleep(0.05)
    return number

@flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
def daily():
    return sum(query.map(range(4)).result())
"""
    )

    world.create_run("one")
    world.wait_for_state("one", "Completed")

    assert observer.most_held() == 1
    assert node.errors == []


SUSPENDING = """
@task
def before():
    say("before")

{task}

@flow
def daily():
    before()
    {wait}
"""
IN_FLOW = SUSPENDING.format(task="", wait='with concurrency("db"): say("inside")')
IN_TASK = SUSPENDING.format(
    task='@task(tags=["db"])\ndef query(): say("inside")', wait="query.submit().result()"
)


@pytest.mark.parametrize("code", [IN_FLOW, IN_TASK], ids=["in a flow", "of a tag"])
def test_a_run_that_waits_for_long_keeps_its_place_without_a_pod(
    world: World, cluster: Cluster, pod: Pods, code: str
) -> None:
    limit(world, "db", 1, tag="db")
    node = cluster(linger=0.3, daily=code)
    holder = inside(pod, run="holder")

    world.create_run("one")
    waiting = world.wait_for_reason("one", "WaitingForSlot")

    assert (waiting["waitingFor"]["kind"], waiting["waitingFor"]["name"]) == (
        "ConcurrencyLimit",
        "db",
    )
    assert [(e["holder"], e["suspended"]) for e in status(world, "db")["waiting"]] == [
        ("one", True)
    ]
    eventually(lambda: node.running == [])
    holder.tell()
    world.wait_for_state("one", "Completed")
    assert node.started == ["one-1", "one-2"]
    eventually(lambda: len(printed(node, "inside")) == 1)
    assert len(printed(node, "before")) == 1


def test_a_run_that_came_back_for_a_slot_waits_for_the_next_in_its_pod(
    world: World, cluster: Cluster, pod: Pods
) -> None:
    """It takes each slot anew: it would leave for the second, and come back for the first."""
    limit(world, "db", 1)
    node = cluster(
        linger=0.3,
        daily="""
@flow
def daily():
    for number in range(2):
        with concurrency("db"):
            say("inside", number)
""",
    )
    first = inside(pod, run="first")
    world.create_run("one")
    world.wait_for_reason("one", "WaitingForSlot")
    second = pod(HOLD, run="second")
    assert second.line() == "asking"
    eventually(lambda: status(world, "db")["queued"] == 2)

    first.tell()
    assert second.line() == "inside"
    eventually(lambda: [each["holder"] for each in status(world, "db")["waiting"]] == ["one"])
    time.sleep(1)  # it has the time to leave
    second.tell()

    world.wait_for_state("one", "Completed")
    assert node.started == ["one-1", "one-2"]


def test_a_wait_with_a_deadline_is_left_too_and_ends_with_the_slot(
    world: World, cluster: Cluster, pod: Pods
) -> None:
    limit(world, "db", 1)
    node = cluster(
        linger=0.3,
        daily="""
@flow
def daily():
    with concurrency("db", timeout_seconds=3600):
        say("inside")
""",
    )
    holder = inside(pod, run="holder")

    world.create_run("one")
    waiting = world.wait_for_reason("one", "WaitingForSlot", within=60)
    eventually(lambda: node.running == [], within=60)
    holder.tell()

    world.wait_for_state("one", "Completed", within=60)
    assert waiting["waitingFor"]["until"] > waiting["waitingFor"]["since"]
    assert node.started == ["one-1", "one-2"]
    eventually(lambda: len(printed(node, "inside")) == 1)


def test_a_wait_without_a_pod_ends_at_its_deadline_and_the_same_way_each_time(
    world: World, cluster: Cluster, pod: Pods
) -> None:
    limit(world, "db", 1)
    node = cluster(
        linger=0.3,
        daily="""
from penstock import wait_for_signal

@flow
async def daily():
    try:
        async with concurrency("db", timeout_seconds=15):
            say("inside")
    except TimeoutError as error:
        say("late", type(error).__name__)
    await wait_for_signal("go")
""",
    )
    holder = inside(pod, run="holder")

    world.create_run("one")
    world.wait_for_reason("one", "WaitingForSlot", within=60)
    world.wait_for_reason("one", "WaitingForSignal", within=120)
    holder.tell()
    eventually(lambda: status(world, "db")["active"] == 0, within=60)
    world.send("one", "go", sender="admin")

    world.wait_for_state("one", "Completed", within=120)
    assert node.started == ["one-1", "one-2", "one-3"]
    eventually(lambda: len(printed(node, "Completed")) == 1, within=60)
    assert printed(node, ": late ") == [
        f"one-{attempt}: late AcquireConcurrencySlotTimeoutError" for attempt in (2, 3)
    ]
    assert printed(node, "inside") == []


def test_a_wait_of_no_time_takes_what_is_free(world: World, pod: Pods) -> None:
    limit(world, "db", 1)

    process = pod(
        """
with concurrency("db", timeout_seconds=0):
    say("inside")
    sys.stdin.readline()
"""
    )

    assert process.line() == "inside"
