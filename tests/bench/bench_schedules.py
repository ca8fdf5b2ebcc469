"""How late ten thousand Schedules are, and what they cost.

Spread: each is due every quarter of an hour, so that 11 runs are due each second; first after a
start of the operator, while it looks at all of them and compares its caches, then when that is
over. At once: a thousand of them are due in one second, which the operator's own limit of writes
spreads. The runs wait in a pool without slots: what a launch costs is measured elsewhere.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.bench.figures import Figure, share
from tests.bench.stage import OperatorProcess, api_server, namespace, operator
from tests.bench.watching import watch
from tests.integration.world import World, eventually

from penstock_operator.reconcile.names import MOMENT_ANNOTATION, SCHEDULE_LABEL

SCHEDULES, AT_ONCE = 10_000, 1_000
MINUTES = 15
"""Each Schedule is due once in so many."""
STARTING_SECONDS, STEADY_SECONDS = 60, 120
"""The first looks at all, and the first resync, are over after less than a minute."""


def main() -> None:
    with api_server() as server, namespace(server, "bench-schedules") as world:
        world.create_pool(concurrency=0)
        world.create_flow()
        with ThreadPoolExecutor(16) as people:
            list(people.map(lambda number: _create(world, number), range(SCHEDULES)))
        with operator(world) as process:
            _wait_until_all_are_known(process)
        began = time.monotonic()
        with operator(world) as process:
            seconds = time.monotonic() - began
            Figure("operator restart with 10,000 Schedules", seconds, "s", 20).print()
            ticks = Ticks.followed(world)
            _measure_spread(ticks, when="after a start", seconds=STARTING_SECONDS)
            with _measured_process(process):
                _measure_spread(ticks, when="steady", seconds=STEADY_SECONDS)
            _measure_at_once(ticks, world)


@dataclass(slots=True)
class Ticks:
    """The runs that Schedules made: when each was due, and when a watch showed it."""

    seen: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    """The Schedule, the moment, and when its run was there."""

    @classmethod
    def followed(cls, world: World) -> Ticks:
        ticks = cls()
        threading.Thread(target=ticks._follow, args=(world,), daemon=True).start()
        return ticks

    def between(self, begin: datetime, end: datetime) -> list[float]:
        """Return by how many ms those were late that were due then, in order."""
        late = [now - due for _, due, now in list(self.seen) if begin <= due < end]
        return sorted(each / timedelta(milliseconds=1) for each in late)

    def _follow(self, world: World) -> None:
        for event in watch(world.api, world.path("flowruns")):
            if event["type"] == "ADDED":
                meta = event["object"]["metadata"]
                due = datetime.fromisoformat(meta["annotations"][MOMENT_ANNOTATION])
                self.seen.append((meta["labels"][SCHEDULE_LABEL], due, datetime.now(UTC)))


def _create(world: World, number: int) -> None:
    second, minute = number % 60, number // 60 % MINUTES
    spec = {"flowRef": {"name": "daily"}, "cron": f"{second} {minute}-59/{MINUTES} * * * *"}
    world.create("schedules", "Schedule", f"schedule-{number}", spec)


def _wait_until_all_are_known(process: OperatorProcess) -> None:
    """Wait until each Schedule has been told its next moments."""
    written = lambda: process.metric("penstock_api_writes_total", resource="schedules/status")  # noqa: E731
    eventually(lambda: written() >= SCHEDULES, within=900, what="all Schedules are known")


def _measure_spread(ticks: Ticks, *, when: str, seconds: int) -> None:
    begin = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    end = begin + timedelta(seconds=seconds)
    time.sleep(seconds)
    runs = _due_since(begin, seconds=seconds)
    eventually(lambda: len(ticks.between(begin, end)) >= runs, within=600, what=f"{runs} runs")
    late = ticks.between(begin, end)
    assert len(late) == runs, "each moment has one run"
    name, beside = "Schedule's moment → FlowRun", f"{runs / seconds:.1f} runs a second"
    Figure(f"{name}, p50, {when}", share(late, 0.5), "ms", 1000, beside=beside).print()
    Figure(f"{name}, p99, {when}", share(late, 0.99), "ms", 1000).print()


@contextmanager
def _measured_process(process: OperatorProcess) -> Iterator[None]:
    began, cpu = time.monotonic(), process.cpu_seconds()
    yield
    busy = (process.cpu_seconds() - cpu) / (time.monotonic() - began) * 100
    Figure("processor time with 10,000 Schedules", busy, "% of a core", 50).print()
    Figure("operator memory with 10,000 Schedules", process.memory_mib(), "MiB", 200).print()


def _due_since(begin: datetime, *, seconds: int) -> int:
    """Count the moments of the time that is measured."""
    period = MINUTES * 60
    start = int(begin.timestamp()) % period
    return sum((number - start) % period < seconds for number in range(SCHEDULES))


def _measure_at_once(ticks: Ticks, world: World) -> None:
    due = (datetime.now(UTC) + timedelta(seconds=100)).replace(second=0, microsecond=0)
    names = {f"schedule-{number}" for number in range(AT_ONCE)}
    change = {"cron": f"{due:%M %H} * * *"}
    with ThreadPoolExecutor(16) as people:
        list(people.map(lambda name: world.change("schedules", name, change), names))
    assert datetime.now(UTC) < due, "the machine is too slow for this"

    def made() -> list[float]:
        seen = list(ticks.seen)
        late = [now - at for schedule, at, now in seen if at == due and schedule in names]
        return sorted(each.total_seconds() for each in late)

    eventually(lambda: len(made()) >= AT_ONCE, within=300, what="all runs of one moment")
    Figure("1,000 Schedules due at once → the last run", made()[-1], "s", 15).print()


if __name__ == "__main__":
    main()
