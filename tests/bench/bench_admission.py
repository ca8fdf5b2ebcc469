"""Ten thousand runs submitted at once into a pool of ten slots: what that does to everybody else.

The next run's Job has to follow a slot that comes free, while the others are told that they wait
and afterwards; the operator's writes stay within their rate, and the API server answers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from tests.bench.figures import Figure, share
from tests.bench.stage import OperatorProcess, api_server, namespace, operator
from tests.bench.watching import watch
from tests.integration.apiserver import ApiServer, Refused
from tests.integration.world import World, eventually

RUNS, SLOTS, SUBMITTERS = 10_000, 10, 16
RUN_SECONDS, STEADY_SECONDS, QUIET_SECONDS = 1.0, 30, 5
URGENT_SECONDS = 1.0
"""How often an urgent run comes between."""
WRITES_A_SECOND, WINDOW = 240, 10
"""200 a second, and the part of a burst that those who wait may take, 200."""


def main() -> None:
    with api_server() as server, namespace(server, "bench-admission") as world:
        world.create_pool(concurrency=SLOTS)
        world.create_flow(history={"successfulRuns": RUNS})  # deletions are not measured here
        with operator(world) as process:
            _measure(world, process)


def _measure(world: World, process: OperatorProcess) -> None:
    with _sampled_answers(world) as quiet:
        time.sleep(QUIET_SECONDS)
    pool = PlayedPool(world)
    with pool.played(), _sampled_writes(process) as writes, _sampled_answers(world) as busy:
        began = time.monotonic()
        # In a process of their own: their threads would keep those that measure from running.
        people = get_context("spawn").Process(
            target=_submit, args=(world.api.kubeconfig, world.namespace, RUNS)
        )
        people.start()
        with _repeated(lambda: pool.submit_urgent(), every=URGENT_SECONDS):
            people.join()
        assert people.exitcode == 0
        submitted = time.monotonic()
        eventually(lambda: not _some_know_nothing(world), within=900, what="all have been told")
        told = time.monotonic()
        time.sleep(STEADY_SECONDS)
    during, steady = pool.delays(before=told), pool.delays(after=told)
    name = "slot free → next run's Job"
    Figure(f"{name}, p50, 10,000 waiting", share(steady, 0.5), "ms", 100).print()
    Figure(f"{name}, p99, 10,000 waiting", share(steady, 0.99), "ms", 1000).print()
    Figure(f"{name}, p50, 10,000 being submitted", share(during, 0.5), "ms", 100).print()
    Figure(f"{name}, p99, 10,000 being submitted", share(during, 0.99), "ms", 1000).print()
    urgent = pool.urgent_delays()
    name = "urgent run → its Job, p50, 10,000 being submitted"
    Figure(name, share(urgent, 0.5), "ms", 1000, beside=f"{len(urgent)} of them").print()
    most = max(b - a for a, b in zip(writes, writes[WINDOW:], strict=False)) / WINDOW
    Figure("operator's writes meanwhile, most in 10 s", most, "a second", WRITES_A_SECOND).print()
    beside = f"{share(quiet, 0.99):.3g} ms before"
    Figure(
        "API server's answer meanwhile, p99", share(busy, 0.99), "ms", 1000, beside=beside
    ).print()
    beside = f"submitted within {submitted - began:.0f} s"
    Figure("10,000 runs know what they wait for", told - began, "s", 120, beside=beside).print()


def _submit(kubeconfig: Path, namespace: str, runs: int) -> None:
    world = World(ApiServer.from_kubeconfig(kubeconfig), namespace)
    with ThreadPoolExecutor(SUBMITTERS) as people:
        list(people.map(lambda number: world.create_run(f"run-{number}"), range(runs)))


def _some_know_nothing(world: World) -> bool:
    time.sleep(0.5)
    return bool(world.list("flowruns", fieldSelector="status.state=", limit="1"))


@dataclass(slots=True)
class PlayedPool:
    """The Jobs of a pool, whose pods are played: when each appears, and when each slot is free."""

    world: World
    created: list[float] = field(default_factory=list)
    freed: list[float] = field(default_factory=list)
    urgent: dict[str, float] = field(default_factory=dict)
    """When each was submitted."""
    launched: dict[str, float] = field(default_factory=dict)
    """When the Job of each of them was there."""

    def submit_urgent(self) -> None:
        name = f"urgent-{len(self.urgent)}"
        self.world.create_run(name, priority=100)
        self.urgent[name] = time.monotonic()

    def urgent_delays(self) -> list[float]:
        """Return how long urgent runs waited for their Job, in ms, in order of length."""
        return sorted((self.launched[each] - at) * 1000 for each, at in self.urgent.items())

    def delays(self, *, before: float = float("inf"), after: float = 0.0) -> list[float]:
        """Return how long each slot was empty, in ms, in order of length.

        A slot that comes free leads to one Job: the n-th to the n-th after those of the beginning.
        """
        pairs = zip(sorted(self.freed), sorted(self.created)[SLOTS:], strict=False)
        return sorted((job - free) * 1000 for free, job in pairs if after <= free < before)

    @contextmanager
    def played(self) -> Iterator[None]:
        with ThreadPoolExecutor(2 * SLOTS) as cluster:
            threading.Thread(target=self._follow, args=(cluster,), daemon=True).start()
            time.sleep(0.5)
            yield

    def _follow(self, cluster: ThreadPoolExecutor) -> None:
        seen = set()
        for event in watch(self.world.api, self.world.path("jobs")):
            name = event["object"]["metadata"]["name"]
            if event["type"] == "ADDED" and name not in seen:
                seen.add(name)
                self.created.append(time.monotonic())
                if name.startswith("urgent"):
                    self.launched[name.removesuffix("-1")] = self.created[-1]
                with suppress(RuntimeError):  # the measurement is over
                    cluster.submit(self._play, name.removesuffix("-1"))

    def _play(self, run: str) -> None:
        with suppress(Refused):
            self.world.start_job(f"{run}-1")
            self.world.report(run, attempt=1, progress="0/1")
            time.sleep(RUN_SECONDS)
            self.world.report_outcome(run, attempt=1)
            self.freed.append(time.monotonic())
            self.world.complete_job(f"{run}-1")


@contextmanager
def _sampled_answers(world: World) -> Iterator[list[float]]:
    """Ask the API server for something small ten times a second; the times are in ms."""
    answers: list[float] = []

    def ask() -> None:
        began = time.monotonic()
        world.get("workpools", "default")
        answers.append((time.monotonic() - began) * 1000)

    with _repeated(ask, every=0.1):
        yield answers
    answers.sort()


@contextmanager
def _sampled_writes(process: OperatorProcess) -> Iterator[list[float]]:
    """Count each second what the operator has written so far."""
    counts: list[float] = []
    with _repeated(lambda: counts.append(process.metric("penstock_api_writes_total")), every=1.0):
        yield counts


@contextmanager
def _repeated(act: Callable[[], None], *, every: float) -> Iterator[None]:
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(every):
            act()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    main()
