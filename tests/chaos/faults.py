"""Faults that strike a run at one of its requests, planned by its seed.

They are counted by requests, not by seconds: so a seed strikes the same place again as far as the
run asks the same again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as the proxy sees it."""

    authorization: str
    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What the server said to a request, and what it was about."""

    asked: Asked
    body: bytes
    began: float
    """When it was sent, by the monotonic clock."""
    status: int | None
    """None if no answer came: it may have been carried out."""

    @property
    def may_be_done(self) -> bool:
        return self.status is None or self.status < 300


@dataclass(frozen=True, slots=True)
class Delay:
    """Forward the request only after this many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Lose:
    """Break the connection without an answer."""

    carried_out: bool


@dataclass(frozen=True, slots=True)
class Spoil:
    """Answer with an error, whatever the server said if it was asked."""

    status: int
    carried_out: bool


@dataclass(frozen=True, slots=True)
class Strike:
    """Do something to whoever asks, before the server is asked or before the answer is given."""

    strike: Callable[[], object]
    afterwards: bool
    deadly: bool = False
    """Whether nobody is left who asks."""


Fault = Delay | Lose | Spoil | Strike


@dataclass(frozen=True, slots=True)
class Planned:
    """The `number`-th request of a run meets `kind`."""

    number: int
    kind: str
    carried_out: bool
    """Whether the server gets it."""
    seconds: float = 0.0

    def __str__(self) -> str:
        when = "after" if self.carried_out else "before"
        lasting = f" for {self.seconds} s" if self.seconds else ""
        return f"{self.kind} {when} request {self.number}{lasting}"


KINDS = (
    *("kill", "kill", "pause", "delete-pod", "cut-off", "zombie", "suspend", "cancel"),
    *("lose", "lose", "delay", "429", "500", "503", "409", "starting"),
)
LASTING = ("pause", "delay", "cut-off", "zombie", "suspend", "starting")
MOST_KILLS = 2
"""Of a run: three crashes in a row that bring nothing new rightly end it."""


def random_faults(seed: str, *, most: int = 6, within: int = 40) -> tuple[Planned, ...]:
    """Return the faults of a seed."""
    rng = Random(f"faults {seed}")
    kills = 0
    planned = {}
    for _ in range(rng.randint(0, most)):
        kind = rng.choice(KINDS)
        kills += kind == "kill"
        if kind == "kill" and kills > MOST_KILLS:
            continue
        seconds = round(rng.uniform(0.2, 6.0), 1) if kind in LASTING else 0.0
        number = rng.randint(1, within)
        planned[number] = Planned(number, kind, rng.random() < 0.5, seconds)
    return tuple(planned[number] for number in sorted(planned))
