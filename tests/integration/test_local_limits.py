"""Limits among the processes and threads of a machine: never too many inside, in order of arrival.

In Prefect who asks often and for little is served before who waits for much, and a killed holder
keeps its slots until its lease ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock import flow, task
from penstock.concurrency import asyncio as for_async
from penstock.concurrency import sync
from penstock.concurrency.limits import Limit, set_limit
from penstock.concurrency.line import Place, line_here
from penstock.concurrency.processes import this_process
from penstock.concurrency.slots import STALE_SECONDS, SlotStore
from penstock.concurrency.waking import listen
from penstock.errors import AcquireConcurrencySlotTimeoutError

LIBRARY = Path(__file__).parents[2] / "runner-image"
PRELUDE = """
import os, random, sys, time
from penstock.concurrency.sync import concurrency, rate_limit

def note(line):
    os.write(log, line.encode() + b"\\n")

log = os.open("log", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Start a process with this code; it is killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", PRELUDE + code, *arguments],
                env={**os.environ, "PYTHONPATH": str(LIBRARY)},
                cwd=home,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def store(home: Path) -> SlotStore:
    return SlotStore(home / "slots.db")


def until(met: Callable[[], bool], *, within: float = 20) -> None:
    deadline = time.monotonic() + within
    while not met():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def waiters(home: Path) -> int:
    return store(home).waiting(["db"])["db"]


def lines(home: Path) -> list[str]:
    return (home / "log").read_text().splitlines()


def test_processes_are_never_too_many_inside(home: Path, start: Start) -> None:
    set_limit(Limit(name="db", slots=3))
    code = """
rng = random.Random(sys.argv[1])
for _ in range(12):
    slots = rng.choice([1, 1, 2, 3])
    with concurrency("db", occupy=slots):
        note(f"+{slots}")
        time.sleep(rng.random() / 200)
        note(f"-{slots}")
"""
    processes = [start(code, str(number)) for number in range(4)]
    exits = [process.wait(60) for process in processes]

    inside = [0]
    for line in lines(home):
        inside.append(inside[-1] + int(line))
    assert exits == [0] * 4
    assert len(inside) == 1 + 2 * 4 * 12
    assert max(inside) <= 3
    assert inside[-1] == 0


def test_the_slots_of_a_killed_process_are_free_at_once(home: Path, start: Start) -> None:
    set_limit(Limit(name="db", slots=2))
    holder = start("with concurrency('db', occupy=2):\n    print('in', flush=True); time.sleep(60)")
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(AcquireConcurrencySlotTimeoutError):
        sync.concurrency("db", timeout_seconds=0).__enter__()

    holder.send_signal(signal.SIGKILL)

    with sync.concurrency("db", occupy=2, timeout_seconds=10):
        assert store(home).taken({"db": Limit(name="db", slots=2)}) == {"db": 2.0}


def test_a_killed_process_is_not_waited_for_by_those_behind_it(home: Path, start: Start) -> None:
    set_limit(Limit(name="db", slots=2))
    holder = start("with concurrency('db'):\n    print('in', flush=True); time.sleep(60)")
    assert holder.stdout is not None
    holder.stdout.readline()
    waiter = start("with concurrency('db', occupy=2): pass")
    until(lambda: waiters(home) == 1)
    with pytest.raises(AcquireConcurrencySlotTimeoutError):
        sync.concurrency("db", timeout_seconds=0.05).__enter__()

    waiter.kill()
    waiter.wait()

    with sync.concurrency("db", timeout_seconds=0):
        assert waiters(home) == 0


def test_a_stopped_process_is_overtaken_after_a_while_and_keeps_its_place(
    home: Path, start: Start
) -> None:
    set_limit(Limit(name="db", slots=1))
    with sync.concurrency("db"):
        stopped = start("with concurrency('db'): note('first')")
        until(lambda: waiters(home) == 1)
        stopped.send_signal(signal.SIGSTOP)
        time.sleep(STALE_SECONDS)
        other = start("with concurrency('db'): note('second')")
        until(lambda: waiters(home) == 2)
    assert other.wait(90) == 0
    stopped.send_signal(signal.SIGCONT)

    assert stopped.wait(90) == 0
    assert lines(home) == ["second", "first"]


def test_processes_and_threads_are_served_in_order_of_arrival(home: Path, start: Start) -> None:
    set_limit(Limit(name="db", slots=1))
    code = "with concurrency('db'):\n    note(sys.argv[1]); time.sleep(0.02)"

    def wait_here(name: str) -> threading.Thread:
        def body() -> None:
            with sync.concurrency("db"), (home / "log").open("a") as log:
                log.write(f"{name}\n")

        thread = threading.Thread(target=body)
        thread.start()
        return thread

    arrivals: list[threading.Thread | subprocess.Popen[str]] = []
    with sync.concurrency("db"):
        for number in range(6):
            name = str(number)
            arrivals.append(wait_here(name) if number % 2 else start(code, name))
            until(lambda number=number: waiters(home) == number + 1)
    for each in arrivals:
        each.join(90) if isinstance(each, threading.Thread) else each.wait(90)

    assert lines(home) == ["0", "1", "2", "3", "4", "5"]


def test_a_process_wakes_those_who_wait_in_another_one(start: Start) -> None:
    place = Place(1, ["db"])
    line_here().join(place)
    listen()
    me = this_process()

    waker = start(
        "from penstock.concurrency.waking import Process, wake\n"
        "wake([Process(int(sys.argv[1]), sys.argv[2])])",
        str(me.pid),
        me.started,
    )

    assert waker.wait(90) == 0
    until(place.has_rung)
    line_here().leave(place)


def test_who_asks_for_much_is_not_starved_by_those_who_ask_for_little(home: Path) -> None:
    set_limit(Limit(name="db", slots=3))
    served: list[str] = []

    def wait_for(slots: int, name: str) -> threading.Thread:
        def body() -> None:
            with sync.concurrency("db", occupy=slots):
                served.append(name)

        before = waiters(home)
        thread = threading.Thread(target=body)
        thread.start()
        until(lambda: waiters(home) == before + 1)
        return thread

    with sync.concurrency("db"):
        threads = [wait_for(3, "large"), *(wait_for(1, f"small {n}") for n in range(4))]
        assert served == []
    for thread in threads:
        thread.join(20)

    assert served[0] == "large"
    assert sorted(served[1:]) == [f"small {n}" for n in range(4)]


def test_who_holds_slots_already_does_not_wait_for_those_who_wait_for_them(home: Path) -> None:
    """Else each would wait for the other, for ever."""
    set_limit(Limit(name="db", slots=2))
    large = threading.Thread(target=lambda: sync.concurrency("db", occupy=2).__enter__())
    with sync.concurrency("db", timeout_seconds=5):
        large.start()
        until(lambda: waiters(home) == 1)
        with pytest.raises(TimeoutError), sync.concurrency("db", occupy=2, timeout_seconds=0):
            pass

        with sync.concurrency("db", timeout_seconds=0):
            assert waiters(home) == 1

    large.join(20)


async def test_coroutines_and_threads_stand_in_one_line(home: Path) -> None:
    set_limit(Limit(name="db", slots=1))
    served: list[str] = []

    async def wait_in_loop() -> None:
        async with for_async.concurrency("db"):
            served.append("coroutine")

    def wait_in_thread() -> None:
        with sync.concurrency("db"):
            served.append("thread")

    async with for_async.concurrency("db"):
        first = asyncio.create_task(wait_in_loop())
        while waiters(home) < 1:
            await asyncio.sleep(0.01)
        second = asyncio.create_task(asyncio.to_thread(wait_in_thread))
        while waiters(home) < 2:
            await asyncio.sleep(0.01)
    await asyncio.gather(first, second)

    assert served == ["coroutine", "thread"]


def test_a_coroutine_in_a_blocked_loop_holds_nobody_up_for_long(home: Path) -> None:
    set_limit(Limit(name="db", slots=1))
    blocked = threading.Event()

    async def wait_and_block() -> None:
        waiting = asyncio.create_task(for_async.concurrency("db").__aenter__())
        while waiters(home) < 1:
            await asyncio.sleep(0.01)
        blocked.set()
        time.sleep(STALE_SECONDS + 6)  # noqa: ASYNC251 - a loop that is blocked is the test
        await waiting

    with sync.concurrency("db"):
        loop = threading.Thread(target=asyncio.run, args=(wait_and_block(),))
        loop.start()
        assert blocked.wait(90)
    begun = time.monotonic()
    with sync.concurrency("db", timeout_seconds=20):
        waited = time.monotonic() - begun
    loop.join(30)

    assert waited < STALE_SECONDS + 5.5


def test_a_rate_holds_among_processes(home: Path, start: Start) -> None:
    set_limit(Limit(name="db", slots=2, decay=10))
    code = "for _ in range(5):\n    rate_limit('db'); note(str(time.monotonic()))"
    processes = [start(code) for _ in range(3)]
    exits = [process.wait(90) for process in processes]

    moments = sorted(map(float, lines(home)))
    assert exits == [0] * 3
    assert moments[-1] - moments[0] >= (15 - 2) / 10 - 0.3  # the first may be noted late


def test_many_tasks_that_wait_hand_the_slots_on(home: Path) -> None:
    set_limit(Limit(name="db", slots=2))

    @task
    def use(number: int) -> int:
        with sync.concurrency("db"):
            return number

    @flow
    def many() -> int:
        return sum(use.map(range(200)).result())

    assert many() == sum(range(200))
    assert waiters(home) == 0


def test_the_limit_of_a_tag_holds_among_processes(home: Path, start: Start) -> None:
    set_limit(Limit(name="tag:db", slots=2))
    code = """
from penstock import flow, task

@task(tags=["db"])
def use(x):
    note("+1")
    time.sleep(0.005)
    note("-1")

@flow
def many():
    use.map(range(10)).wait()

many()
"""
    exits = [process.wait(60) for process in [start(code) for _ in range(3)]]

    inside = [0]
    for line in lines(home):
        inside.append(inside[-1] + int(line))
    assert exits == [0] * 3
    assert (len(inside), max(inside), inside[-1]) == (61, 2, 0)
