"""A map over 100,000 elements."""

import resource
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


def test_100_000_mapped_tasks_start_few_threads_and_their_results_go_when_nobody_has_them() -> None:
    """Prefect: ``max_workers`` is ``sys.maxsize`` by default: a thread for each task."""
    threads: set[str] = set()
    most = 0

    @flow
    def fan_out() -> int:
        nonlocal most
        total = 0
        for start in range(0, ELEMENTS, 10_000):
            futures = big.map(range(start, start + 10_000), seen=unmapped(threads))
            total += sum(len(future.result()) for future in futures)
            most = max(most, threading.active_count())
        return total

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    total = fan_out()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024

    assert total == ELEMENTS * 2000
    assert len(threads) <= 32
    assert grown < 120, f"{grown:.0f} MiB: all results together are {total / 2**20:.0f} MiB"


def test_one_map_of_100_000_runs_on_a_bounded_number_of_threads() -> None:
    threads: set[str] = set()

    @flow
    def fan_out() -> int:
        return sum(size.map(big.map(range(ELEMENTS), seen=unmapped(threads))).result())

    assert fan_out() == ELEMENTS * 2000
    assert len(threads) <= 32
