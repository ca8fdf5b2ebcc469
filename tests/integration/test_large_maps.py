"""A map over 100,000 elements."""

import subprocess
import sys
import threading

from penstock import flow, task, unmapped

ELEMENTS = 100_000


@task
def big(number: int, seen: set[str]) -> bytes:
    seen.add(threading.current_thread().name + str(threading.get_ident()))
    return bytes(2000)


@task
def size(payload: bytes) -> int:
    return len(payload)


MEASURED = """
import re, threading
from penstock import flow, task

@task
def big(number):
    threads.add(threading.get_ident())
    return bytes(2000)

@flow(log_prints=False)
def fan_out():
    total = 0
    for start in range(0, 100_000, 10_000):
        futures = big.map(range(start, start + 10_000))
        total += sum(len(future.result()) for future in futures)
    return total

threads = set()
def peak():  # not getrusage, which counts what the process had before its exec
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])

before = peak()
total = fan_out()
grown = (peak() - before) // 1024
print(total, len(threads), grown)
"""


def test_100_000_mapped_tasks_start_few_threads_and_their_results_go_when_nobody_has_them() -> None:
    """Prefect 3.8.8: 1,000 tasks of 10 ms took 225 threads, 6.1 seconds and 218 MiB in all."""
    # In a process of its own: the peak of this one is the work of other tests too.
    done = subprocess.run(
        [sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True, timeout=300
    )
    total, threads, grown = (int(figure) for figure in done.stdout.split())

    assert total == ELEMENTS * 2000
    assert threads <= 32
    assert grown < 120, f"{grown} MiB: all results together are {total / 2**20:.0f} MiB"


def test_one_map_of_100_000_runs_on_a_bounded_number_of_threads() -> None:
    threads: set[str] = set()

    @flow
    def fan_out() -> int:
        return sum(size.map(big.map(range(ELEMENTS), seen=unmapped(threads))).result())

    assert fan_out() == ELEMENTS * 2000
    assert len(threads) <= 32
