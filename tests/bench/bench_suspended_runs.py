"""What ten thousand runs cost that wait without a pod: memory, processor time, a wake.

Five minutes; the first figure comes after three, when all the runs are there.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.bench.bench_operator_scale import measure_idling, wait_until_quiet
from tests.bench.figures import Figure
from tests.bench.stage import OperatorProcess, api_server, namespace, operator
from tests.integration.world import World, eventually

RUNS, SIGNALS = 10_000, 20


def main() -> None:
    with api_server() as server, namespace(server, "bench-suspended") as world:
        with operator(world):
            world.create_pool()
            world.create_flow()
            code = eventually(lambda: _code_version(world))
        with ThreadPoolExecutor(16) as people:
            list(people.map(lambda number: _create(world, number, code=code), range(RUNS)))
        with operator(world) as process:
            eventually(lambda: process.metric("penstock_suspended_runs") == RUNS, within=60)
            wait_until_quiet(process)
        started = time.monotonic()
        with operator(world) as process:
            seconds = time.monotonic() - started
            Figure("operator restart with 10,000 suspended runs", seconds, "s", 20).print()
            eventually(lambda: process.metric("penstock_suspended_runs") == RUNS, within=60)
            wait_until_quiet(process)
            cpu = process.cpu_seconds()
            Figure("processor time to look at 10,000 suspended runs", cpu, "s", 20).print()
            measure_idling(process, what="10,000 suspended runs")
            Figure("Jobs of 10,000 suspended runs", len(world.list("jobs")), "", 0).print()
            _measure_wakes(world, process)


def _code_version(world: World) -> str | None:
    flow = world.get("flows", "daily") or {}
    version = (flow.get("status") or {}).get("codeVersion")
    return str(version) if version else None


def _create(world: World, number: int, *, code: str) -> None:
    """Make a run that waits for a signal, as its operator and its runner leave it."""
    name = f"run-{number}"
    world.create_run(name)
    now = datetime.now(UTC)
    since, until = now.isoformat(), (now + timedelta(days=7, seconds=number)).isoformat()
    wait = {"kind": "Signal", "name": "approve", "since": since, "until": until}
    status: dict[str, Any] = {
        "observedGeneration": 1,
        "state": "Suspended",
        "reason": "WaitingForSignal",
        "message": "The run waits for the signal approve.",
        "attempt": 1,
        "recoveries": 0,
        "crashes": 0,
        "jobName": f"{name}-1",
        "codeVersion": code,
        "image": "penstock-runner:bench",
        "workPool": "default",
        "startedAt": since,
        "execution": _report(name, wait),
    }
    world.api.merge(world.path("flowruns", name, "status"), {"status": status})


def _report(name: str, suspension: dict[str, str]) -> dict[str, Any]:
    """A report as a flow with some tasks leaves it: about 5 KiB."""
    since = suspension["since"]
    return {
        "protocol": 1,
        "attempt": 1,
        "podName": f"{name}-1-abcde",
        "podUID": name,
        "startedAt": since,
        "progress": "40/50",
        "counts": {"Completed": 40, "Pending": 10},
        "tasks": [{"name": f"task-{n}", "total": 5, "completed": 4} for n in range(20)],
        "recent": [
            {"name": f"task-{n}-1", "state": "Completed", "at": since, "message": "x" * 80}
            for n in range(20)
        ],
        "suspension": suspension,
    }


def _measure_wakes(world: World, process: OperatorProcess) -> None:
    delays = []
    for number in range(SIGNALS):
        sent = time.monotonic()
        world.send(f"run-{number}", "approve", name=f"signal-{number}")
        world.wait_for_job(f"run-{number}-2")
        delays.append(time.monotonic() - sent)
    delays.sort()
    Figure("signal sent → Job created, p50", delays[SIGNALS // 2] * 1000, "ms", 1000).print()
    assert process.metric("penstock_run_wakes_total") == SIGNALS


if __name__ == "__main__":
    main()
