"""The engine's own cost per task in memory; remarks give a bare executor's on the same work."""

import asyncio
import logging
import resource
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from tests.bench.figures import Figure

from penstock import flow, task

ROUNDS = 7


@task
def echo(value: int) -> int:
    return value


@task
async def echo_async(value: int) -> int:
    return value


@flow
def call(number: int) -> None:
    for value in range(number):
        echo(value)


@flow
def fan_out(number: int) -> list[int]:
    return echo.map(range(number)).result()


@flow
async def gather(number: int) -> list[int]:
    return await asyncio.gather(*(echo_async(value) for value in range(number)))


@flow(retries=1)
def call_journaled(number: int) -> None:
    for value in range(number):
        echo(value)


def main() -> None:
    logging.getLogger("penstock").setLevel(logging.WARNING)
    microseconds = _seconds(lambda: call(1000)) * 1000
    Figure("task call, in memory", microseconds, "µs", 50).print()
    microseconds = _seconds(lambda: call_journaled(1000)) * 1000
    Figure("task call, in a flow with retries", microseconds, "µs", 50).print()
    Figure("1,000 mapped in threads", _seconds(lambda: fan_out(1000)), "s", 0.15).print()
    Figure("1,000 awaited and gathered", _seconds(_gathered), "s", 0.15).print()
    Figure("10,000 mapped in threads", _seconds(lambda: fan_out(10_000), 1), "s", 1.5).print()
    Figure("memory that 10,000 mapped added", _growth(), "MiB", 60).print()
    print(f"bare ThreadPoolExecutor.map of 1,000: {_seconds(_bare):.4f} s")


def _seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    durations = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        durations.append(time.perf_counter() - began)
    return median(durations)


def _gathered() -> None:
    asyncio.run(gather(1000))


def _bare() -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda value: value, range(1000)))


def _growth() -> float:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fan_out(20_000)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 / 2


if __name__ == "__main__":
    main()
