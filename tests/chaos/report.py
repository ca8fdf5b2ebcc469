"""What a person is told: counts while it runs, and of a violation all that it takes to mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.chaos.source import PRELUDE, source_of
from tests.chaos.stage import Played

LAST_LINES = 60


def counts(faults: Counter[str]) -> str:
    """Return how often each kind of fault has struck."""
    return ", ".join(f"{kind} {number}" for kind, number in sorted(faults.items())) or "none"


def told(played: Played, *, nemesis: Sequence[str], command: str) -> str:
    """Return the seed, the program, what struck it, what happened, and how to repeat it."""
    seed = played.program.seed
    blocks = {
        f"VIOLATION in program {seed}, after {played.seconds:.1f} s": played.violations,
        "Program (tests/chaos/source.py has what stands above it)": [
            source_of(played.program)[len(PRELUDE) :].strip()
        ],
        "Faults planned for it": [str(each) for each in played.faults] or ["none"],
        "Faults that struck it": played.struck or ["none"],
        "Faults of the cluster meanwhile": nemesis or ["none"],
        "What happened": [str(fact) for fact in played.facts],
        "Logs of its pods": played.logs.splitlines()[-LAST_LINES:],
        "To repeat it (faults of the cluster strike at other moments)": [command],
    }
    return "\n\n".join(
        "\n".join((f"== {title}", *(f"   {line}" for line in lines)))
        for title, lines in blocks.items()
    )
