"""Where the slots of one limit are asked for in this process.

A desk knows the limit as it was seen last, what is used here, and who waits here. It says what is
to be written, and takes note of what became of that. All else follows from the object: an answer
that was lost, a hand-over by somebody else, and a slot that was lost are found in it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

from penstock.concurrency.book import Book, Entry, Key, Terms
from penstock.concurrency.leases import Sightings, dead, sight
from penstock.concurrency.ledger import (
    Me,
    Wish,
    bury,
    first_in_line,
    leave,
    renew,
    seconds_until,
    settle,
)

Object = Mapping[str, Any]

NEVER = float("inf")
_TURN = 0.2
"""Seconds that each in line leaves those before it to do what anybody may do."""
_FIRST_PAUSE = 0.01
LONGEST_PAUSE = 2.0
"""Seconds at most before a write is tried again: no longer, or the unlucky would starve."""


@dataclass(eq=False, slots=True)
class Ask:
    """Somebody in this process who wants slots of a limit."""

    wish: Wish
    ring: Callable[[], None]
    """Is called when there is news."""
    is_in_line: bool = False
    """Whether the limit says that this process waits."""
    is_served: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """An object that is to replace the one which was seen."""

    body: Object
    served: Sequence[Ask] = ()
    returned: int = 0


class Desk:
    """What one process knows and wants of one limit; `at` is always seconds of its own clock.

    Any thread asks and gives back, and tells of the object. One alone writes.
    """

    def __init__(self, me: Me, *, random: Random, tell_lost: Callable[[int], None]) -> None:
        self._me = me
        self._tell_lost = tell_lost
        self._random = random
        self._lock = threading.Lock()
        self._object: Object | None = None
        self._terms = Terms(limit=0)
        self._book = Book()
        self._is_read = True
        """Whether the book is that of the object: most of what others do concerns nobody here."""
        self._read_at = 0.0
        self._line: list[Ask] = []
        self._used = 0
        self._returned = 0
        self._lost = 0
        """How many slots are used here that the book does not know of any more."""
        self._seen: Sightings = {}
        self._renewed_at = 0.0
        self._undone_since: float | None = None
        """Since when others could be served and nobody serves them."""
        self._conflicts = 0
        self._not_before = 0.0
        self._refused: Object | None = None
        self._has_news = False

    @property
    def terms(self) -> Terms | None:
        """What the limit says, if there is one."""
        with self._lock:
            return self._terms if self._object is not None else None

    def ask(self, wish: Wish, ring: Callable[[], None]) -> Ask:
        """Stand in line for slots."""
        with self._lock:
            ask = Ask(wish, ring, any(each.is_in_line for each in self._line))
            before = sum(each.wish.overtakes for each in self._line)
            self._line.insert(before if wish.overtakes else len(self._line), ask)
            self._has_news = True
            if self._object is None:
                self._accept([ask], returned=0)
        return ask

    def give_back(self, ask: Ask) -> None:
        """Give slots back, or wait for them no longer."""
        with self._lock:
            self._has_news = True
            if ask in self._line:
                self._line.remove(ask)
            elif not ask.wish.rate:
                slots = min(ask.wish.occupy, self._used)
                self._used, self._returned = self._used - slots, self._returned + slots

    def meet(self, limit: Object | None, *, at: float) -> bool:
        """Take note of what the limit is now, unless something newer is known; None: it is gone.

        Return whether there is something to do.
        """
        with self._lock:
            if limit is None:
                self._object, self._is_read, self._seen = None, True, {}
                self._accept(self._line, returned=0)
                self._used = self._returned = 0
            elif self._object is None or _version(limit) > _version(self._object):
                before, self._object, self._is_read = self._object, limit, False
                self._has_news = self._has_news or self._concerns_us(limit, before)
                if before is None or limit["spec"] != before["spec"]:
                    self._terms = Terms.read(limit["spec"])
                    for ask in self._line[:1]:
                        ask.ring()  # there may be too few slots for it now
            return self._has_news

    def next_write(self, *, at: float, now: datetime) -> Write | None:
        """Let those go on who may; return what has to be written for that, if anything has."""
        with self._lock:
            self._has_news = False
            if self._object is None:
                return None
            self._read(self._object, at=at)
            self._count_lost()
            settled = settle(
                bury(self._book, self._dead(at)),
                self._terms,
                me=self._me,
                used=self._used,
                returned=self._returned,
                line=[ask.wish for ask in self._line],
                now=now,
            )
            served = self._line[: settled.served]
            is_renewed = at >= self._renewal()
            if settled.book == self._book and not is_renewed:
                self._undone_since = None
                self._accept(served, returned=self._returned)
                return None
            is_ours = bool(served) or self._is_ours(settled.book)
            if not (is_renewed or is_ours or self._is_our_turn(at)):
                return None
            until = now + timedelta(seconds=self._terms.lease_seconds)
            book = renew(settled.book, self._me.key, until=until)
            return Write(_replaced(self._object, book), served, self._returned)

    def last_write(self, *, suspended: bool, now: datetime) -> Write | None:
        """Return what has to be written when this process ends."""
        with self._lock:
            if self._object is None:
                return None
            self._read(self._object, at=self._read_at)
            if not _of(self._book, self._me.key):
                return None
            used = self._used + self._returned
            book = leave(
                self._book, self._terms, me=self._me, used=used, suspended=suspended, now=now
            )
            return Write(_replaced(self._object, book))

    def written(self, write: Write, limit: Object, *, at: float) -> None:
        """Take note that a write was carried out."""
        self.meet(limit, at=at)
        with self._lock:
            self._note_place(limit)
            self._conflicts, self._not_before, self._refused = 0, 0.0, None
            self._renewed_at, self._undone_since = at, None
            self._accept(write.served, returned=write.returned)

    def refused(self, write: Write, *, at: float, took: float) -> None:
        """Take note that somebody else wrote before, or that the API server could not.

        Where many write at once, each write takes long, and so do the pauses between tries. Those
        who give slots back go first: who joins the line is in no such hurry.
        """
        with self._lock:
            self._conflicts += 1
            doublings = min(self._conflicts, 1 if write.returned else 8)
            longest = min(LONGEST_PAUSE, max(took, _FIRST_PAUSE) * 2**doublings)
            self._not_before = at + self._random.uniform(0, longest)
            self._refused = write.body
            self._has_news = True

    def is_behind(self) -> bool:
        """Tell whether what is known was out of date at the last write, and still is."""
        with self._lock:
            return (
                self._object is not None
                and self._refused is not None
                and _version(self._object) == _version(self._refused)
            )

    def due(self, *, at: float, now: datetime) -> float:
        """Return when to ask for the next write."""
        with self._lock:
            if self._object is None:
                return NEVER
            if self._has_news:
                return self._not_before
            moments = [self._renewal()]
            if not self._is_read and (self._line or self._used):
                moments.append(self._read_at + self._terms.lease_seconds / 6)
            if self._undone_since is not None:
                moments.append(self._undone_since + self._patience())
            elif self._line:
                others = [seen for key, (_, seen) in self._seen.items() if key != self._me.key]
                silent = min(others, default=NEVER) + self._terms.lease_seconds
                moments.append(silent + self._patience())
            head = first_in_line(self._book, self._terms)
            if head is not None and head.rate and head.key == self._me.key:
                moments.append(at + seconds_until(head.occupy, self._book, self._terms, now=now))
            return max(self._not_before, min(moments))

    def _note_place(self, limit: Object) -> None:
        """Tell those who wait, once, that the limit says so: they may leave their pod then."""
        if any(map(self._is_me, (limit.get("status") or {}).get("waiting") or ())):
            for ask in self._line:
                if not ask.is_in_line:
                    ask.is_in_line = True
                    ask.ring()

    def _concerns_us(self, limit: Object, before: Object | None) -> bool:
        """Tell, without reading all of it, whether a change may let somebody here go on."""
        if before is None or limit["spec"] != before["spec"] or not (self._line or self._used):
            return True
        status = limit.get("status") or {}
        waiting, most = status.get("waiting") or (), self._terms.limit
        able = (e for e in waiting if not e.get("yields") and e["occupy"] <= most)
        is_first = any(map(self._is_me, islice(able, 1)))
        holders = status.get("holders") or ()
        held = sum(entry["occupy"] for entry in holders if self._is_me(entry))
        return is_first or bool(held != self._used)

    def _is_me(self, entry: Object) -> bool:
        return bool(entry["process"] == self._me.process and entry["uid"] == self._me.uid)

    def _read(self, limit: Object, *, at: float) -> None:
        if not self._is_read:
            self._book = Book.read(limit.get("status") or {})
            self._seen = sight(self._book, self._seen, at=at)
            self._is_read, self._read_at = True, at

    def _count_lost(self) -> None:
        """Say that others have been given what is used here: nobody could know that it is."""
        before = self._lost
        self._lost = max(0, self._used - self._book.held_by(self._me.key))
        if self._lost > before:
            self._tell_lost(self._lost - before)

    def _accept(self, served: Sequence[Ask], *, returned: int) -> None:
        """Let those go on who have slots now; who left meanwhile has given its own back."""
        self._returned = max(0, self._returned - returned)
        for ask in tuple(served):
            slots = 0 if ask.wish.rate else ask.wish.occupy
            if ask in self._line:
                self._line.remove(ask)
                self._used += slots
                ask.is_served = True
                ask.ring()
            else:
                self._returned += slots
                self._has_news = True

    def _dead(self, at: float) -> frozenset[Key]:
        others = dead(self._seen, self._terms, at=at - self._patience())
        return others - {self._me.key}

    def _patience(self) -> float:
        """Return for how long to leave to others what is no more ours than theirs."""
        keys = [entry.key for entry in self._book.waiting]
        place = keys.index(self._me.key) if self._me.key in keys else len(keys)
        return _TURN * (1 + place)

    def _is_ours(self, book: Book) -> bool:
        """Tell whether a book differs from that which is there in what it says of us."""
        key = self._me.key
        return self._returned > 0 or _of(book, key) != _of(self._book, key)

    def _is_our_turn(self, at: float) -> bool:
        """Tell whether others could be served for so long that those before us seem unable to."""
        if not _of(self._book, self._me.key):
            return False
        if self._undone_since is None:
            self._undone_since = at
        return at - self._undone_since >= self._patience()

    def _renewal(self) -> float:
        if not _of(self._book, self._me.key):
            return NEVER
        return self._renewed_at + self._terms.lease_seconds / 3


def _of(book: Book, key: Key) -> list[Entry]:
    return [entry for entry in (*book.holders, *book.waiting) if entry.key == key]


def _version(limit: Object) -> int:
    return int(limit["metadata"]["resourceVersion"])


def _replaced(limit: Object, book: Book) -> Object:
    metadata = {
        name: limit["metadata"][name] for name in ("name", "namespace", "uid", "resourceVersion")
    }
    return {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "ConcurrencyLimit",
        "metadata": metadata,
        "spec": limit["spec"],
        "status": book.written(),
    }
