"""The engine's own cost per task in memory, beside a bare executor or loop on the same work."""

import asyncio
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

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
    called = _seconds(lambda: [_same(value) for value in range(1000)]) * 1000
    mapped, mapped_10 = _seconds(lambda: _bare(1000)), _seconds(lambda: _bare(10_000), 3)
    gathered = _seconds(lambda: asyncio.run(_bare_gather(1000)))
    for name, seconds, budget, bare in (
        ("task call, in memory", _seconds(lambda: call(1000)), 50, called),
        ("task call, in a flow with retries", _seconds(lambda: call_journaled(1000)), 50, called),
    ):
        beside = f"a bare call {bare:.2g} µs"
        Figure(name, seconds * 1000, "µs", budget, beside=beside).print()
    for name, seconds, budget, beside in (
        (
            "1,000 mapped in threads",
            _seconds(lambda: fan_out(1000)),
            0.15,
            f"{POOL} {mapped:.3g} s",
        ),
        (
            "10,000 mapped in threads",
            _seconds(lambda: fan_out(10_000), 3),
            1.5,
            f"{POOL} {mapped_10:.3g} s",
        ),
        ("1,000 awaited and gathered", _seconds(_gathered), 0.15, f"a bare loop {gathered:.3g} s"),
    ):
        Figure(name, seconds, "s", budget, beside=beside).print()
    ours, bare = (_growth(which) for which in ("fan_out", "_bare"))
    Figure(
        "memory that 10,000 mapped added", ours, "MiB", 60, beside=f"{POOL} {bare:.3g} MiB"
    ).print()


POOL = "a bare ThreadPoolExecutor"


def _seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    durations = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        durations.append(time.perf_counter() - began)
    return min(durations)  # what other work on the machine has not stretched


def _gathered() -> None:
    asyncio.run(gather(1000))


def _same(value: int) -> int:
    return value


def _bare(number: int) -> list[int]:
    with ThreadPoolExecutor(8) as pool:
        return [each.result() for each in [pool.submit(_same, value) for value in range(number)]]


async def _same_later(value: int) -> int:
    return value


async def _bare_gather(number: int) -> list[int]:
    return await asyncio.gather(*(_same_later(value) for value in range(number)))


def _growth(which: str) -> float:
    """Return the MiB that 10,000 tasks add to a process that has run a hundred."""
    program = (
        "import logging, re\n"
        "from pathlib import Path\n"
        "from tests.bench import bench_engine\n"
        "logging.getLogger('penstock').setLevel(logging.WARNING)\n"
        "def peak():\n"  # what getrusage says begins with the parent's
        "    return int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        f"bench_engine.{which}(100)\n"
        "before = peak()\n"
        f"bench_engine.{which}(10_000)\n"
        "print((peak() - before) / 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
