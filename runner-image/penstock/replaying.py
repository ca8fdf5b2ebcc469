"""Would a flow's code still find what a run has recorded? Try it against the run's journal.

The flow's code runs; what it finds in the journal it gets. A task that is not there does not run:
it waits, as if it took for ever, and the replay ends when nothing else goes on. The journal is a
copy in memory, and nothing outside is touched but by what stands outside of tasks in the flow.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from penstock.drivers.activity import Activity
from penstock.drivers.children import Children, Order
from penstock.drivers.inbox import Inbox
from penstock.drivers.misses import in_words, task_in
from penstock.drivers.suspension import Suspension
from penstock.engine.identity import CallKey
from penstock.engine.outcome import Outcome
from penstock.engine.past import Past
from penstock.errors import CorruptJournal, JournalError, NonDeterminism
from penstock.execution import RunContext, execute
from penstock.flows import Flow
from penstock.journal.chain import MemoryChain
from penstock.journal.records import decode_record, encode_record
from penstock.journal.run_journal import RunJournal, open_journal
from penstock.journal.writing import Holder
from penstock.states import State

__all__ = ["Replayed", "replay_records"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came of a replay."""

    found: Mapping[str, int]
    """How many calls of each task, sub-flow or wait were found in the journal."""
    waiting: Mapping[str, int]
    """How many were not, and would run if the run were taken up again."""
    unkept: tuple[str, ...] = ()
    """Which of those the journal never has, so that nothing beyond them can be seen."""
    problems: tuple[str, ...] = ()
    """Why the code does not fit the journal, the first first; empty if it does."""

    def check(self) -> None:
        """Raise ``NonDeterminism`` if the code does not fit the journal."""
        if self.problems:
            raise NonDeterminism("\n".join(self.problems))


def replay_records(flow: Flow[..., Any], records: Sequence[bytes]) -> Replayed:
    """Run the flow's code against the records of a journal, in the calling thread."""
    if not records:
        raise CorruptJournal("The journal is empty: there is nothing to replay.")
    chain = MemoryChain()
    for number, raw in enumerate(records):
        record = decode_record(raw, number=number)
        chain.put(number, encode_record(record.header, _with_what_was_undone(record.lines)))
    holder = Holder(attempt=record.header.attempt + 1, process="replay")
    journal = open_journal(chain, holder=holder)
    past = journal.past = journal.past or Past(())
    if journal.given() is None:
        return _judged(past, ["The journal does not have the parameters that the run began with."])
    ended = _ending_of(flow, journal)
    context = _context(journal)
    if any(b'{"name":"start ' in record for record in records):
        context.children = Children(
            parent="replay", parent_uid="", start=_start_nothing, final_state=_unknown
        )
    with _quiet():
        outcome = execute(flow, parameters={}, context=context)
    return _judged(past, _problems(past, outcome, ended=ended))


def _with_what_was_undone(lines: Sequence[str]) -> list[str]:
    """Return entries without those that void others: the code meets a roll-back after the calls."""
    return [line for line in lines if not line.startswith("forgotten ")]


def _context(journal: RunJournal) -> RunContext:
    context = RunContext("replay", cancel_grace_seconds=1)
    context.journal, context.inbox = journal, Inbox()
    context.is_replay = context.accepts_changes = True
    context.activity = activity = Activity()

    def end(_: object) -> None:
        activity.go_on()
        context.request_cancel(message=_OVER)

    context.suspension = Suspension(
        activity, leave=end, linger_seconds=0, seconds_between_looks=0.01
    )
    return context


def _start_nothing(order: Order, name: str) -> None:
    """Leave the child alone: the run has started it, or would."""


def _unknown(name: str) -> State[object]:
    raise JournalError(f"The journal does not have how the child {name} ended.")


_OVER = "The replay is over: all that goes on waits for what the journal does not have."


def _ending_of(flow: Flow[..., Any], journal: RunJournal) -> State[object] | None:
    """Return how the run ended, if it did."""
    root = CallKey("", flow.definition.identity, "", 0)
    ended = journal.find(root, epoch=lambda: "")
    return ended if isinstance(ended, State) else None


def _problems(past: Past, outcome: Outcome, *, ended: State[object] | None) -> Iterator[str]:
    near_misses = past.replaced()
    if not near_misses and outcome.state.is_cancelled():  # it did not come to its end
        near_misses = [each for each in past.inserted() if each.missed.key.identity not in _DRAWN]
    for near in near_misses:
        yield f"{in_words(near)} Bring the call back, or put the change under patched()."
    failed = outcome.error is not None and not outcome.state.is_cancelled()
    if failed and (past.has_more() or (ended is not None and ended.is_completed())):
        yield f"The run had come further, and now the flow fails: {outcome.message}"
    elif isinstance(outcome.state.data, JournalError):
        yield outcome.message
    elif past.is_foreign():
        yield "The journal holds no call of this flow: it is another flow's, or that was renamed."


_DRAWN = frozenset({"now", "random", "uuid4"})
"""What holds nothing up: it has its value at once."""


def _judged(past: Past, problems: Iterable[str]) -> Replayed:
    found: Counter[str] = Counter()
    for identity, calls in past.met.items():
        found[task_in(identity)] += calls
    missed = past.missed()
    return Replayed(
        found=dict(found),
        waiting=dict(Counter(task_in(each.key.identity) for each in missed)),
        unkept=tuple(
            dict.fromkeys(task_in(each.key.identity) for each in missed if not each.is_kept)
        ),
        problems=tuple(problems),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the run log still: it would tell of a run that was cancelled."""
    loggers = [logging.getLogger(name) for name in ("penstock.flow_runs", "penstock.task_runs")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
