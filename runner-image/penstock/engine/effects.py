"""What the core asks of a driver. ``yield from`` an effect evaluates to the driver's answer.

Effects are made at every step of every call, and read once: they do without what freezing costs.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from penstock.engine.ending import Ending
from penstock.engine.hooks import Hook
from penstock.engine.identity import CallKey
from penstock.engine.inputs import Link
from penstock.engine.locking import Lock
from penstock.engine.results import Entry, Results, Slot
from penstock.engine.retry import AttemptsUsed
from penstock.states import State

if TYPE_CHECKING:
    from datetime import datetime

    from penstock.engine.transactions import Transaction

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class Effect(Generic[R_co]):
    """One thing to do; the type parameter is the type of the answer."""

    __slots__ = ()

    def __iter__(self) -> Generator[Effect[object], object, R_co]:
        return cast("R_co", (yield self))


Steps = Generator[Effect[object], object, T]
"""A part of the core: yields effects, is sent answers, returns a ``T``."""


@dataclass(slots=True, eq=False, repr=False)
class Await(Effect[None]):
    """Wait until every one of these is final."""

    links: Sequence[Link]


@dataclass(slots=True, eq=False, repr=False)
class RunBody(Effect[Ending]):
    """Run the body once, with these arguments, for as long as its time-out allows."""

    args: tuple[object, ...]
    kwargs: dict[str, object]


@dataclass(slots=True, eq=False, repr=False)
class AwaitTasks(Effect[None]):
    """Wait until every task that the flow submitted has ended, or these seconds passed."""

    seconds: float | None


class StopTasks(Effect[None]):
    """Let no task of the flow start any more."""

    __slots__ = ()


class CloseTasks(Effect[tuple[BaseException, ...]]):
    """Abandon what still runs and free its threads; the answer is the failures nobody took."""

    __slots__ = ()


@dataclass(slots=True, eq=False, repr=False)
class Ask(Effect[Ending]):
    """Call a function of the author's that is not the body, sync or async."""

    question: Callable[[], object]


@dataclass(slots=True, eq=False, repr=False)
class CallHook(Effect[None]):
    """Call a hook in the run's name, sync or async; what it raises is thrown back."""

    hook: Hook
    state: State[object]


@dataclass(slots=True, eq=False, repr=False)
class Complain(Effect[None]):
    """Write to the run's log that something went wrong which does not fail the run."""

    message: str
    error: BaseException | None = None
    """Whose traceback is of interest."""


@dataclass(frozen=True, slots=True)
class InLine:
    """A wait for slots of a limit that needs no process meanwhile."""

    limit: str
    since: datetime


@dataclass(slots=True, eq=False, repr=False)
class Pause(Effect[None]):
    """Let this many seconds pass; other work may use the thread meanwhile."""

    seconds: float
    early: Callable[[Callable[[], None]], None] | None = None
    """Is given what to call when there is nothing to wait for any more, from any thread."""
    in_line: InLine | None = None
    """Where the run may wait without its process."""


class TakeSlots(Effect["Pause | bool"]):
    """Take a slot of each limit that the task's tags have.

    The answer is whether there are any such limits, or what to wait for before the next try.
    """

    __slots__ = ()


class GiveSlots(Effect[None]):
    """Give the slots of the task's tags back, or wait for them no longer."""

    __slots__ = ()


class Draw(Effect[float]):
    """Draw a random number from [0, 1)."""

    __slots__ = ()


@dataclass(slots=True, eq=False, repr=False)
class Announce(Effect[None]):
    """Make this the state of the run and tell whoever listens."""

    state: State[object]


@dataclass(slots=True, eq=False, repr=False)
class FixDeadline(Effect[None]):
    """Find or store the moment by which the task's attempts must have ended."""

    key: CallKey | None


@dataclass(slots=True, eq=False, repr=False)
class Find(Effect[State[object] | AttemptsUsed | None]):
    """Look the call up in the journal: its final state, how far it came, or nothing."""

    key: CallKey


@dataclass(slots=True, eq=False, repr=False)
class Begin(Effect[bool]):
    """Store that the body is about to run, for the only time; the answer: it may."""

    key: CallKey


@dataclass(slots=True, eq=False, repr=False)
class Record(Effect[State[object]]):
    """Store the call's final state in the journal; the answer is the state as it will be found."""

    key: CallKey
    state: State[object]


@dataclass(slots=True, eq=False, repr=False)
class Lookup(Effect[Entry | None]):
    """Look a result up in a store; what the store raises is thrown back."""

    results: Results
    key: str


@dataclass(slots=True, eq=False, repr=False)
class Keep(Effect[None]):
    """Keep a result in a store; what the store raises is thrown back."""

    results: Results
    key: str
    entry: Entry


@dataclass(slots=True, eq=False, repr=False)
class Hold(Effect[None]):
    """Have a result wait for the commit of a transaction."""

    transaction: Transaction
    slot: Slot
    entry: Entry


@dataclass(slots=True, eq=False, repr=False)
class Acquire(Effect[bool]):
    """Try to get a lock, without waiting for its holder; the answer tells whether it is held."""

    lock: Lock


@dataclass(slots=True, eq=False, repr=False)
class Release(Effect[None]):
    """Let go of a lock."""

    lock: Lock


@dataclass(slots=True, eq=False, repr=False)
class RecordAttempt(Effect[None]):
    """Store in the journal that an attempt failed, before the pause that follows."""

    key: CallKey
    used: AttemptsUsed


@dataclass(slots=True, eq=False, repr=False)
class AwaitStored(Effect[None]):
    """Wait until all that was recorded is stored: what follows reaches the world outside."""


@dataclass(slots=True, eq=False, repr=False)
class Undo(Effect[None]):
    """Store that what the call did was rolled back, if it has a key: made again, it runs again.

    ``in_later_attempts``: in a later attempt of the bodies around it; whoever takes this one up
    again finds what came of the call, for it is on record how this one went on.
    """

    key: CallKey | None
    in_later_attempts: bool


@dataclass(slots=True, eq=False, repr=False)
class IsUndone(Effect[bool]):
    """Ask whether what a call did, whose result was found, has been rolled back since."""

    key: CallKey


@dataclass(slots=True, eq=False, repr=False)
class Within(Effect[object]):
    """Carry an effect out in the name of another part of the run than the one that yields it."""

    part: object
    """A call, or a transaction's block; drivers know which."""
    effect: Effect[object]
