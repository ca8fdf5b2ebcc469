"""Plays programs for some minutes: `make chaos MINUTES=10 SEED=7`. Exits with 1 at a violation."""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from tests.chaos.emulated import emulated_stage
from tests.chaos.faults import random_faults
from tests.chaos.nemesis import Nemesis
from tests.chaos.program import random_program
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
        wrong = not (options.calm or options.sweep)
        setting = emulated_stage(seed, Path(folder), in_store=options.store, clocks_are_wrong=wrong)
        stage = stack.enter_context(setting)
        if options.sweep:
            return _sweep(stage, KINDS if options.sweep == "all" else (options.sweep,))
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
    broken: list[Played] = []
    played = violations = 0
    with ThreadPoolExecutor(options.parallel) as pool:
        while True:
            while time.monotonic() < deadline and len(playing) < options.parallel:
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
                violations += _judge(future.result(), nemesis)
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
    if broken and not options.without:
        _shrink(stage, broken[0], options=options)
    return 1 if violations else 0


def _shrink(stage: Stage, broken: Played, *, options: argparse.Namespace) -> None:
    print(f"chaos: looking for less than {broken.program.seed} that breaks the same", flush=True)
    minutes, parallel = options.shrink_minutes, options.parallel
    least = smallest(stage, broken, parallel=parallel, minutes=minutes)
    if least is None:
        print("chaos: on a calm cluster it did not happen again", flush=True)
        return
    command = f"make chaos PROGRAM={broken.program.seed} ARGS='--calm"
    command += f" --without {','.join(least.left_out)}'" if least.left_out else "'"
    print(told(least, nemesis=(), command=command), flush=True)


def _sweep(stage: Stage, kinds: Sequence[str]) -> int:
    began = time.monotonic()
    violations = number = 0
    for played in chain.from_iterable(swept(stage, kind=kind) for kind in kinds):
        number += 1
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
    add("--without", type=_names, default=(), metavar="PARTS", help="leave out, as s0,s3,f1")
    add("--shrink-minutes", type=float, default=3.0, help="to make less of what fails (default: 3)")
    add(
        "--sweep",
        nargs="?",
        const="kill",
        choices=(*KINDS, "all"),
        help="strike one flow with everything at each of its requests (default: kill)",
    )
    add("--parallel", type=int, default=16, help="programs at a time (default: 16)")
    add("--calm", action="store_true", help="leave the cluster alone; strike runs only")
    add("--store", action="store_true", help="keep journals on a volume, not in JournalSegments")
    add("--keep-going", action="store_true", help="do not stop at the first violation")
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
