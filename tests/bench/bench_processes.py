"""Submitted tasks in warm worker processes, beside a bare warm ``ProcessPoolExecutor``."""

import logging
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

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
                f"{TASKS} in processes, {name}, against a bare pool",
                seconds / bare_seconds,
                "x",
                2,
                beside=f"{seconds:.3g} s, a bare ProcessPoolExecutor {bare_seconds:.3g} s",
            ).print()
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
    return min(taken)  # what other work on the machine has not stretched


if __name__ == "__main__":
    main()
