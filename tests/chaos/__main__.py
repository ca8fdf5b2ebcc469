"""Plays programs for some minutes: `make chaos MINUTES=10 SEED=7`. Exits with 1 at a violation."""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack
from itertools import chain
from pathlib import Path

from tests.chaos.emulated import emulated_stage
from tests.chaos.faults import random_faults
from tests.chaos.nemesis import Nemesis
from tests.chaos.program import random_program
from tests.chaos.real import real_stage
from tests.chaos.report import counts, told
from tests.chaos.reproducing import smallest
from tests.chaos.shrinking import without
from tests.chaos.stage import Played, Stage
from tests.chaos.sweep import KINDS, swept

PROGRESS_SECONDS = 10.0


def main(arguments: list[str]) -> int:
    """Play, tell, and return the exit code."""
    options = _parser().parse_args(arguments)
    seed = options.program.partition("-")[0] if options.program else options.seed
    print(f"chaos: seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="penstock-chaos-") as folder, ExitStack() as stack:
        stage = stack.enter_context(_setting(options, seed, Path(folder)))
        if options.sweep:
            return _sweep(stage, options)
        nemesis = None
        if not options.calm:
            nemesis = stack.enter_context(Nemesis(stage, seed=seed, strikes=options.strikes))
        return _play(stage, nemesis, options=options, seeds=_seeds(options, seed))


def _setting(options: argparse.Namespace, seed: str, folder: Path) -> AbstractContextManager[Stage]:
    if options.real:
        return real_stage(seed, folder)
    wrong = not (options.calm or options.sweep)
    return emulated_stage(seed, folder, in_store=options.store, clocks_are_wrong=wrong)


def _play(
    stage: Stage,
    nemesis: Nemesis | None,
    *,
    options: argparse.Namespace,
    seeds: Iterator[str],
) -> int:
    began = told_at = time.monotonic()
    command = "make chaos REAL=1" if options.real else "make chaos"
    parallel = options.parallel or (4 if options.real else 16)
    deadline = began + 60 * options.minutes
    playing: set[Future[Played]] = set()
    broken: list[Played] = []
    played = violations = 0
    with ThreadPoolExecutor(parallel) as pool:
        while True:
            while time.monotonic() < deadline and len(playing) < parallel:
                if (each := next(seeds, None)) is None:
                    deadline = 0.0
                    break
                left = without(random_program(each), random_faults(each), options.without)
                playing.add(pool.submit(stage.play, *left))
            if not playing:
                break
            done, playing = wait(playing, timeout=1, return_when=FIRST_COMPLETED)
            for future in done:
                played += 1
                violations += _judge(future.result(), nemesis, command=command)
                broken += [future.result()] if future.result().violations else []
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
    if broken and not (options.without or options.real):
        _shrink(stage, broken[0], options=options)
    return 1 if violations else 0


def _shrink(stage: Stage, broken: Played, *, options: argparse.Namespace) -> None:
    print(f"chaos: looking for less than {broken.program.seed} that breaks the same", flush=True)
    least = smallest(stage, broken, parallel=options.parallel or 16, minutes=options.shrink_minutes)
    if least is None:
        print("chaos: on a calm cluster it did not happen again", flush=True)
        return
    command = f"make chaos PROGRAM={broken.program.seed} ARGS='--calm"
    command += f" --without {','.join(least.left_out)}'" if least.left_out else "'"
    print(told(least, nemesis=(), command=command), flush=True)


def _sweep(stage: Stage, options: argparse.Namespace) -> int:
    kinds = KINDS if options.sweep == "all" else (options.sweep,)
    parallel = options.parallel or 12
    began = time.monotonic()
    violations = number = 0
    sweeps = (swept(stage, kind=kind, every=options.every, parallel=parallel) for kind in kinds)
    for played in chain.from_iterable(sweeps):
        number += 1
        violations += _judge(played, None, command="make chaos")
        if number % 10 == 0:
            _tell(number, violations, stage, time.monotonic() - began)
    _tell(number, violations, stage, time.monotonic() - began)
    return 1 if violations else 0


def _judge(played: Played, nemesis: Nemesis | None, *, command: str) -> int:
    if not played.violations:
        return 0
    began = time.monotonic() - played.seconds
    history = nemesis.since(began) if nemesis else []
    again = f"{command} PROGRAM={played.program.seed}"
    print(told(played, nemesis=history, command=again), flush=True)
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
    add("--without", type=_names, default=(), metavar="PARTS", help="leave out, as s0,s3,f1")
    add("--shrink-minutes", type=float, default=3.0, help="to make less of what fails (default: 3)")
    add(
        "--sweep",
        nargs="?",
        const="kill",
        choices=(*KINDS, "all"),
        help="strike one flow with everything at each of its requests (default: kill)",
    )
    add("--every", type=int, default=1, metavar="N", help="of a sweep: at each N-th request only")
    add("--parallel", type=int, help="programs at a time (default: 16; 4 with --real)")
    add("--real", action="store_true", help="play on a development cluster, in containers")
    add("--calm", action="store_true", help="leave the cluster alone; strike runs only")
    add("--strikes", type=_names, default=(), metavar="KINDS", help="of the cluster, those alone")
    add("--store", action="store_true", help="keep journals on a volume, not in JournalSegments")
    add("--keep-going", action="store_true", help="do not stop at the first violation")
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
