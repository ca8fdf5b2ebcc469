"""What the key of a cached result is made of: policies under Prefect's names, and their sums."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from penstock.absent import refuse_absent
from penstock.engine.caching import CacheQuestion
from penstock.engine.digest import digest_of, undigestible
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

KeyPart = Callable[[CacheQuestion, frozenset[str]], object]


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """A sum of parts; equal keys mean that a result may be taken for another."""

    parts: tuple[KeyPart, ...] = ()
    excluded: frozenset[str] = frozenset()
    """Parameters of the task that do not count."""

    def __add__(self, other: CachePolicy) -> CachePolicy:
        new = tuple(part for part in other.parts if part not in self.parts)
        return CachePolicy(self.parts + new, self.excluded | other.excluded)

    def __sub__(self, parameter: str) -> CachePolicy:
        if not isinstance(parameter, str):
            raise TypeError("Subtract the name of a parameter: INPUTS - 'verbose'.")
        with_inputs = self if _inputs in self.parts else self + INPUTS
        return replace(with_inputs, excluded=with_inputs.excluded | {parameter})

    def compute_key(self, question: CacheQuestion) -> str | None:
        """Return the key, or ``None`` where nothing is to be cached."""
        parts = [part(question, self.excluded) for part in self.parts]
        return digest_of(parts).hex() if parts else None


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
                f"compared across runs; exclude it by INPUTS - {name!r} or give a cache_key_fn."
            )
    return {name: digest_of(value) for name, value in parameters.items()}


def source_of(body: Callable[..., object]) -> object:
    """Return the source of a function, or its byte code where there is no file."""
    try:
        return inspect.getsource(body)
    except (OSError, TypeError):
        code: Any = getattr(body, "__code__", None)
        return code.co_code if code else getattr(body, "__qualname__", type(body).__qualname__)


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
