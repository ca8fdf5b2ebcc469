"""Plays programs for some minutes: `make chaos MINUTES=10 SEED=7`. Exits with 1 at a violation."""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.faults import random_faults
from tests.chaos.nemesis import Nemesis
from tests.chaos.operators import SKEWS
from tests.chaos.program import random_program
from tests.chaos.report import counts, told
from tests.chaos.stage import Played, Stage
from tests.chaos.sweep import swept

PROGRESS_SECONDS = 10.0


def main(arguments: list[str]) -> int:
    """Play, tell, and return the exit code."""
    options = _parser().parse_args(arguments)
    seed = options.program.partition("-")[0] if options.program else options.seed
    print(f"chaos: seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="penstock-chaos-") as folder, ExitStack() as stack:
        skews = (0,) if options.calm or options.sweep else SKEWS
        setting = Stage.set(seed, Path(folder), in_store=options.store, skews=skews)
        stage = stack.enter_context(setting)
        if options.sweep:
            return _sweep(stage)
        nemesis = stack.enter_context(Nemesis(stage, seed=seed)) if not options.calm else None
        return _play(stage, nemesis, options=options, seeds=_seeds(options, seed))


def _play(
    stage: Stage,
    nemesis: Nemesis | None,
    *,
    options: argparse.Namespace,
    seeds: Iterator[str],
) -> int:
    began = told_at = time.monotonic()
    deadline = began + 60 * options.minutes
    playing: set[Future[Played]] = set()
    played = violations = 0
    with ThreadPoolExecutor(options.parallel) as pool:
        while True:
            while time.monotonic() < deadline and len(playing) < options.parallel:
                if (each := next(seeds, None)) is None:
                    deadline = 0.0
                    break
                playing.add(pool.submit(stage.play, random_program(each), random_faults(each)))
            if not playing:
                break
            done, playing = wait(playing, timeout=1, return_when=FIRST_COMPLETED)
            for future in done:
                played += 1
                violations += _judge(future.result(), nemesis)
            if violations and not options.keep_going:
                deadline = 0.0
            if time.monotonic() >= deadline and nemesis is not None:
                nemesis.stop()  # what is still playing is to come to its end
            if time.monotonic() - told_at > PROGRESS_SECONDS:
                told_at = time.monotonic()
                _tell(played, violations, stage, told_at - began)
    for error in nemesis.errors if nemesis is not None else ():
        print(f"chaos: a fault could not be made: {error}")
    _tell(played, violations, stage, time.monotonic() - began)
    return 1 if violations else 0


def _sweep(stage: Stage) -> int:
    began = time.monotonic()
    violations = 0
    for number, played in enumerate(swept(stage), start=1):
        violations += _judge(played, None)
        if number % 10 == 0:
            _tell(number, violations, stage, time.monotonic() - began)
    _tell(number, violations, stage, time.monotonic() - began)
    return 1 if violations else 0


def _judge(played: Played, nemesis: Nemesis | None) -> int:
    if not played.violations:
        return 0
    began = time.monotonic() - played.seconds
    history = nemesis.since(began) if nemesis else []
    command = f"make chaos PROGRAM={played.program.seed}"
    print(told(played, nemesis=history, command=command), flush=True)
    return len(played.violations)


def _tell(played: int, violations: int, stage: Stage, seconds: float) -> None:
    total = sum(stage.faults.values())
    print(
        f"chaos: {seconds:4.0f} s, {played} programs, {total} faults ({counts(stage.faults)}), "
        f"{violations} violations",
        flush=True,
    )


def _seeds(options: argparse.Namespace, seed: str) -> Iterator[str]:
    if options.program:
        yield from [options.program]
        return
    number = 0
    while True:
        yield f"{seed}-{number}"
        number += 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    add = parser.add_argument
    add("--minutes", type=float, default=1.0, help="how long programs are begun (default: 1)")
    add("--seed", default=secrets.token_hex(2), help="of programs and faults (default: a new one)")
    add("--program", default="", metavar="SEED-N", help="play this program alone, once")
    add("--sweep", action="store_true", help="kill one flow with everything at each request")
    add("--parallel", type=int, default=16, help="programs at a time (default: 16)")
    add("--calm", action="store_true", help="leave the cluster alone; strike runs only")
    add("--store", action="store_true", help="keep journals on a volume, not in JournalSegments")
    add("--keep-going", action="store_true", help="do not stop at the first violation")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
