"""What the engine needs of a journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from penstock.engine.identity import CallKey
from penstock.engine.retry import AttemptsUsed
from penstock.states import State

if TYPE_CHECKING:
    from penstock.engine.past import Past
    from penstock.serializers import Serializer

Epoch = Callable[[], str]
"""Tells which attempts of the calls around are going on; failures hold within an epoch only."""


class Journal(Protocol):
    """Keeps what calls came to, by key. Called from many threads at once."""

    @property
    def is_remote(self) -> bool:
        """Whether storing takes milliseconds, so that an event loop must not wait for it."""

    def holds_up(self) -> bool:
        """Tell whether to record a result now takes so long; it may be stored behind the run."""

    def flush(self) -> None:
        """Return once all that was recorded is stored: what follows reaches the world outside."""

    @property
    def past(self) -> Past | None:
        """What earlier launches have recorded, if there were any."""

    @property
    def is_durable(self) -> bool:
        """Whether it outlives the process, or stands in for one that does."""

    def find(
        self, key: CallKey, *, epoch: Epoch, by: Serializer | None = None
    ) -> State[object] | AttemptsUsed | None:
        """Return what the call came to in this run, or how far it got; ``None`` if it is new."""

    def record(
        self,
        key: CallKey,
        *,
        state: State[object],
        epoch: Epoch,
        left: Sequence[object] = (),
        by: Serializer | None = None,
    ) -> State[object]:
        """Store what the call came to; once this returns, the call never runs again (G1).

        With it is stored what it left in the run's record, in JSON's types. ``by`` is what the
        author has chosen for results; without it, what suits them.

        Returns the state as it will be found, its value made of what was stored. Raises
        ``UnstorableValue`` where the value has no stored form: then nothing is kept.
        """

    def left(self, key: CallKey) -> Sequence[object]:
        """Return what a call that was found had left; of the root, what the whole run had."""

    def record_attempt(
        self,
        key: CallKey,
        *,
        used: AttemptsUsed,
        epoch: Epoch,
        beats: Sequence[object] = (),
    ) -> None:
        """Store that an attempt failed and when the next one is due, and how far it came."""

    def deadline(self, key: CallKey, *, due: datetime, epoch: Epoch) -> datetime:
        """Return the moment stored in this epoch for the end of the call; if none is, store it."""

    def due(self, key: CallKey, *, epoch: Epoch) -> datetime | None:
        """Return the moment stored in this epoch, if there is one."""

    def record_beat(self, key: CallKey, *, payload: object) -> None:
        """Store, soon, how far a call is; raise ``UnstorableValue`` if it cannot."""

    def last_beat(self, key: CallKey) -> object:
        """Return how far a call was when that was last stored."""

    def noted(self, key: CallKey) -> object:
        """Return the value that is stored under the key; ``None`` if there is none."""

    def note(self, key: CallKey, *, make: Callable[[], object]) -> object:
        """Return the value that is stored under the key; if there is none, store what is made."""

    def claim(self, key: CallKey) -> None:
        """Note that a call of a task that begins at most once is made under this key."""

    def begin(self, key: CallKey) -> bool:
        """Store that a call begins, at once; tell whether it may: it cannot have begun before."""

    def release(self, key: CallKey) -> None:
        """Keep what a call came to no longer in memory: it is not made again in this process."""

    def forget(self, key: CallKey, *, epoch: Epoch | None = None) -> None:
        """Have the call count as never made, with what is kept beside it (see ``CallKey``).

        With an ``epoch`` it counts as made, and undone, for as long as that lasts.
        """

    def is_undone(self, key: CallKey) -> bool:
        """Tell whether a call that counts as made was undone."""
