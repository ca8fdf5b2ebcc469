"""One attempt of a body in another process: packed here, run there, and unpacked here again.

All that Penstock asks of a worker is ``run_parcel``: bytes in, bytes out. The run, its retries and
its journal stay here; in the body, nested tasks are plain calls. What it logs and the artifacts and
events that it makes come back with its result.
"""

from __future__ import annotations

import importlib
import logging
import os
import pickle
import sys
from contextlib import suppress
from functools import cache
from importlib.machinery import PathFinder
from inspect import signature
from typing import TYPE_CHECKING, NamedTuple, cast

from penstock.drivers.holding import holds_slots
from penstock.drivers.places import HearingPlace, Place
from penstock.drivers.run_facts import TaskFacts, facts_of
from penstock.drivers.tagging import current_tags
from penstock.engine.ending import Ending
from penstock.engine.records import Kept
from penstock.errors import RemoteError, UnpicklableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.drivers.call import LiveCall
    from penstock.drivers.patience import Patience
    from penstock.drivers.scope import Scope

PROCESS = os.urandom(8)
"""Tells a worker that lives in the driver's own process from one that does not."""

_LOGGER = logging.getLogger("penstock")
_PLAIN = frozenset({type(None), bool, int, float, str, bytes})


class Parcel(NamedTuple):
    """What a worker needs to know to run one attempt."""

    body: Callable[..., object] | tuple[str, str]
    """The function, or the module and the name that lead to it."""
    args: tuple[object, ...]
    kwargs: dict[str, object]
    run: TaskFacts
    tags: frozenset[str]
    holding: int
    log_prints: bool
    log_level: int
    process: bytes
    values: dict[str, object]
    """What was set in the transactions around."""


class Answer(NamedTuple):
    """How the attempt ended, and what it left."""

    value: object
    error: BaseException | None
    left: Left


class Left(NamedTuple):
    """What a body logged, the records that it made, and what it set in its transaction."""

    lines: list[dict[str, object]]
    records: list[Kept]
    values: dict[str, object]
    beats: list[object]
    """The last heartbeat, where none comes home while the body runs."""

    def keep_beat(self, payload: object) -> None:
        """Take note of a heartbeat in the place of the one before."""
        self.beats[:] = [payload]


def run_elsewhere(
    call: LiveCall,
    scope: Scope,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    *,
    place: Place,
    patience: Patience | None,
) -> Ending:
    """Run one attempt at ``place``, while the calling thread waits for it."""
    try:
        parcel = _packed(call, scope, args, kwargs, place=place)
        sent = _run_at(place, parcel, scope=scope, patience=patience)
        answer = cast("Answer", pickle.loads(sent))  # noqa: S301 - our own worker's
    except TimeoutError as error:
        if patience is None:
            return Ending(error=error)
        scope.abandoned = True
        return patience.ran_out()
    except BaseException as error:  # whatever it is, the core decides what it means
        return Ending(error=error)
    _take_over(answer.left, scope)
    return Ending(answer.value, error=answer.error)


def _run_at(place: Place, parcel: bytes, *, scope: Scope, patience: Patience | None) -> bytes:
    if isinstance(place, HearingPlace):
        return place.run_heard(parcel, listener=_Listener(scope, patience))
    return place.run(parcel, timeout=patience.left_in_all() if patience else None)


class _Listener:
    """Hears the heartbeats of a body that runs elsewhere."""

    def __init__(self, scope: Scope, patience: Patience | None) -> None:
        from penstock.drivers.beats import Beats

        self._patience = patience
        self._beats = scope.beats = Beats(scope)

    def begin(self) -> None:
        if self._patience is not None:
            self._patience.begin()
            self._beats.renew = self._patience.renew

    def beat(self, payload: bytes) -> None:
        self._beats.beat(pickle.loads(payload))  # noqa: S301 - our own worker's

    def left(self) -> float | None:
        return None if self._patience is None else self._patience.left()


def _take_over(left: Left, scope: Scope) -> None:
    """Log here what was logged there, and keep what was made there."""
    for line in left.lines:
        logging.getLogger(cast("str", line["name"])).handle(logging.makeLogRecord(line))
    if left.records:
        from penstock.drivers.recording import adopt

        for record in left.records:
            adopt(record, scope=scope)
    if left.beats:
        from penstock.drivers.beats import Beats

        scope.beats = Beats(scope)
        scope.beats.beat(left.beats[0])
    if left.values:
        from penstock.drivers.transacting import keep_values

        keep_values(left.values, scope=scope)


def _packed(
    call: LiveCall,
    scope: Scope,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    *,
    place: Place,
) -> bytes:
    run, body = call.run, call.definition.body
    reference = _reference_to(body) if place.shares_modules else None
    parcel = Parcel(
        reference or body,
        args,
        kwargs,
        run=facts_of(scope),
        tags=current_tags.get(),
        holding=int(holds_slots(scope)),
        log_prints=scope.log_prints,
        log_level=_LOGGER.getEffectiveLevel(),
        process=PROCESS,
        values=scope.transaction.visible_values() if scope.transaction else {},
    )
    try:
        return dumped(parcel, plain=reference is not None and _are_plain(args, kwargs))
    except Exception as error:
        raise UnpicklableError(_blame(body, args, kwargs, error, name=run.name)) from error


def _are_plain(args: tuple[object, ...], kwargs: dict[str, object]) -> bool:
    return all(type(value) in _PLAIN for value in (*args, *kwargs.values()))


def dumped(value: object, *, plain: bool = False) -> bytes:
    """Return a value as it travels between processes."""
    if plain:  # several times as fast, and the same for what needs no code of the author's
        return pickle.dumps(value, protocol=5)
    import cloudpickle

    return cast("bytes", cloudpickle.dumps(value, protocol=5))


def _blame(
    body: Callable[..., object],
    args: tuple[object, ...],
    kwargs: dict[str, object],
    error: Exception,
    *,
    name: str,
) -> str:
    """Say which part of the call cannot be sent."""
    try:
        arguments = signature(body).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        arguments = {**{f"number {n}": value for n, value in enumerate(args, 1)}, **kwargs}
    for argument, value in arguments.items():
        try:
            dumped(value)
        except Exception as reason:
            return (
                f"The argument {argument} of {name} cannot be sent to another process "
                f"({reason}); make it in the task, or use the ThreadPoolTaskRunner."
            )
    return (
        f"The function of {name} cannot be sent to another process ({error}): it uses something "
        "from around it that cannot be pickled; make that in the task."
    )


def _reference_to(body: Callable[..., object]) -> tuple[str, str] | None:
    """Return module and name of a body that a worker can import; ``None`` if it cannot."""
    module, name = getattr(body, "__module__", None), getattr(body, "__qualname__", "")
    if not isinstance(module, str) or not _importable(module):
        return None
    found = _named(sys.modules.get(module), name)
    return (module, name) if found is body or _body_of(found) is body else None


@cache
def _importable(module: str) -> bool:
    """Tell whether a fresh interpreter with this ``sys.path`` would find the same module."""
    parent, _, _ = module.rpartition(".")
    loaded = sys.modules.get(module)
    if module == "__main__" or loaded is None or (parent and not _importable(parent)):
        return False
    path = getattr(sys.modules.get(parent), "__path__", None) if parent else None
    with suppress(Exception):
        spec = PathFinder.find_spec(module, path)
        own = getattr(loaded, "__file__", None)
        return spec is not None and (own is None or spec.origin == own)
    return False


def _named(found: object, name: str) -> object:
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _body_of(found: object) -> object:
    """Return the body of a flow or task, and anything else as it is."""
    definition = getattr(found, "definition", None)
    return getattr(definition, "body", found)


# The worker's side.


def run_parcel(parcel: bytes) -> bytes:
    """Run one attempt in this process and return how it ended; never raises."""
    left = Left([], [], {}, [])
    name = "A task"
    try:
        unpacked = cast("Parcel", pickle.loads(parcel))  # noqa: S301 - the driver's
        name = unpacked.run.name
        body = unpacked.body
        if isinstance(body, tuple):
            body = _named(importlib.import_module(body[0]), body[1])  # type: ignore[assignment]
    except BaseException as error:
        trouble = RemoteError(f"{name} could not be unpacked by its worker: {error!r}")
        return dumped(Answer(None, trouble, left))
    from penstock.drivers.remote_body import run_body

    value, failure = run_body(unpacked, cast("Callable[..., object]", _body_of(body)), left)
    is_plain = failure is None and type(value) in _PLAIN and not left.beats
    try:
        return dumped(Answer(value, failure, left), plain=is_plain)
    except Exception as reason:
        message = (
            f"The result of {name}, a {type(value).__name__}, cannot be sent back ({reason}); "
            "return something that can be pickled."
        )
        return dumped(Answer(None, UnpicklableError(message), left))
