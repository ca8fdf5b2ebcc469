"""Which finished runs are deleted: those beyond a flow's history, and those past their time.

The numbers of a history are of each series of runs, so that a schedule which is often due does not
clear away what another one, or somebody by hand, has run.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from penstock_operator.model.flow import History
from penstock_operator.reconcile.actions import DeleteRun, Plan
from penstock_operator.reconcile.views import NO_SERIES, FinishedRun, Series


def plan_history(
    finished: tuple[FinishedRun, ...],
    *,
    history: History,
    now: datetime,
    unfinished: frozenset[str] = frozenset(),
    wanted: frozenset[str] = frozenset(),
    series: frozenset[Series] = frozenset(),
) -> Plan:
    """Plan the deletions among the finished runs of one flow, oldest first.

    The numbers hold of each of the `series` that there are, and of all other runs together.

    A child stays as long as its parent is among the `unfinished`: that may not have its result yet.
    Of a child that went on as others, that is the last of them. The `wanted` stay, because reruns
    are to begin with what they have stored.
    """
    last = {(each.parent, each.chain): each for each in sorted(finished, key=_age_order)}
    finished = tuple(
        each
        for each in finished
        if each.name not in wanted
        and not (each.parent in unfinished and last[each.parent, each.chain] is each)
    )
    counted: defaultdict[Series, list[FinishedRun]] = defaultdict(list)
    for each in finished:
        counted[each.series if each.series in series else NO_SERIES].append(each)
    doomed = {each for runs in counted.values() for each in _beyond(runs, history=history)}
    wait: timedelta | None = None
    if history.ttl_seconds_after_finished is not None:
        ttl = timedelta(seconds=history.ttl_seconds_after_finished)
        doomed |= {each for each in finished if each.finished_at + ttl <= now}
        left = [each.finished_at + ttl - now for each in finished if each not in doomed]
        wait = min(left, default=None)
    deletions = tuple(
        DeleteRun(namespace=each.namespace, name=each.name, uid=each.uid)
        for each in sorted(doomed, key=_age_order)
    )
    return Plan(actions=deletions, requeue_after=wait)


def _beyond(finished: Iterable[FinishedRun], *, history: History) -> set[FinishedRun]:
    newest_first = sorted(finished, key=_age_order, reverse=True)
    successful = [each for each in newest_first if each.successful]
    failed = [each for each in newest_first if not each.successful]
    return {*successful[history.successful_runs :], *failed[history.failed_runs :]}


def _age_order(run: FinishedRun) -> tuple[datetime, str]:
    return run.finished_at, run.name
