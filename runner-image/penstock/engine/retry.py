"""The retry rule: which failed attempts are followed by another, and after how long.

Only failures are retried. A crash or a cancellation is somebody's will; a task whose inputs failed
would find them failed again, and arguments that do not fit would not fit then. The condition, user
code, is asked last: it may cost time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from penstock.states import State

if TYPE_CHECKING:
    from penstock.engine.definition import RetryPolicy


@dataclass(frozen=True, slots=True)
class AttemptsUsed:
    """How far a call had come when its process went away."""

    attempts: int
    """How many attempts had failed."""
    retry_at: datetime
    """When the next one was due."""


def may_retry(policy: RetryPolicy, *, attempt: int, state: State[object]) -> bool:
    """Tell whether the policy allows another attempt after attempt number ``attempt``, from 1."""
    return attempt <= policy.retries and state.is_failed()


def never_began(body: Callable[..., object], state: State[object]) -> bool:
    """Tell whether Python refused the arguments, as it would again: no line of the body ran."""
    error, name = state.data, getattr(body, "__qualname__", None)
    is_bare = type(error) is TypeError and error.__traceback__ is None
    return is_bare and name is not None and str(error).startswith(f"{name}() ")


def delay_before_retry(policy: RetryPolicy, *, retry: int, spread: float) -> float:
    """Return the seconds to wait before retry number ``retry``, from 1.

    ``spread`` is drawn at random from [0, 1). Jitter only lengthens a delay: what an author
    laid down as the pause that a server needs is never cut short.
    """
    if not policy.delays:
        return 0.0
    delay = policy.delays[min(retry, len(policy.delays)) - 1]
    return delay * (1 + policy.jitter_factor * spread)
