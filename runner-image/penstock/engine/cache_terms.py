"""What the cache rule speaks of: the question for a key, how results are kept, and where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from penstock.engine.locking import LockManager
from penstock.engine.results import Results
from penstock.engine.runs import TaskRun


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheQuestion:
    """The call whose key is asked for."""

    task_run: TaskRun
    identity: str
    body: Callable[..., object]
    parameters: Mapping[str, object]
    flow_parameters: Mapping[str, object]

    @property
    def task(self) -> Any:
        """The task that is called."""
        return self.task_run.task


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRule:
    """How the results of one task are kept."""

    key_of: Callable[[CacheQuestion], str | None]
    """Makes the key; ``None``: do not cache."""
    expiration: timedelta | None
    refresh: bool
    """Whether the body runs even if there is a result, and replaces it."""
    storage: object = None
    """Where results are kept, if the policy says: a file system."""
    is_serial: bool = False
    """Whether calls of equal keys run one at a time."""
    locks: LockManager | None = None
    """What sees to that, if the policy says."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where the result of one call is kept, and by which rule."""

    rule: CacheRule
    results: Results
    locks: LockManager | None = None
    """Set where calls of equal keys are to run one at a time."""
