"""The plan of a ConcurrencyLimit: what the dead held goes to the next in line, and at once.

Whoever takes slots or gives them back writes the status of the limit, and hands over. The operator
does so for those that cannot any more: their run has ended, has lost that attempt, or waits without
a pod. So a slot does not wait for a lease to run out, and a run that was handed one is woken.
"""

from datetime import datetime, timedelta

from penstock.concurrency.book import WHOLE_RUN, Book, Entry
from penstock.concurrency.ledger import bury, first_in_line, hand_over, seconds_until
from penstock_operator.model.schema import JsonObject
from penstock_operator.model.states import ReadyReason, State
from penstock_operator.reconcile.actions import Plan, PutLimitStatus, target_of
from penstock_operator.reconcile.observed import Look, ObservedLimit
from penstock_operator.reconcile.readiness import readiness
from penstock_operator.reconcile.views import LimitView, Malformed, RunView
from penstock_operator.reconcile.wire import canonical, child


def plan_limit(observed: ObservedLimit, *, now: datetime) -> Plan:
    """Plan the next status of a limit, if it is to have another one."""
    limit = observed.limit
    if isinstance(limit, Malformed) or limit.metadata.deletion_timestamp is not None:
        return Plan()
    unknown = _names(limit.book) - observed.runs.keys()
    if unknown:
        return Plan(need=frozenset({Look.HOLDERS}))
    entries = (*limit.book.holders, *limit.book.waiting)
    dead = {each.key for each in entries if _is_dead(each, observed, now=now)}
    book = hand_over(bury(limit.book, dead | observed.silent), limit.terms, now=now)
    status = _status(limit, book, now=now)
    requeue = _next_look(book, limit, now=now)
    if canonical(status) == canonical(child(limit.manifest, "status")):
        return Plan(requeue_after=requeue)
    return Plan(actions=(put_status(limit, status),), requeue_after=requeue)


def put_status(limit: LimitView, status: JsonObject) -> PutLimitStatus:
    """Replace the status, if nobody else did meanwhile."""
    return PutLimitStatus(target_of(limit.metadata), {**limit.manifest, "status": status})


def _names(book: Book) -> frozenset[str]:
    return frozenset(entry.run for entry in (*book.holders, *book.waiting))


def _is_dead(entry: Entry, observed: ObservedLimit, *, now: datetime) -> bool:
    """Tell whether nobody will ever give back what an entry holds."""
    run = observed.runs[entry.run]
    if run is None or run.is_over or run.uid != entry.uid:
        return True
    if entry.process == WHOLE_RUN:
        return False  # the plan of the run gives it back
    if entry.suspended:
        # Nobody knows how long a run stays away that somebody has suspended: it asks anew then.
        return run.rests_on_request or _is_forgotten(entry, run, observed, now=now)
    if run.attempt < entry.attempt:
        return False  # it has been launched again since this operator saw it
    return run.attempt > entry.attempt or run.state == State.SUSPENDED


def _is_forgotten(entry: Entry, run: RunView, observed: ObservedLimit, *, now: datetime) -> bool:
    """Tell whether a run that is back has not asked for its place, as a changed flow may not."""
    if run.attempt <= entry.attempt or run.reporting_since is None:
        return False
    assert isinstance(observed.limit, LimitView)
    return now - run.reporting_since > timedelta(seconds=observed.limit.terms.lease_seconds)


def _status(limit: LimitView, book: Book, *, now: datetime) -> JsonObject:
    generation = limit.metadata.generation
    verdict = (ReadyReason.READY, "Its slots can be taken.")
    conditions = readiness(verdict, old=limit.conditions, generation=generation, now=now)
    return {
        **book.written(),
        "observedGeneration": generation,
        "conditions": [each.to_wire() for each in conditions],
    }


def _next_look(book: Book, limit: LimitView, *, now: datetime) -> timedelta | None:
    """Return when slots come back that somebody waits for, or somebody may have fallen silent."""
    looks = []
    if book.holders or book.waiting:
        looks.append(limit.terms.lease_seconds / 2)
    head = first_in_line(book, limit.terms)
    if head is not None and not head.rate:
        left = seconds_until(head.occupy, book, limit.terms, now=now)
        looks += [left] if left > 0 else []
    return timedelta(seconds=min(looks)) if looks else None
