"""What must have happened once a program has run: the interpreter that the real one is held to.

It knows no faults. Whatever they were, each attempt of each call that it lists was made, none else,
and the run has ended as it says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.chaos.program import (
    AnswerUpdate,
    AwaitSignal,
    Block,
    Cached,
    Call,
    Caught,
    Child,
    Hold,
    Map,
    MissSignal,
    MissSlot,
    Once,
    Program,
    Sleep,
    Statement,
    SubFlow,
)

Epoch = tuple[int, ...]
"""Which attempt of the flow, of the sub-flow in it, and so on."""
Try = tuple[Epoch, int]
"""Which attempt of a call, in which epoch."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a program does to the world if Penstock keeps its promises."""

    state: str
    calls: dict[str, list[frozenset[Try]]]
    """By step: the attempts of each of its calls."""
    sleeps: dict[str, float]
    """Seconds by name; those that are reached."""
    waits: dict[str, str]
    """Signals by the name of the wait; those that are reached."""
    answers: dict[str, str]
    """The step with whose result an update is answered, by the name of the wait."""
    missed: dict[str, float]
    """Seconds until a signal that does not come is given up."""
    committed: frozenset[str]
    """Steps, as are those below."""
    blocks: tuple[tuple[str, ...], ...]
    """Those that are committed together."""
    undone: frozenset[str]
    children: dict[str, int]
    """How many runs each statement made, by name: one, or one for each attempt if it fails."""
    failing_children: frozenset[str]
    order: tuple[str, ...]
    """Steps that were called in one attempt of their flow only, one after another."""
    once: frozenset[str]
    """Those that may begin once, and may be interrupted."""
    held: frozenset[str]
    """Those that are done with slots of a limit."""


def expected_of(program: Program) -> Expected:
    """Return what the program must have done when it has ended."""
    world = _World()
    try:
        world.flow(program.body, program.retries, epoch=(), scope="main")
    except _Failed:
        state = "Failed"
    else:
        state = "Completed"
    calls: dict[str, list[frozenset[Try]]] = defaultdict(list)
    for (step, _), tries in world.tries.items():
        calls[step].append(frozenset(tries))
    return Expected(
        state=state,
        calls=dict(calls),
        sleeps=world.sleeps,
        waits=world.waits,
        answers=world.answers,
        missed=world.missed,
        committed=frozenset(world.committed),
        blocks=tuple(world.blocks),
        undone=frozenset(world.undone),
        children={name: len(epochs) for name, epochs in world.children.items()},
        failing_children=frozenset(world.failing_children),
        order=() if program.pipelined else _order(world),
        once=frozenset(world.once),
        held=frozenset(world.held),
    )


def _order(world: _World) -> tuple[str, ...]:
    epochs: dict[str, set[Epoch]] = defaultdict(set)
    for (step, _), tries in world.tries.items():
        epochs[step].update(epoch for epoch, _ in tries)
    alone = [step for step, found in epochs.items() if len(found) == 1]
    return tuple(each for each in alone if each not in world.at_once)


class _Failed(Exception):
    """A call has failed for good."""


@dataclass(slots=True)
class _World:
    tries: dict[tuple[str, int], set[Try]] = field(default_factory=lambda: defaultdict(set))
    done: set[tuple[str, int]] = field(default_factory=set)
    finished_flows: set[str] = field(default_factory=set)
    sleeps: dict[str, float] = field(default_factory=dict)
    waits: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    missed: dict[str, float] = field(default_factory=dict)
    committed: set[str] = field(default_factory=set)
    blocks: list[tuple[str, ...]] = field(default_factory=list)
    undone: set[str] = field(default_factory=set)
    once: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    children: dict[str, set[Epoch]] = field(default_factory=lambda: defaultdict(set))
    failing_children: set[str] = field(default_factory=set)
    at_once: set[str] = field(default_factory=set)
    """Steps that run beside others."""

    def flow(self, body: Sequence[Statement], retries: int, *, epoch: Epoch, scope: str) -> None:
        for attempt in range(1, retries + 2):
            try:
                for statement in body:
                    self.statement(statement, (*epoch, attempt))
            except _Failed:
                if attempt > retries:
                    raise
            else:
                self.finished_flows.add(scope)
                return

    def statement(self, statement: Statement, epoch: Epoch) -> None:  # noqa: C901 - a case each
        match statement:
            case Call(step, fails, retries, times, flow_fails):
                failing = retries + 1 if epoch[-1] <= flow_fails else fails
                for occurrence in range(times):
                    self.call(step, occurrence, fails=failing, retries=retries, epoch=epoch)
            case Caught(step, retries):
                with suppress(_Failed):
                    self.call(step, 0, fails=retries + 1, retries=retries, epoch=epoch)
            case Map(step, size, fails):
                for index in range(size):
                    self.at_once.add(f"{step}-{index}")
                    self.call(f"{step}-{index}", 0, fails=index in fails, retries=1, epoch=epoch)
            case Sleep(name, seconds):
                self.sleeps[name] = seconds
            case AwaitSignal(name, signal):
                self.waits[name] = signal
            case AnswerUpdate(name, step):
                self.waits[name] = "ask"
                self.answers[name] = step
                self.call(step, 0, fails=0, retries=0, epoch=epoch)
            case MissSignal(name, seconds) | MissSlot(name, seconds):
                self.missed[name] = seconds
            case SubFlow(name, body, retries):
                if name not in self.finished_flows:
                    self.flow(body, retries, epoch=epoch, scope=name)
            case Once(step):
                self.once.add(step)
            case Child(name, fails):
                self.children[name].add(epoch if fails else ())
                self.failing_children.update([name] if fails else [])
            case Cached(step):
                self.call(step, 0, fails=0, retries=0, epoch=epoch)
            case Hold(where=where):
                self.held.update(statement.steps)
                self.at_once.update(statement.steps if where != "flow" else ())
                for step in statement.steps:
                    self.call(step, 0, fails=0, retries=0, epoch=epoch)
            case Block(_, steps, fails):
                self.block(steps, fails=fails, epoch=epoch)

    def block(self, steps: Sequence[str], *, fails: bool, epoch: Epoch) -> None:
        for step in steps:
            self.call(step, 0, fails=0, retries=0, epoch=epoch)
        (self.undone if fails else self.committed).update(steps)
        self.blocks += () if fails else [tuple(steps)]
        if fails:
            self.done.difference_update((step, 0) for step in steps)

    def call(self, step: str, occurrence: int, *, fails: int, retries: int, epoch: Epoch) -> None:
        if (step, occurrence) in self.done:
            return
        for attempt in range(1, retries + 2):
            self.tries[step, occurrence].add((epoch, attempt))
            if attempt > fails:
                self.done.add((step, occurrence))
                return
        raise _Failed(step)
