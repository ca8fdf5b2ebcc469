"""Flows that get into trouble on purpose; the tests put this file inline into their Flows."""

import os
import sys
import time
from pathlib import Path

from penstock import concurrency, flow, run_flow, sleep, task, wait_for_update
from penstock.artifacts import create_markdown_artifact
from penstock.events import emit_event

ATTEMPT = int(os.environ.get("PENSTOCK_ATTEMPT", "1"))


@task
def step(number: int, seconds: float) -> int:
    time.sleep(seconds)
    return number


@flow
def steps(count: int = 3, seconds: float = 0.2) -> int:
    """Do one step after the other."""
    return sum(step(number, seconds) for number in range(count))


@flow
def fan_out(count: int = 6, seconds: float = 0.7) -> int:
    """Do all steps at once; each takes longer than the one before."""
    futures = step.map(range(count), [seconds * (number + 1) for number in range(count)])
    return sum(futures.result())


@flow
def long_first_attempt(seconds: float = 300.0) -> int:
    """Wait to be disturbed; be quick once that has happened."""
    pause = 0.1
    return sum(step(number, pause) for number in range(int(seconds / pause) if ATTEMPT == 1 else 3))


@flow
def eat_memory(attempts: int = 99) -> int:
    """Outgrow the memory limit on the first ``attempts`` attempts."""
    step(1, 0.1)
    hoard = []
    while attempts >= ATTEMPT:
        hoard.append(bytearray(os.urandom(1024)) * 8192)
    return len(hoard)


@flow
def leave(code: int, *, politely: bool = False) -> None:
    """End the process without coming back."""
    step(1, 0.1)
    if politely:
        sys.exit(code)
    os._exit(code)


@flow
def fail(message: str) -> None:
    """Raise."""
    step(1, 0.1)
    raise ValueError(message)


@flow
def tidy() -> None:
    """Work for ever, and clean up when told to stop."""
    try:
        for number in range(10_000):
            step(number, 0.2)
    finally:
        print("cleaned up", flush=True)


@task
def describe(count: int) -> None:
    """Leave something to look at."""
    create_markdown_artifact(f"# {count} orders", key="orders")
    emit_event("orders.counted", {"penstock.resource.id": "orders"}, payload={"count": count})


@flow
def leave_records(count: int = 7) -> None:
    """Keep an artifact and an event in the run's record."""
    describe(count)


@task
def attempt_of(number: int, seconds: float = 0.3) -> int:
    """Tell which attempt of the run did the work: its result says so ever after."""
    time.sleep(seconds)
    return ATTEMPT


@flow
def attempts(count: int = 20) -> list[int]:
    return [attempt_of(number) for number in range(count)]


@flow
def exclusive(seconds: float) -> list[float]:
    """Hold a slot for so long; return when it was had and when it was given back."""
    with concurrency("database", strict=True):
        began = time.time()
        step(1, 0)
        step(2, seconds)
        return [began, time.time()]


@task
def large(size: int) -> tuple[int, bytes]:
    """Return more than a journal keeps; nobody can make it up a second time."""
    return ATTEMPT, os.urandom(size)


@flow
def outgrow_the_journal(size: int = 2_000_000) -> list[int]:
    """Die once the large result is there, and read it in the next attempt."""
    attempt, found = large(size)
    if ATTEMPT == 1:
        os._exit(3)
    return [attempt, len(found), ATTEMPT]


@flow
def read_files(paths: list[str]) -> list[str]:
    """Return what those files begin with."""
    return [Path(path).read_text().splitlines()[0] for path in paths]


@flow
def nap(seconds: float = 8) -> list[int]:
    """Work, sleep, and work again."""
    before = attempt_of(1)
    sleep(seconds)
    return [before, attempt_of(2)]


@flow
def limits() -> int:
    """Take the first limit that will do, and say so to whoever sent it."""
    while True:
        with wait_for_update("limit", int) as update:
            if update.payload > 100:
                update.reject(f"{update.payload} is too much.")
                continue
            update.answer({"limit": update.payload})
        return update.payload


@task
def draw() -> str:
    """Say something that nobody can say a second time."""
    print("drawing", flush=True)
    return os.urandom(8).hex()


@flow
def order_work(mended: bool = False) -> str:
    """Let another run do a part, and fail afterwards until somebody has mended it."""
    drawn = draw()
    done = run_flow("steps", {"count": 3, "seconds": 1.5})
    if not mended:
        raise ValueError(f"{drawn} is broken")
    return f"{drawn} and {done}"
