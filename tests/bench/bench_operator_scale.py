"""What ten thousand waiting runs cost: memory, idle processor time, and the time of a restart.

At the end they get their Flow and a pool, and the operator is killed while it launches.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tests.bench.figures import Figure
from tests.bench.stage import OperatorProcess, api_server, namespace, operator
from tests.integration.world import World, eventually

RUNS, SLOTS = 10_000, 100
IDLE_SECONDS = 30


def main() -> None:
    with api_server() as server, namespace(server, "bench-scale") as world:
        with ThreadPoolExecutor(16) as people:
            list(people.map(lambda number: world.create_run(f"run-{number}"), range(RUNS)))
        with operator(world) as process:
            _wait_until_all_are_known(process)
        started = time.monotonic()
        with operator(world) as process:
            Figure("operator restart with 10,000 runs", time.monotonic() - started, "s", 20).print()
            _wait_until_all_are_known(process)
            measure_idling(process, what="10,000 runs")
        jobs = len(world.list("jobs"))
        Figure("Jobs of 10,000 waiting runs", jobs, "", 0).print()
        _measure_kill(world)


def _measure_kill(world: World) -> None:
    """End the operator without a word when half of the slots are taken, and start another."""
    world.create_flow()
    world.create_pool(concurrency=SLOTS)
    with operator(world) as process:
        eventually(lambda: len(world.list("jobs")) >= SLOTS / 2, within=300, what="launches")
        process.process.kill()
    with operator(world):
        eventually(lambda: len(world.list("jobs")) >= SLOTS, within=300, what="all slots taken")
        time.sleep(10)  # for Jobs that must not come
        runs = [job["metadata"]["labels"]["penstock.dev/run"] for job in world.list("jobs")]
    name = "Jobs too many after a kill in the middle of launches, of 10,000 runs"
    Figure(name, len(runs) - min(len(set(runs)), SLOTS), "", 0).print()


def _wait_until_all_are_known(process: OperatorProcess) -> None:
    """Wait until each run has been told what it waits for, and nothing is left to do."""
    eventually(lambda: process.metric("penstock_unfinished_runs") == RUNS, within=120)
    wait_until_quiet(process)


def wait_until_quiet(process: OperatorProcess) -> None:
    """Wait until nothing is reconciled any more."""
    eventually(lambda: _is_quiet(process), within=600, what="all runs are reconciled")


def _is_quiet(process: OperatorProcess) -> bool:
    before = process.metric("penstock_reconcile_seconds_count")
    time.sleep(2)
    return process.metric("penstock_reconcile_seconds_count") == before


def measure_idling(process: OperatorProcess, *, what: str) -> None:
    """Print what an operator takes that has nothing to do."""
    time.sleep(60)  # the resync that follows a start is not idling
    eventually(lambda: _is_quiet(process), within=120)
    before = process.cpu_seconds()
    time.sleep(IDLE_SECONDS)
    share = (process.cpu_seconds() - before) / IDLE_SECONDS * 100
    Figure(f"idle processor time with {what}", share, "% of a core", 2).print()
    Figure(f"operator memory with {what}", process.memory_mib(), "MiB", 200).print()


if __name__ == "__main__":
    main()
