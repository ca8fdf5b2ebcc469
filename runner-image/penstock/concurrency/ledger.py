"""How the status of a ConcurrencyLimit goes on: slots are taken, handed over and given back.

Pure, for several who never meet write it: each process that takes slots or gives them back, and the
operator, for those that cannot any more. Everyone computes the next status from the one that is
there, and replaces it only if nobody else did meanwhile. Who gives slots back hands them over to
the next in line in the same write, so nobody has to ask whether slots are free.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile

from penstock.concurrency.book import MOST_ENTRIES, ROUNDING, WHOLE_RUN, Book, Entry, Key, Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Slots that somebody in a process waits for."""

    occupy: int
    rate: bool = False
    overtakes: bool = False
    """Whether it holds slots already, for which those before it may be waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """A process, as the ledger sees it."""

    run: str
    uid: str
    attempt: int
    process: str

    @property
    def key(self) -> Key:
        return Key(self.uid, self.attempt, self.process)

    def entry(self, occupy: int, *, until: datetime) -> Entry:
        """Return what stands for it in the book."""
        return Entry(
            run=self.run,
            uid=self.uid,
            attempt=self.attempt,
            process=self.process,
            occupy=occupy,
            expires_at=until,
        )


def bury(book: Book, dead: Collection[Key]) -> Book:
    """Forget what these hold and wait for."""
    if not dead:
        return book
    return replace(
        book,
        holders=tuple(entry for entry in book.holders if entry.key not in dead),
        waiting=tuple(entry for entry in book.waiting if entry.key not in dead),
    )


def renew(book: Book, key: Key, *, until: datetime) -> Book:
    """Give a sign of life."""
    return replace(
        book,
        holders=tuple(_renewed(entry, key, until=until) for entry in book.holders),
        waiting=tuple(_renewed(entry, key, until=until) for entry in book.waiting),
    )


def _renewed(entry: Entry, key: Key, *, until: datetime) -> Entry:
    return replace(entry, expires_at=until) if entry.key == key else entry


def hand_over(book: Book, terms: Terms, *, now: datetime) -> Book:
    """Give free slots to those who wait for them, as far as they go, the first first.

    Who can never fit holds nobody up. Slots that come back by decay are taken by who waits for
    them, in person: an entry that is gone would not tell a run that they were taken for it.
    """
    while (head := next_served(book, terms, now=now)) is not None and not head.rate:
        book = _granted(_without_ticket(book, head.key), head)
    return book


def next_served(book: Book, terms: Terms, *, now: datetime) -> Entry | None:
    """Return who is first in line, if the slots that it waits for are free."""
    head = first_in_line(book, terms)
    if head is None or not book.fits(head.occupy, terms=terms, now=now):
        return None
    is_full = len(book.holders) >= MOST_ENTRIES and not book.held_by(head.key)
    return None if is_full and not head.rate else head


def first_in_line(book: Book, terms: Terms) -> Entry | None:
    """Return who is served next, passing over those who yield or want more slots than there are."""
    able = (entry for entry in book.waiting if not entry.yields and entry.occupy <= terms.limit)
    return next(able, None)


def step_aside(book: Book, keys: Collection[Key]) -> Book:
    """Let others have what was handed to these, whose runs cannot start; they stay first in line.

    Slots by rate were not handed to them: it was left to them to take those, in person.
    """
    handed = [replace(entry, yields=True) for entry in book.holders if entry.key in keys]
    line = bury(book, {entry.key for entry in handed})
    waiting = [
        replace(entry, yields=True) if entry.rate and entry.key in keys else entry
        for entry in line.waiting
    ]
    before = sum(1 for _ in takewhile(lambda entry: entry.overtakes or entry.yields, waiting))
    return replace(line, waiting=(*waiting[:before], *handed, *waiting[before:]))


def return_to_line(book: Book, keys: Collection[Key]) -> Book:
    """Let these be served again where they stand."""
    waiting = (replace(e, yields=False) if e.key in keys else e for e in book.waiting)
    return replace(book, waiting=tuple(waiting))


def seconds_until(occupy: int, book: Book, terms: Terms, *, now: datetime) -> float:
    """Return when so many slots will have come back by decay; infinity if others hold them."""
    filled = book.filled_by(now, terms=terms)
    excess = book.held + filled + occupy - terms.limit
    if excess <= ROUNDING:
        return 0.0
    return excess / terms.decay if terms.decay and excess <= filled + ROUNDING else float("inf")


def _granted(book: Book, ticket: Entry) -> Book:
    for place, entry in enumerate(book.holders):
        if entry.key == ticket.key:
            more = replace(
                entry,
                occupy=entry.occupy + ticket.occupy,
                expires_at=max(entry.expires_at, ticket.expires_at),
            )
            return replace(book, holders=(*book.holders[:place], more, *book.holders[place + 1 :]))
    held = replace(ticket, since=None, rate=False, overtakes=False)
    return replace(book, holders=(*book.holders, held))


def _without_ticket(book: Book, key: Key) -> Book:
    return replace(book, waiting=tuple(entry for entry in book.waiting if entry.key != key))


@dataclass(frozen=True, slots=True)
class Settled:
    """The next status, and for how many of its own line a process takes slots with it."""

    book: Book
    served: int


def settle(
    book: Book,
    terms: Terms,
    *,
    me: Me,
    used: int,
    returned: int = 0,
    line: Sequence[Wish] = (),
    now: datetime,
) -> Settled:
    """Make the book say what a process uses and waits for; hand over what is free then.

    Of the slots that stand under its name, ``used`` go on to be, ``returned`` are given back, and
    what is there beyond was handed over to it: that goes to the first of its line. Afterwards
    everybody is served in turn; a process with a line goes back to its end for the next one.
    """
    until = now + timedelta(seconds=terms.lease_seconds)
    book = _inherit(book, me, until=until)
    held = book.held_by(me.key)
    used = min(used, held)  # what was lost meanwhile may be another's
    served, handed = _served_by(max(0, held - used - returned), line)
    book = _holding(book, me, used + handed, until=until)
    while True:
        book = _queued(book, me, line[served:], now=now, until=until)
        head = next_served(book, terms, now=now)
        if head is None or (head.rate and head.key != me.key):
            return Settled(book, served)
        left = _without_ticket(book, head.key)
        book = _filled(left, head, terms, now=now) if head.rate else _granted(left, head)
        served += head.key == me.key


def _filled(book: Book, ticket: Entry, terms: Terms, *, now: datetime) -> Book:
    """Take slots by rate."""
    filled = book.filled_by(now, terms=terms) + ticket.occupy
    return replace(book, filled=filled, filled_at=_later(book.filled_at, now))


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)


def _served_by(spare: int, line: Sequence[Wish]) -> tuple[int, int]:
    """Return how many of a line these slots are enough for, and how many slots they take."""
    count = slots = 0
    for wish in line:
        if wish.rate or slots + wish.occupy > spare:
            break
        count, slots = count + 1, slots + wish.occupy
    return count, slots


def _inherit(book: Book, me: Me, *, until: datetime) -> Book:
    """Take over what earlier attempts of the run hold, and the first place in which they wait."""
    before = {
        entry.key
        for entry in (*book.holders, *book.waiting)
        if entry.uid == me.uid and entry.attempt < me.attempt and entry.process != WHOLE_RUN
    }
    if not before:
        return book
    held = book.held_by(me.key) + sum(book.held_by(key) for key in before)
    places = [place for place, entry in enumerate(book.waiting) if entry.key in before]
    waiting = list(book.waiting)
    if places and book.ticket_of(me.key) is None:
        old = waiting[places[0]]
        waiting[places[0]] = replace(
            me.entry(old.occupy, until=until), since=old.since, rate=old.rate
        )
    book = bury(replace(book, waiting=tuple(waiting)), before)
    return _holding(book, me, held, until=until)


def _holding(book: Book, me: Me, slots: int, *, until: datetime) -> Book:
    """Let a process hold so many slots."""
    for place, entry in enumerate(book.holders):
        if entry.key == me.key:
            changed = replace(entry, occupy=slots, expires_at=until)
            same = entry if entry.occupy == slots else changed
            kept = (same,) if slots else ()
            return replace(book, holders=(*book.holders[:place], *kept, *book.holders[place + 1 :]))
    return _granted(book, me.entry(slots, until=until)) if slots else book


def _queued(book: Book, me: Me, line: Sequence[Wish], *, now: datetime, until: datetime) -> Book:
    """Let a process wait for the first of its line, or for nothing."""
    ticket = book.ticket_of(me.key)
    if not line:
        return _without_ticket(book, me.key) if ticket else book
    wish = line[0]
    wanted = replace(
        ticket or me.entry(wish.occupy, until=until),
        occupy=wish.occupy,
        rate=wish.rate,
        overtakes=wish.overtakes,
        since=ticket.since if ticket else now,
    )
    if ticket is not None and ticket.overtakes == wish.overtakes:
        waiting = tuple(wanted if entry is ticket else entry for entry in book.waiting)
        return replace(book, waiting=waiting)
    others = _without_ticket(book, me.key).waiting
    if len(others) >= MOST_ENTRIES:
        return book
    place = len(others) if not wish.overtakes else sum(entry.overtakes for entry in others)
    return replace(book, waiting=(*others[:place], wanted, *others[place:]))


def leave(
    book: Book, terms: Terms, *, me: Me, used: int = 0, suspended: bool, now: datetime
) -> Book:
    """Give back what a process uses, because it ends; hand over what is free then.

    With ``suspended`` its run goes on later: its place in line stays, and so do slots that were
    handed over to it and that it has not begun to use.
    """
    until = now + timedelta(seconds=terms.lease_seconds)
    if suspended:
        unused = max(0, book.held_by(me.key) - used)
        book = _holding(book, me, unused, until=until)
        book = replace(
            book,
            holders=tuple(_marked(entry, me.key) for entry in book.holders),
            waiting=tuple(_marked(entry, me.key) for entry in book.waiting),
        )
    else:
        book = bury(book, {me.key})
    return hand_over(book, terms, now=now)


def _marked(entry: Entry, key: Key) -> Entry:
    return replace(entry, suspended=True) if entry.key == key else entry
