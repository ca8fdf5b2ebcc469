"""What the author of a flow or task laid down: the body and the rules for running it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum

from penstock.engine.cache_terms import CacheRule
from penstock.engine.hooks import Hooks
from penstock.engine.results import Persistence
from penstock.engine.runs import TaskRun
from penstock.states import State

Condition = Callable[[TaskRun, State[object]], bool | Awaitable[bool]]
"""Asked after a failed attempt whether another one makes sense."""


class Kind(Enum):
    """What a body is to the engine."""

    FLOW = "flow"
    TASK = "task"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often, and how long after a failure, a body is run again."""

    retries: int = 0
    """How many attempts may follow the first."""
    delays: tuple[float, ...] = (0.0,)
    """Seconds before each retry; the last holds for all that follow."""
    jitter_factor: float = 0.0
    """A delay is stretched by up to this part of itself, at random."""
    condition: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A flow or task as the engine sees it."""

    kind: Kind
    name: str
    identity: str
    """Tells bodies apart in a journal: the name and the function's ``__qualname__``."""
    is_keyed: bool = False
    """The author named the identity (``task_key``), and answers for which calls are equal."""
    is_strict: bool | None = None
    """Whether what may lead a resumed run astray is an error; ``None``: as in the caller's."""
    body: Callable[..., object]
    is_async: bool
    stream: Callable[..., object] | None = None
    """The generator function, if it is one; ``body`` then returns the list of its items."""
    retry: RetryPolicy
    timeout_seconds: float | None
    """Active time that one attempt may take."""
    total_timeout_seconds: float | None = None
    """Time that all attempts of a task may take, delays and lost processes included."""
    heartbeat_timeout_seconds: float | None = None
    """Time that a task's body may take without a word."""
    run_name: Callable[[tuple[object, ...], dict[str, object]], str] | None
    """Makes the run's name of the arguments."""
    tags: frozenset[str] = frozenset()
    at_most_once: bool = False
    """Whether the body never runs again in a run once it has begun."""
    version: str | None = None
    hooks: Hooks = field(default_factory=Hooks)
    cache: CacheRule | None = None
    persistence: Persistence | None = None
    author: object = None
    """The flow or task that was made of the function; for hooks, contexts and keys."""
    log_prints: bool | None
    """Whether ``print`` in the body goes to the run's log; ``None``: as in the caller's."""
