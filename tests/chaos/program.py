"""Random flows as data: what a seed stands for.

A program is a tree of statements. `source` compiles it to a Python file, which the real runner
runs; `model` interprets it, and says what must have happened in the end. The same seed makes the
same program, whatever runs it; only the moments at which faults strike differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Literal


@dataclass(frozen=True, slots=True)
class Call:
    """Call a task `times` times with equal arguments, one after the other.

    Each call fails in its first `fails` attempts of `retries + 1`, and as long as the flow around
    it is in one of its first `flow_fails` attempts.
    """

    step: str
    fails: int = 0
    retries: int = 0
    times: int = 1
    flow_fails: int = 0


@dataclass(frozen=True, slots=True)
class Caught:
    """Call a task that fails for good, and go on."""

    step: str
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Map:
    """Map a task over `size` elements at once; those in `fails` fail once and are retried."""

    step: str
    size: int
    fails: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Sleep:
    """Sleep for `seconds`."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class AwaitSignal:
    """Wait for a signal that somebody sends."""

    name: str
    signal: str


@dataclass(frozen=True, slots=True)
class AnswerUpdate:
    """Wait for an update that somebody sends, do the step, and answer with what it did."""

    name: str
    step: str


@dataclass(frozen=True, slots=True)
class MissSignal:
    """Wait for a signal that nobody sends, until the time is over."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class MissSlot:
    """Wait for a slot of a limit that has none, until the time is over."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SubFlow:
    """Call a flow."""

    name: str
    body: tuple[Statement, ...]
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """Call tasks in a transaction, which commits or fails as a whole; the failure is caught."""

    name: str
    steps: tuple[str, ...]
    fails: bool = False


@dataclass(frozen=True, slots=True)
class Once:
    """Call a task that begins at most once; that it was interrupted is caught."""

    step: str


@dataclass(frozen=True, slots=True)
class Cached:
    """Call a cached task twice with equal arguments: the second call takes the first's result."""

    step: str


@dataclass(frozen=True, slots=True)
class Child:
    """Run another flow as a run of its own, and wait for it; its failure is caught."""

    name: str
    fails: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Do steps with slots of a ConcurrencyLimit, for which other programs contend.

    `where` says what holds them: the flow, as it calls a task and sleeps (`seconds`); the bodies
    of tasks that are mapped; or those tasks by their tag.
    """

    step: str
    limit: str
    slots: int = 1
    where: Literal["flow", "body", "tag"] = "flow"
    size: int = 1
    seconds: float = 0.0
    timed: bool = False
    """Whether the flow says for how long it waits, though that is longer than it ever has to."""

    @property
    def steps(self) -> tuple[str, ...]:
        """Those that are done with slots, each with its own."""
        return tuple(f"{self.step}-{index}" for index in range(self.size))


Statement = (
    Call
    | Caught
    | Map
    | Sleep
    | AwaitSignal
    | AnswerUpdate
    | MissSignal
    | MissSlot
    | SubFlow
    | Block
    | Once
    | Cached
    | Child
    | Hold
)


@dataclass(frozen=True, slots=True)
class Program:
    """A flow, and the seed from which it came."""

    seed: str
    body: tuple[Statement, ...]
    retries: int = 0
    pipelined: bool = False
    """Whether the flow may run ahead of its journal."""


def random_program(seed: str) -> Program:
    """Return the program of a seed."""
    rng = Random(seed)
    retries = rng.choice((0, 0, 1, 2))
    author = _Author(rng)
    body = author.body(rng.randint(3, 6), depth=0)
    doomed = rng.random()
    if retries and doomed < 0.7:
        body = author.with_failing_attempts(body, rng.randint(1, retries))
    elif doomed < 0.15:
        body = author.with_failing_attempts(body, retries + 1)
    return Program(seed, body, retries, pipelined=rng.random() < 0.2)


class _Author:
    """Draws statements; every step has a name of its own."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._numbers = count()

    def body(self, length: int, *, depth: int) -> tuple[Statement, ...]:
        return tuple(self._statement(depth=depth) for _ in range(length))

    def with_failing_attempts(
        self, body: tuple[Statement, ...], attempts: int
    ) -> tuple[Statement, ...]:
        """Put a call somewhere that lets so many attempts of the flow fail."""
        place = self._rng.randint(0, len(body))
        return (*body[:place], Call(self._name("f"), flow_fails=attempts), *body[place:])

    def _name(self, letter: str) -> str:
        return f"{letter}{next(self._numbers)}"

    def _statement(self, *, depth: int) -> Statement:  # noqa: C901 - a case each
        rng = self._rng
        match rng.choice(_KINDS if depth < 2 else _LEAVES):
            case "call":
                retries = rng.choice((0, 1, 2))
                fails, times = rng.randint(0, retries), rng.choice((1, 1, 1, 2, 3))
                return Call(self._name("c"), fails, retries, times)
            case "caught":
                return Caught(self._name("x"), rng.choice((0, 1)))
            case "map":
                size = rng.randint(2, 6)
                fails = tuple(each for each in range(size) if rng.random() < 0.2)
                return Map(self._name("m"), size, fails)
            case "sleep":
                return Sleep(self._name("s"), round(rng.uniform(0.2, 3.0), 1))
            case "signal":
                return AwaitSignal(self._name("w"), rng.choice(("go", "stop")))
            case "update":
                return AnswerUpdate(self._name("u"), self._name("a"))
            case "miss":
                return MissSignal(self._name("n"), round(rng.uniform(0.3, 2.0), 1))
            case "miss-slot":
                return MissSlot(self._name("n"), round(rng.uniform(0.3, 2.0), 1))
            case "child":
                return Child(self._name("k"), fails=rng.random() < 0.3)
            case "once":
                return Once(self._name("o"))
            case "cached":
                return Cached(self._name("h"))
            case "hold":
                return self._hold()
            case "block":
                steps = tuple(self._name("b") for _ in range(rng.randint(1, 3)))
                return Block(self._name("t"), steps, fails=rng.random() < 0.5)
        retries = rng.choice((0, 0, 1))
        name = self._name("sub")
        body = self.body(rng.randint(1, 3), depth=depth + 1)
        if retries:
            body = self.with_failing_attempts(body, 1)
        return SubFlow(name, body, retries)

    def _hold(self) -> Hold:
        rng = self._rng
        match rng.choice(("flow", "flow", "body", "tag")):
            case "flow":
                slots, seconds = rng.choice((1, 2)), rng.choice((0.0, 0.0, 1.0))
                timed = rng.random() < 0.5
                return Hold(self._name("g"), "shared", slots, seconds=seconds, timed=timed)
            case "body":
                slots, size = rng.choice((1, 1, 2)), rng.randint(1, 4)
                return Hold(self._name("g"), "shared", slots, "body", size)
        return Hold(self._name("g"), "tagged", 1, "tag", rng.randint(1, 4))


_LEAVES = (
    *("call", "call", "call", "call", "map", "map", "sleep", "sleep"),
    *("caught", "signal", "update", "miss", "block", "once", "cached", "child"),
    *("hold", "hold", "miss-slot"),
)
_KINDS = (*_LEAVES, "sub", "sub")
