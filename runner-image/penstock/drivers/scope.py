"""Which body is running: found through a context variable by every engine call."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING

from penstock.engine.identity import Branch, CallKey
from penstock.engine.runs import FlowRun
from penstock.errors import AmbiguousOrder, CancelledRun, TaskAbandoned

if TYPE_CHECKING:
    from penstock.drivers.activity import Activity
    from penstock.drivers.beats import Beats
    from penstock.drivers.context import RunContext
    from penstock.drivers.frame import Frame
    from penstock.drivers.slots import Slots
    from penstock.engine.runs import TaskRun
    from penstock.engine.transactions import Transaction
    from penstock.journal.protocol import Journal


Arguments = tuple[tuple[object, ...], dict[str, object]]


class Scope:
    """One attempt of one body. Engine calls made inside belong to it."""

    __slots__ = (
        "abandoned",
        "arguments",
        "beats",
        "body",
        "branch",
        "cancel_raised",
        "context",
        "frame",
        "holds_slots",
        "is_beside",
        "journal",
        "key",
        "log_prints",
        "origin",
        "parent",
        "path",
        "repeats",
        "run",
        "slots",
        "token",
        "transaction",
    )

    def __init__(
        self,
        run: FlowRun | TaskRun,
        *,
        body: Callable[..., object],
        arguments: Arguments,
        path: str,
        parent: Scope | None,
        origin: Scope | None,
        context: RunContext | None,
        frame: Frame | None,
        journal: Journal | None,
        log_prints: bool,
        slots: Slots | None,
        transaction: Transaction | None = None,
    ) -> None:
        self.run = run
        self.body = body
        self.arguments = arguments
        """What the body is called with: positional and keyword arguments, futures resolved."""
        self.path = path
        """Names the body in the keys of its calls."""
        self.parent = parent
        """The scope whose body made this call."""
        self.origin = origin or self
        """The outermost body of the same stack: the root flow, or a submitted task."""
        self.context = context
        self.frame = frame
        """The nearest flow's; ``None`` in a task called outside any flow."""
        self.journal = journal
        self.log_prints = log_prints
        self.slots = slots
        """Where the stack's place among the running bodies is counted; of an origin only."""
        self.branch = Branch(path)
        """Counts the calls that the body makes."""
        self.holds_slots = False
        """Whether the body has slots of the limits of its tags."""
        self.repeats = False
        """Whether this body, or one around it, is retried: then its calls are made again."""
        self.abandoned = False
        """Nobody waits for this body any more: its time ran out."""
        self.cancel_raised: bool = parent is not None and parent.origin.cancel_raised
        """Of an origin: its stack has met the cancellation; later engine calls work again."""
        self.key: CallKey | None = None
        """Names the call whose attempt this is, where there is a journal."""
        self.beats: Beats | None = None
        """Set once the body has sent a heartbeat, or where one is waited for."""
        self.transaction = transaction
        """What the body's call is part of, or is itself; see ``penstock.drivers.transacting``."""
        self.is_beside = False
        """This is no attempt, but a hook that is called in the run's name."""
        self.token: Token[Scope | None] | None = None

    def open_branch(self) -> Branch:
        """Return what counts the calls that are made here and now: a block's, or the body's."""
        block = open_scope.get()
        return block[1] if block is not None and block[0] is self else self.branch

    def draw(
        self,
        *,
        identity: str,
        digest: str = "",
        ordinal: int | None = None,
        branch: Branch | None = None,
    ) -> CallKey:
        """Return the key of a call that nothing but its number tells from equal ones.

        Where two threads or asyncio tasks make such calls, each number would be whose came first.
        """
        branch = branch or self.open_branch()
        if branch.is_shared(identity=identity, digest=digest, drawer=_drawer()):
            self._warn_of_order(identity)
        return branch.draw(identity=identity, digest=digest, ordinal=ordinal)

    def _warn_of_order(self, identity: str) -> None:
        message = (
            f"{self.run.name} calls {identity} from more than one thread or asyncio task, and only "
            "their order tells these calls apart: when the run is taken up again, one may get the "
            'other\'s result. Give each of them a scope of its own: with scope("a"): …'
        )
        if self.frame is not None and self.frame.strict:
            raise AmbiguousOrder(message)
        warnings.warn(message, AmbiguousOrder, stacklevel=4)

    def parking(self) -> Activity | None:
        """Return where a wait of this body is noted: a flow's that no task is waiting for."""
        context = self.context
        if context is None or context.activity is None:
            return None
        is_flow = isinstance(self.run, FlowRun) and isinstance(self.origin.run, FlowRun)
        return context.activity if is_flow else None

    def check(self) -> None:
        """Raise what must end this body; every engine call begins here."""
        scope: Scope | None = self
        while scope is not None:
            if scope.abandoned:
                raise TaskAbandoned(f"{self.run.name} ran out of time; nobody waits for it.")
            scope = scope.parent
        self.check_cancelled()

    def check_cancelled(self) -> None:
        """Raise ``CancelledRun`` if the run is cancelled and this stack does not know yet."""
        context, origin = self.context, self.origin
        if context is None or context.cancel_message is None or origin.cancel_raised:
            return
        origin.cancel_raised = True
        raise CancelledRun(context.cancel_message)

    def __enter__(self) -> None:
        self.token = current_scope.set(self)

    def __exit__(self, *_: object) -> None:
        assert self.token is not None
        current_scope.reset(self.token)


current_scope: ContextVar[Scope | None] = ContextVar("penstock_scope", default=None)

open_block: ContextVar[tuple[Scope | None, Transaction] | None] = ContextVar(
    "penstock_transaction", default=None
)
"""The innermost ``with transaction()`` around, and the body that it stands in."""


open_scope: ContextVar[tuple[Scope, Branch] | None] = ContextVar("penstock_block", default=None)
"""The innermost ``with scope()`` around, and the body that it stands in."""


def _drawer() -> object:
    """Return the asyncio task that runs, or outside of them the thread."""
    asyncio = sys.modules.get("asyncio")
    loop = asyncio._get_running_loop() if asyncio is not None else None  # noqa: SLF001 - public in CPython for this
    if asyncio is None or loop is None:
        return threading.current_thread()
    return asyncio.current_task(loop) or loop


def epoch_in(scope: Scope | None) -> str:
    """Return which attempts of a body, and of those around it, are going on."""
    attempts: list[str] = []
    while scope is not None:
        attempts.append(str(scope.run.run_count))
        scope = scope.parent
    return ".".join(reversed(attempts))


def enter_engine() -> Scope | None:
    """Return the scope of the calling body, after raising what must end it."""
    scope = current_scope.get()
    if scope is not None:
        scope.check()
    return scope
