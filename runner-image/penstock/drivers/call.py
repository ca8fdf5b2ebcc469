"""One call of a flow or task: ties the body, its arguments and its run to where it was called."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import MethodType
from typing import TYPE_CHECKING, cast

from penstock.clock import now
from penstock.drivers.context import RunContext
from penstock.drivers.frame import Frame
from penstock.drivers.holding import holds_slots
from penstock.drivers.scope import Scope, epoch_in, open_block
from penstock.drivers.slots import Slots
from penstock.engine.cache_terms import CacheQuestion, Keeping
from penstock.engine.definition import Definition
from penstock.engine.effects import Pause
from penstock.engine.identity import Branch, CallKey, Spread
from penstock.engine.inputs import CONSTANTS, Link, are_plain, holds_links, holds_marks, links_in
from penstock.engine.runs import FlowRun, TaskRun
from penstock.journal.memory import MemoryJournal
from penstock.journal.protocol import Journal

if TYPE_CHECKING:
    from datetime import datetime

    from penstock.concurrency.tags import TagSlots
    from penstock.drivers.activity import Activity
    from penstock.engine.transactions import Transaction
    from penstock.serializers import Serializer


class LiveCall:
    """A call as the core sees it, and what a driver needs to carry its effects out."""

    __slots__ = (
        "_branch",
        "_inner_journal",
        "_key",
        "_ordinal",
        "_transaction",
        "abandoned",
        "args",
        "caller",
        "context",
        "counted",
        "deadline",
        "definition",
        "frame",
        "index",
        "kwargs",
        "left_behind",
        "own_frame",
        "run",
        "scope",
        "slots",
        "spread",
        "submitted",
        "tag_slots",
        "upstreams",
        "wait_for",
    )

    def __init__(
        self,
        definition: Definition,
        args: tuple[object, ...],
        kwargs: dict[str, object],
        *,
        run: FlowRun | TaskRun,
        caller: Scope | None,
        context: RunContext | None,
        wait_for: Sequence[object] = (),
        own_frame: Frame | None = None,
        index: int | None = None,
        spread: Spread | None = None,
        submitted: bool = False,
    ) -> None:
        self.definition = definition
        self.args = args
        self.kwargs = kwargs
        self.run = run
        self.caller = caller
        """The body that made the call; ``None`` for a root flow or a task outside any flow."""
        self.context = context
        self.wait_for = wait_for
        self.own_frame = own_frame
        """What the flow run has going, if a flow is called."""
        self.index = index
        """Place in the ``.map`` that made the call."""
        self.spread = spread
        """What the calls of that have in common."""
        self.submitted = submitted
        self.deadline: datetime | None = None
        """When the last attempt has to have ended."""
        self.tag_slots: TagSlots | None = None
        """What the call holds, or waits for, of the limits of its tags."""
        self.left_behind: threading.Thread | None = None
        """Where the body of an attempt that ran out of time may still be running."""
        self.abandoned = False
        """The flow ended before this call did; what becomes of it interests nobody."""
        self.counted: Activity | None = None
        """Where the running body is counted."""
        self.frame = caller.frame if caller else None
        self.slots: Slots | None = None
        """Where a submitted call runs."""
        self.scope: Scope | None = None
        """The attempt that runs."""
        self.upstreams: Sequence[Link] = ()
        if (wait_for or not are_plain(args, kwargs)) and self.may_meet_links():
            self.upstreams = links_in((args, kwargs, wait_for))
        if self.upstreams:
            for link in links_in((args, kwargs, wait_for), tolerated_only=True):
                link.take()
        self._inner_journal: Journal | None = None
        self._branch: Branch
        self._ordinal: int
        self._transaction: Transaction | None = None
        if (
            definition.hooks
            or open_block.get() is not None
            or (caller is not None and caller.transaction is not None)
        ):
            from penstock.drivers.transacting import transaction_of

            self._transaction = transaction_of(self)
        self._key: CallKey | None = None
        if self.journal is not None:
            self._take_number()

    def may_meet_links(self) -> bool:
        """Tell whether the run has made futures or states; outside any run nobody knows."""
        context = self.context
        if context is None or context.made_links or self.wait_for:
            return True
        return holds_marks(self.args, self.kwargs)

    def _take_number(self) -> None:
        """Take the call's place among its scope's; also its key, if the arguments are known."""
        if self.caller is not None:
            self._branch = self.caller.open_branch()
            self._ordinal = self._branch.number()
        if not self.upstreams or not holds_links((self.args, self.kwargs)):
            self.draw_key(self.args, self.kwargs)

    def draw_key(self, args: tuple[object, ...], kwargs: dict[str, object]) -> CallKey | None:
        """Return the call's key: drawn when called if the arguments were known, else now."""
        if self._key is not None or self.journal is None:
            return self._key
        if self.caller is None:
            self._key = CallKey("", self.definition.identity, "", 0)
            return self._key
        from penstock.drivers.keys import key_of

        self._key = key_of(self, args, kwargs, branch=self._branch, ordinal=self._ordinal)
        if self.begins_once:
            self.journal.claim(self._key)
        return self._key

    @property
    def begins_once(self) -> bool:
        """Whether the body never runs again in this run, whatever becomes of its process."""
        return self.definition.at_most_once

    def is_named(self, key: CallKey) -> bool:
        """Tell whether a key is the call's own, and not of something that is kept beside it."""
        return key is self._key

    def is_made_once(self, key: CallKey) -> bool:
        """Tell whether nobody will make this call again in this process, or ask what it was."""
        return (
            self.is_named(key)
            and self._transaction is None
            and not (self.caller is not None and self.caller.repeats)
        )

    def own_transaction(self) -> Transaction | None:
        """Return the transaction that the call is, if anything is to be committed or undone."""
        transaction = self._transaction
        if transaction is None and self.scope is not None:
            transaction = self.scope.transaction
        if transaction is not None:
            transaction.name, transaction.part = self.run.name, self
            transaction.call_key = self._key
        return transaction

    def join_block(self, link: Link) -> None:
        """Have the ``with transaction()`` around wait for a submitted call before it commits."""
        around = self._transaction.parent if self._transaction is not None else None
        if around is not None and around.is_block:
            around.links.append(link)

    @property
    def cancel_grace_seconds(self) -> float:
        """How long a flow's running tasks may take to end once it is cancelled."""
        assert self.context is not None, "every flow has a context"
        return self.context.cancel_grace_seconds

    @property
    def journal(self) -> Journal | None:
        """Where the call itself is recorded."""
        if self.caller is not None:
            journal = self.caller.journal
            if journal is None or self.is_replay:  # then no body runs, whatever it says
                return journal
            return None if self.is_out() else journal
        context = self.context
        return (context.journal or context.round_trip) if self.own_frame and context else None

    def has_constants(self) -> bool:
        """Tell whether no body can change any argument."""
        for value in (*self.args, *self.kwargs.values()):  # noqa: SIM110 - a generator costs more
            if type(value) not in CONSTANTS:
                return False
        return True

    @property
    def is_strict(self) -> bool:
        """Whether what may lead a resumed run astray is an error."""
        frame = self.own_frame or self.frame
        return frame is not None and frame.strict

    @property
    def is_replay(self) -> bool:
        """Whether neither bodies of tasks nor hooks run, and nothing outside is touched."""
        return self.context is not None and self.context.is_replay

    def is_out(self) -> bool:
        """Tell whether this is a task that says, or whose flow says, not to store its result."""
        around = self.frame.persistence if self.frame else None
        own = self.definition.persistence or around
        if own is None or self.own_frame is not None or self.begins_once:
            return False
        return own.within(around).persist is False

    def serializer_of(self, key: CallKey) -> Serializer | None:
        """Return what the author has chosen to make bytes of the result; ``None``: what suits it.

        What is stored beside the result is ours. That of the run itself is read by others, who
        know the serializers of ``penstock.serializers`` only.
        """
        frame, own = self.own_frame or self.frame, self.definition.persistence
        around = frame.persistence if frame is not None else None
        if (own is None and around is None) or not self.is_named(key):
            return None
        said = around if own is None else own.within(around)
        chosen = cast("Serializer | None", said.serializer if said is not None else None)
        if chosen is not None and not key.scope:
            from penstock.serializers import reads_by_name

            return chosen if reads_by_name(chosen) else None
        return chosen

    def epoch(self) -> str:
        """Return which attempts of the bodies around the call are going on."""
        return epoch_in(self.caller)

    def keeps_result(self) -> bool:
        """Tell whether anybody may ask for the result again: else a stream forgets its items."""
        return self.journal is not None or self.keeping() is not None

    def keeping(self) -> Keeping | None:
        """Return where the result is kept beyond this call; ``None``: nowhere."""
        definition, frame = self.definition, self.frame
        around = frame.persistence if frame is not None else None
        if definition.cache is None and definition.persistence is None and around is None:
            return None
        if self.own_frame is not None:
            return None
        from penstock.persistence import keeping_of

        return keeping_of(definition, around=around)

    def cache_question(self, args: tuple[object, ...], kwargs: dict[str, object]) -> CacheQuestion:
        """Return what a cache policy is asked about this call."""
        assert isinstance(self.run, TaskRun), "flows are not cached"
        flow = self.caller
        while flow is not None and not isinstance(flow.run, FlowRun):
            flow = flow.parent
        return CacheQuestion(
            task_run=self.run,
            identity=self.definition.identity,
            body=self.definition.body,
            parameters=_bound(self.definition.body, args, kwargs),
            flow_parameters=_bound(flow.body, *flow.arguments) if flow else {},
        )

    def name_run(self, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        """Name the run after its arguments, where the author asked for it."""
        if self.definition.run_name is not None:
            self.run.name = self.definition.run_name(args, kwargs)

    def waiting_scope(self) -> Scope | None:
        """Return the body that waits while the call does: the caller, or the flow for its tasks."""
        return self.scope if self.own_frame is not None and self.scope else self.caller

    def count_body(self) -> Activity | None:
        """Return where the body is counted, if it is a task's of a run that may be left."""
        if self.context is None or self.own_frame is not None:
            return None
        self.counted = self.context.activity
        return self.counted

    def has_limits(self) -> bool:
        """Tell whether the call holds slots of its tags' limits, waits for them or may have to."""
        from penstock.concurrency.claims import limits_here

        return self.tag_slots is not None or limits_here().may_be_of_tags(self.run.tags)

    def take_slots(self) -> Pause | bool:
        """Take a slot of each limit of the call's tags; see the effect ``TakeSlots``."""
        if self.tag_slots is None:
            from penstock.concurrency.claims import limits_here

            names = limits_here().of_tags(self.run.tags)
            if not names:
                return False
            from penstock.concurrency.tags import TagSlots

            self.tag_slots = TagSlots(names, overtakes=holds_slots(self.caller))
        return self.tag_slots.look()

    def give_slots(self) -> None:
        """Give back what the call holds of its tags' limits, or leave the line before them."""
        if self.tag_slots is not None:
            self.tag_slots.leave(after=self.left_behind)
            self.tag_slots = self.left_behind = None

    def fix_deadline(self, key: CallKey | None) -> None:
        """Set the moment by which all attempts must have ended, as it was stored if it was."""
        seconds = self.definition.total_timeout_seconds
        assert seconds is not None, "only then there is a deadline"
        self.deadline = now() + timedelta(seconds=seconds)
        if key is not None and self.journal is not None:
            self.deadline = self.journal.deadline(key, due=self.deadline, epoch=self.epoch)

    def begin_attempt(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Scope:
        """Return the scope of a new attempt; equal calls are counted afresh in it."""
        caller = self.caller
        if self.own_frame is not None and self.run.run_count > 1:
            self.own_frame.count_anew()
        self.scope = Scope(
            self.run,
            body=self.definition.body,
            arguments=(args, kwargs),
            path=self._key.path if self._key else self.definition.identity,
            parent=caller,
            origin=caller.origin if caller and not self.submitted else None,
            context=self.context,
            frame=self.own_frame or self.frame,
            journal=self.journal or self._journal_of_retries(),
            log_prints=self._logs_prints(),
            slots=self.slots,
            transaction=self.own_transaction(),
        )
        self.scope.holds_slots = self.tag_slots is not None
        self.scope.key = self._key
        self.scope.repeats = self.definition.retry.retries > 0 or (
            caller is not None and caller.repeats
        )
        return self.scope

    def aside(self) -> Scope:
        """Return the scope of what runs in the run's name beside its body, as its hooks do.

        Engine calls made there work, even in a run that was cancelled, and belong to no flow run.
        """
        scope = Scope(
            self.run,
            body=self.definition.body,
            arguments=self.scope.arguments if self.scope else (self.args, self.kwargs),
            path=self.definition.identity,
            parent=None,
            origin=None,
            context=self.context,
            frame=None,
            journal=None,
            log_prints=self._logs_prints(),
            slots=None,
        )
        scope.cancel_raised = scope.is_beside = True
        return scope

    def _journal_of_retries(self) -> Journal | None:
        """Keep what a body finished over its retries; where there are none, nothing is kept."""
        if self._inner_journal is None and self.definition.retry.retries:
            self._inner_journal = MemoryJournal()
        return self._inner_journal

    def _logs_prints(self) -> bool:
        own = self.definition.log_prints
        if own is not None:
            return own
        return self.caller.log_prints if self.caller else False


def _bound(
    body: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]
) -> dict[str, object]:
    """Return a call's arguments by name, with what a method belongs to first."""
    import inspect

    bound = inspect.signature(body).bind(*args, **kwargs)
    bound.apply_defaults()
    from penstock.drivers.keys import owner_of

    owner = owner_of(body)
    if owner is None:
        return dict(bound.arguments)
    method = cast("MethodType", inspect.unwrap(body))
    return {next(iter(inspect.signature(method.__func__).parameters)): owner, **bound.arguments}
