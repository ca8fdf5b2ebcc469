"""A program that broke a promise is played again, smaller and smaller, while it still does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

from tests.chaos.shrinking import Parts, parts_of, shrunk, without
from tests.chaos.stage import Played, Stage

TIMES = 3
"""How often each smaller program is played: what races does not happen each time."""


def smallest(stage: Stage, broken: Played, *, parallel: int, minutes: float) -> Played | None:
    """Return a play of the smallest program that breaks the same promise on a calm cluster.

    None, if it did not happen again: then it takes faults of the cluster, or more luck.
    """
    promises = _promises(broken)
    numbers = count()
    deadline = time.monotonic() + 60 * minutes
    seen: dict[Parts, Played] = {}

    def play(left_out: Parts) -> bool:
        if time.monotonic() > deadline:
            return False
        program, faults = without(broken.program, broken.faults, left_out)
        named = replace(program, seed=f"{program.seed}-again-{next(numbers)}")
        played = stage.play(named, faults)
        if fails := bool(promises & _promises(played)):
            seen[left_out] = replace(played, left_out=tuple(sorted(left_out)))
        return fails

    with ThreadPoolExecutor(parallel) as pool:

        def which_fail(tried: Sequence[Parts]) -> list[bool]:
            verdicts = list(pool.map(play, [each for each in tried for _ in range(TIMES)]))
            return [any(verdicts[at * TIMES : (at + 1) * TIMES]) for at in range(len(tried))]

        if not any(which_fail([Parts()])):
            return None
        left_out = shrunk(parts_of(broken.program, broken.faults), which_fail=which_fail)
    return seen[left_out]


def _promises(played: Played) -> set[str]:
    return {violation.partition(":")[0] for violation in played.violations}
