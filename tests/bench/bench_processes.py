"""Submitted tasks in warm worker processes, beside a bare warm ``ProcessPoolExecutor``."""

import logging
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from statistics import median

from tests.bench import bodies
from tests.bench.figures import Figure

from penstock import flow, task
from penstock.task_runners import ProcessPoolTaskRunner

ROUNDS = 5
WORKERS = 2
TASKS = 1000

RUNNER = ProcessPoolTaskRunner(max_workers=WORKERS)
echo = task(bodies.echo)
spin = task(bodies.spin)


@flow(task_runner=RUNNER)
def echo_all() -> list[int]:
    return echo.map(range(TASKS)).result()


@flow(task_runner=RUNNER)
def spin_all() -> list[int]:
    return spin.map(range(TASKS)).result()


def main() -> None:
    logging.getLogger("penstock").setLevel(logging.WARNING)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=spawn) as bare:
        for name, ours, theirs in (
            ("empty bodies", echo_all, bodies.echo),
            ("bodies of 1 ms", spin_all, bodies.spin),
        ):
            seconds, bare_seconds = _seconds(ours), _seconds(lambda: _bare(bare, theirs))  # noqa: B023 - called at once
            Figure(
                f"processes, {name}, against a bare pool", seconds / bare_seconds, "x", 2
            ).print()
            print(f"{TASKS} of them: {seconds:.4f} s, in a bare pool {bare_seconds:.4f} s")
    RUNNER.close()


def _bare(pool: ProcessPoolExecutor, body: Callable[[int], int]) -> None:
    for future in [pool.submit(body, value) for value in range(TASKS)]:
        future.result()


def _seconds(run: Callable[[], object]) -> float:
    run()  # the processes start
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return median(taken)


if __name__ == "__main__":
    main()
