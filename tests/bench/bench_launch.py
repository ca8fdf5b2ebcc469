"""How soon a run has its Job at ten runs a second, and what an undisturbed run costs in writes."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from tests.bench.figures import Figure, share
from tests.bench.stage import OperatorProcess, api_server, namespace, operator
from tests.bench.watching import watch
from tests.integration.apiserver import Refused
from tests.integration.world import World, eventually

RATE = 10
SECONDS = 30


def main() -> None:
    with api_server() as server, namespace(server, "bench-launch") as world:
        world.create_pool()
        world.create_flow(history={"successfulRuns": 10_000})  # deletions are not measured here
        with operator(world) as process:
            _warm_up(world)
            _measure(world, process)


def _warm_up(world: World) -> None:
    world.create_run("warm-up")
    world.wait_for_job("warm-up-1")
    play(world, "warm-up")
    world.wait_for_state("warm-up", "Completed")


def _measure(world: World, process: OperatorProcess) -> None:
    runs = [f"run-{number}" for number in range(RATE * SECONDS)]
    writes = process.metric("penstock_api_writes_total")
    created: dict[str, float] = {}
    launched: dict[str, float] = {}
    with ThreadPoolExecutor(8) as people, ThreadPoolExecutor(8) as cluster:
        watching = threading.Thread(
            target=_watch_jobs, args=(world, launched, cluster), daemon=True
        )
        watching.start()
        time.sleep(0.5)
        start = time.monotonic()
        for number, run in enumerate(runs):
            time.sleep(max(0.0, start + number / RATE - time.monotonic()))
            people.submit(_create, world, run, created)
        eventually(lambda: launched.keys() >= set(runs), within=60, what="all Jobs exist")
        eventually(lambda: process.metric("penstock_unfinished_runs") == 0, within=60)
    delays = sorted((launched[run] - created[run]) * 1000 for run in runs)
    cost = (process.metric("penstock_api_writes_total") - writes) / len(runs)
    Figure("FlowRun created → Job created, p50 at 10 runs/s", share(delays, 0.5), "ms", 100).print()
    Figure(
        "FlowRun created → Job created, p99 at 10 runs/s", share(delays, 0.99), "ms", 1000
    ).print()
    Figure("operator writes per undisturbed run", cost, "", 4).print()


def _create(world: World, run: str, created: dict[str, float]) -> None:
    created[run] = time.monotonic()
    world.create_run(run)


def _watch_jobs(world: World, launched: dict[str, float], cluster: ThreadPoolExecutor) -> None:
    """Note when each run's Job appears, and play its pod."""
    for event in watch(world.api, world.path("jobs")):
        run = event["object"]["metadata"]["labels"].get("penstock.dev/run")
        if event["type"] == "ADDED" and run is not None and run not in launched:
            launched[run] = time.monotonic()
            with suppress(RuntimeError):  # the measurement is over
                cluster.submit(play, world, run)


def play(world: World, run: str) -> None:
    """Be the job controller, the kubelet and the runner of a run that completes."""
    with suppress(Refused):
        world.start_job(f"{run}-1")
        world.report(run, attempt=1, progress="0/1")
        time.sleep(0.5)
        world.report_outcome(run, attempt=1)
        world.complete_job(f"{run}-1")


if __name__ == "__main__":
    main()
