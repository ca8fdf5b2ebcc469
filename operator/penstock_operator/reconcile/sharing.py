"""The slots of ConcurrencyLimits that a run needs: for all of it, or the one that it waits for.

A flow's `concurrencyLimits` are taken before a launch, in the order of their names, so that no two
runs wait for each other. What a run holds stands in the status of the limit, under its own name,
for as long as it is at work: it is given back when the run rests, and by the plan of the limit
when the run has ended. Only the plan of the run itself adds to it.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from penstock.concurrency.book import MOST_ENTRIES, WHOLE_RUN, Book, Entry
from penstock.concurrency.ledger import (
    bury,
    first_in_line,
    hand_over,
    return_to_line,
    seconds_until,
    step_aside,
)
from penstock_operator.model.flow import Flow, SharedSlots
from penstock_operator.model.states import Reason, WaitKind
from penstock_operator.reconcile.actions import Action
from penstock_operator.reconcile.case import NeedError, RunCase
from penstock_operator.reconcile.holds import SETTLING, Hold, line
from penstock_operator.reconcile.limits import put_status
from penstock_operator.reconcile.observed import Look, Slot
from penstock_operator.reconcile.views import LimitView

MOST_TICKETS = 10
"""Runs of the operator's in the line of a limit. Each write of the limit holds the whole line; who
comes later waits beside it, in the order of pools."""


def with_shared_slots(case: RunCase, *, attempt: int) -> tuple[Action, ...] | Hold:
    """Take the slots that the flow wants for a launch, or say which limit has none."""
    flow = case.observed.flow
    wanted = flow.spec.concurrency_limits if isinstance(flow, Flow) else ()
    names = {each.name for each in wanted}
    others = {name: each for name, each in case.observed.limits.items() if name not in names}
    taken = _given_back(case, others, attempt=attempt)  # what the Flow does not want any more
    for share in sorted(wanted, key=lambda each: each.name):
        got = _slots_of(case, share, attempt=attempt)
        if isinstance(got, Hold):
            return replace(got, before=(*taken, *got.before))
        taken = (*taken, *got)
    return (*taken, *_back_in_line(case))


def _slots_of(case: RunCase, share: SharedSlots, *, attempt: int) -> tuple[Action, ...] | Hold:
    limit = case.observed.limits.get(share.name)
    if limit is None:
        return _missing(share.name)
    book = limit.book
    if any(_is_of_whole_run(each, case) for each in book.holders):
        return ()
    places = (n for n, each in enumerate(book.waiting) if _is_of_whole_run(each, case))
    place = next(places, None)
    if place is None:
        line = (*book.waiting, _ticket(case, share, attempt=attempt))
    elif book.waiting[place].occupy == share.occupy and not book.waiting[place].yields:
        return _full(case, limit, share, ahead=place)
    else:  # its pool has room by now, or its Flow wants another number of slots
        changed = replace(book.waiting[place], occupy=share.occupy, yields=False)
        line = (*book.waiting[:place], changed, *book.waiting[place + 1 :])
    served = hand_over(replace(book, waiting=line), limit.terms, now=case.now)
    if any(_is_of_whole_run(each, case) for each in served.holders):
        return (put_status(limit, served.written()),)
    has_room = len(book.waiting) < MOST_ENTRIES and tickets(book) < MOST_TICKETS
    said = (put_status(limit, served.written()),) if place is not None or has_room else ()
    ahead = len(book.waiting) if place is None else place
    has_yielded = place is not None and book.waiting[place].yields
    return replace(_full(case, limit, share, ahead=ahead, has_yielded=has_yielded), before=said)


def _ticket(case: RunCase, share: SharedSlots, *, attempt: int) -> Entry:
    return Entry(
        run=case.name,
        uid=case.run.metadata.uid,
        attempt=attempt,
        process=WHOLE_RUN,
        occupy=share.occupy,
        expires_at=case.now,
        since=case.now,
        suspended=True,  # nobody renews it
    )


def tickets(book: Book) -> int:
    """Return how many runs stand in line before their launch, but for those that yield."""
    return sum(each.process == WHOLE_RUN and not each.yields for each in book.waiting)


def runs_in_turn(limit: LimitView) -> set[str]:
    """Return the run that is first in the line of a limit, if there is one."""
    head = first_in_line(limit.book, limit.terms)
    return {head.run} if head is not None else set()


def slots_left(case: RunCase, hold: Hold) -> tuple[Action, ...]:
    """Take what a launch that is held up may have meanwhile: places in line, and no slots.

    Whoever has a pod may need those to come to an end and make room. Only of the flow's own limits
    the first are held while the run waits for the next, as it does in their order.
    """
    waits_for_limit = hold.kind == WaitKind.CONCURRENCY_LIMIT
    if hold.reason != Reason.WAITING_FOR_SLOT:
        return (*slots_given_back(case), *_stepped_aside(case, with_run=False))
    return (*hold.before, *_stepped_aside(case, with_run=not waits_for_limit))


def _stepped_aside(case: RunCase, *, with_run: bool) -> tuple[Action, ...]:
    """Hand on the slots that the run was handed while it had no pod, and keep its place."""
    actions: tuple[Action, ...] = ()
    for limit in case.observed.limits.values():
        mine = {
            each.key
            for each in (*limit.book.holders, *limit.book.waiting)
            if each.suspended
            and each.attempt <= max(1, case.status.attempt)
            and (_is_of_process(each, case) or (with_run and _is_of_whole_run(each, case)))
        }
        actions = (*actions, *_handed_on(case, limit, step_aside(limit.book, mine)))
    return actions


def _back_in_line(case: RunCase) -> tuple[Action, ...]:
    """Let the run be served again, as it is launched: if not at once, then in its pod."""
    actions: tuple[Action, ...] = ()
    for limit in case.observed.limits.values():
        mine = {each.key for each in limit.book.waiting if _is_of_process(each, case)}
        actions = (*actions, *_handed_on(case, limit, return_to_line(limit.book, mine)))
    return actions


def _handed_on(case: RunCase, limit: LimitView, book: Book) -> tuple[Action, ...]:
    """Write what a limit's book has become, if it has changed, and serve who is next by that."""
    if book == limit.book:
        return ()
    return (put_status(limit, hand_over(book, limit.terms, now=case.now).written()),)


def slots_given_back(case: RunCase) -> tuple[Action, ...]:
    """Give back what a run holds that rests, or waits for something else than slots."""
    return _given_back(case, case.observed.limits, attempt=max(1, case.status.attempt))


def _given_back(
    case: RunCase, limits: Mapping[str, LimitView], *, attempt: int
) -> tuple[Action, ...]:
    given: tuple[Action, ...] = ()
    for limit in limits.values():
        mine = {
            each.key
            for each in (*limit.book.holders, *limit.book.waiting)
            # What is for a later attempt was taken by an operator that knows more than this one.
            if _is_of_whole_run(each, case) and each.attempt <= attempt
        }
        given = (*given, *_handed_on(case, limit, bury(limit.book, mine)))
    return given


def slot_that_came(case: RunCase, *, waits_for_it: bool) -> str | None:
    """Say why a run that left its pod while it waited for a slot goes on now; None while it waits.

    It may have said that it waits for something else, if that is what ends by itself.
    """
    limits = case.observed.limits.values()
    for limit in limits:
        if any(each.suspended and _is_of_process(each, case) for each in limit.book.holders):
            return f"It has got a slot of the ConcurrencyLimit {limit.metadata.name}."
    due = slot_due(case)
    if due is not None and case.now >= due:
        return "The slots that it waited for have come back by decay."
    known = (each for limit in limits for each in (*limit.book.holders, *limit.book.waiting))
    if not waits_for_it or any(_is_of_process(each, case) for each in known):
        return None
    if not case.observed.limits_are_live:
        raise NeedError(Look.LIMITS)
    return "It has lost its place in the line for a slot, and asks anew."


def slot_due(case: RunCase) -> datetime | None:
    """Return when slots have come back by decay for which the run is the first in line."""
    moments = []
    for limit in case.observed.limits.values():
        head = first_in_line(limit.book, limit.terms)
        if head is not None and head.rate and _is_of_process(head, case):
            left = seconds_until(head.occupy, limit.book, limit.terms, now=case.now)
            if left != float("inf"):
                moments.append(case.now + timedelta(seconds=left))
    return min(moments, default=None)


def _is_of_whole_run(entry: Entry, case: RunCase) -> bool:
    return entry.process == WHOLE_RUN and entry.uid == case.run.metadata.uid


def _is_of_process(entry: Entry, case: RunCase) -> bool:
    return entry.process != WHOLE_RUN and entry.uid == case.run.metadata.uid


def _full(
    case: RunCase, limit: LimitView, share: SharedSlots, *, ahead: int, has_yielded: bool = False
) -> Hold:
    slot, name = case.observed.slot, share.name
    has_kept_slot = isinstance(slot, Slot) and slot.is_kept
    # Else it might for ever be served when its pool is full, and admitted when the limit is.
    keeps_slot = (has_yielded or has_kept_slot) and share.occupy <= limit.terms.limit
    if share.occupy > limit.terms.limit:
        words = (
            f"The run wants {share.occupy} slots of the ConcurrencyLimit {name}, which has"
            f" {limit.terms.limit}. Raise its spec.limit, or lower occupy in the Flow."
        )
    else:
        words = f"The run waits for a slot of the ConcurrencyLimit {name}; {line(ahead)}."
    kind = WaitKind.CONCURRENCY_LIMIT
    return Hold(Reason.WAITING_FOR_SLOT, kind, name, words, ahead=ahead, keeps_slot=keeps_slot)


def _missing(name: str) -> Hold:
    words = (
        f"The ConcurrencyLimit {name}, which the Flow names, does not exist in this namespace."
        " Create it; the run then starts by itself."
    )
    reason, kind = Reason.CONCURRENCY_LIMIT_NOT_FOUND, WaitKind.CONCURRENCY_LIMIT
    return Hold(reason, kind, name, words, grace=SETTLING)
