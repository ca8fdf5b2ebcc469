"""What a benchmark prints: one figure a line, comparable between machines and releases.

A benchmark is a module ``tests/bench/bench_*.py`` that prints figures when it is run.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number and the budget that it must keep."""

    name: str
    value: float
    unit: str
    budget: float
    better: Literal["less", "more"] = "less"
    beside: str = ""
    """What does the same work without Penstock, and how long that takes."""

    @property
    def kept(self) -> bool:
        return self.value <= self.budget if self.better == "less" else self.value >= self.budget

    @property
    def demand(self) -> str:
        sign = "<" if self.better == "less" else ">"
        return f"{sign} {self.budget:g} {self.unit}"

    def print(self) -> None:
        print(json.dumps(asdict(self)), flush=True)


def read_figures(lines: Iterable[str]) -> list[Figure]:
    """Read what a benchmark printed; its other lines are remarks."""
    return [Figure(**json.loads(line)) for line in lines if line.startswith('{"name"')]


def share(ordered: list[float], part: float) -> float:
    """Return the value below which a part of all lies: half of them for the median."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
