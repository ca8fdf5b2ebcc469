"""What the key of a cached result is made of: policies under Prefect's names, and their sums."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import CodeType
from typing import Any, Final

from penstock.absent import refuse_absent
from penstock.engine.cache_terms import CacheQuestion
from penstock.engine.digest import digest_of, undigestible
from penstock.engine.locking import LockManager
from penstock.engine.transaction_terms import IsolationLevel
from penstock.errors import PenstockError

__all__ = [
    "DEFAULT",
    "FLOW_PARAMETERS",
    "INPUTS",
    "NO_CACHE",
    "RUN_ID",
    "TASK_SOURCE",
    "CachePolicy",
    "task_input_hash",
]

KeyFunction = Callable[[CacheQuestion, dict[str, Any]], str | None]
KeyPart = Callable[[CacheQuestion, frozenset[str]], object]


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """A sum of parts; equal keys mean that a result may be taken for another."""

    parts: tuple[KeyPart, ...] = ()
    excluded: frozenset[str] = frozenset()
    """Parameters of the task that do not count."""
    key_storage: object = None
    """Where results are kept under their keys: a path, a URL or a file system."""
    isolation_level: IsolationLevel | None = None
    lock_manager: LockManager | None = None

    @staticmethod
    def from_cache_key_fn(cache_key_fn: KeyFunction) -> CachePolicy:
        """Return the policy of a function of the context and the parameters."""
        return CachePolicy((lambda question, _: key_of_function(cache_key_fn, question),))

    def __add__(self, other: CachePolicy) -> CachePolicy:
        mine = parts_of(self)
        return CachePolicy(
            mine + tuple(part for part in parts_of(other) if part not in mine),
            self.excluded | other.excluded,
            *(_one_of(self, other, name) for name in _CONFIGURED),
        )

    def configure(
        self,
        *,
        key_storage: object = None,
        isolation_level: IsolationLevel | str | None = None,
        lock_manager: LockManager | None = None,
    ) -> CachePolicy:
        """Return the policy with another place, isolation level or lock manager.

        With ``SERIALIZABLE``, tasks of one key run one at a time: the next waits, and takes the
        result of the first. Results in memory, in ``$PENSTOCK_HOME`` or in a folder need no lock
        manager.
        """
        level = IsolationLevel(isolation_level) if isolation_level else self.isolation_level
        return replace(
            self,
            key_storage=key_storage or self.key_storage,
            isolation_level=level,
            lock_manager=lock_manager or self.lock_manager,
        )

    def __sub__(self, parameter: str) -> CachePolicy:
        if not isinstance(parameter, str):
            raise TypeError("Subtract the name of a parameter: INPUTS - 'verbose'.")
        with_inputs = self if _inputs in self.parts else self + INPUTS
        return replace(with_inputs, excluded=with_inputs.excluded | {parameter})

    def compute_key(
        self,
        task_ctx: CacheQuestion,
        inputs: Mapping[str, Any],
        flow_parameters: Mapping[str, Any],
        **_: Any,
    ) -> str | None:
        """Return the key, or ``None`` where nothing is to be cached.

        A class of your own overrides it; ``task_ctx`` has ``task``, ``task_run`` and
        ``parameters``.
        """
        parts = [part(task_ctx, self.excluded) for part in self.parts]
        return digest_of(parts).hex() if parts else None


def key_of_function(function: KeyFunction, question: CacheQuestion) -> str | None:
    """Ask a ``cache_key_fn`` for the key of a call."""
    key = function(question, dict(question.parameters))
    if not isinstance(key, str | None):
        raise TypeError(f"cache_key_fn returned {key!r}, and a key is a text, or None.")
    return key


def parts_of(policy: CachePolicy) -> tuple[KeyPart, ...]:
    """Return what a policy's key is made of: for one that computes its own, that key."""
    if type(policy).compute_key is CachePolicy.compute_key:
        return policy.parts
    return (lambda question, _: key_by(policy, question),)


def key_by(policy: CachePolicy, question: CacheQuestion) -> str | None:
    """Ask a policy for the key of a call."""
    return policy.compute_key(question, dict(question.parameters), dict(question.flow_parameters))


_CONFIGURED = ("key_storage", "isolation_level", "lock_manager")


def _one_of(one: CachePolicy, other: CachePolicy, name: str) -> Any:
    mine, yours = getattr(one, name), getattr(other, name)
    if mine is not None and yours is not None and mine != yours:
        raise ValueError(f"Policies with different values of {name} cannot be added.")
    return yours if mine is None else mine


def _inputs(question: CacheQuestion, excluded: frozenset[str]) -> object:
    inputs = {name: v for name, v in question.parameters.items() if name not in excluded}
    return question.identity, _digest_of_each(inputs, of=question.task_run.task_name)


def _flow_parameters(question: CacheQuestion, _: frozenset[str]) -> object:
    return "flow", _digest_of_each(question.flow_parameters, of="the flow")


def _task_source(question: CacheQuestion, _: frozenset[str]) -> object:
    return source_of(question.body)


def _run_id(question: CacheQuestion, _: frozenset[str]) -> object:
    flow_run = question.task_run.flow_run
    return flow_run.id if flow_run else os.urandom(16).hex()


def _digest_of_each(parameters: Mapping[str, object], *, of: str) -> dict[str, bytes]:
    for name, value in parameters.items():
        unknown = undigestible(value)
        if unknown is not None:
            raise PenstockError(
                f"the argument {name} of {of} holds a {unknown.__qualname__}, which cannot be "
                f"compared across runs; exclude it by INPUTS - {name!r}, give a cache_key_fn, or "
                f"give {unknown.__name__} a __penstock_key__."
            )
    return {name: digest_of(value) for name, value in parameters.items()}


def source_of(body: Callable[..., object]) -> object:
    """Return the source of a function, or its byte code where there is no file."""
    code = getattr(inspect.unwrap(body), "__code__", None)
    if code is None:
        return getattr(body, "__qualname__", type(body).__qualname__)
    return _source_of_code(code)


@lru_cache(maxsize=1024)
def _source_of_code(code: CodeType) -> object:
    """Read the source once: it takes longer than most look-ups, and the file may change."""
    try:
        return inspect.getsource(code)
    except (OSError, TypeError):
        return _content_of(code)


def _content_of(code: CodeType) -> object:
    constants = [_content_of(c) if isinstance(c, CodeType) else c for c in code.co_consts]
    return code.co_code, code.co_names, constants


def task_input_hash(context: CacheQuestion, parameters: Mapping[str, object]) -> str:
    """Use as ``cache_key_fn``: the task's inputs and its source decide."""
    return digest_of([_task_source(context, frozenset()), _inputs(context, frozenset())]).hex()


INPUTS: Final = CachePolicy((_inputs,))
"""Which task, and what it is called with."""
TASK_SOURCE: Final = CachePolicy((_task_source,))
RUN_ID: Final = CachePolicy((_run_id,))
"""Which flow run; a task outside of any is never cached by it."""
FLOW_PARAMETERS: Final = CachePolicy((_flow_parameters,))
DEFAULT: Final = INPUTS + TASK_SOURCE + RUN_ID
NO_CACHE: Final = CachePolicy()


refuse_absent(globals())
