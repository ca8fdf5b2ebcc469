"""The persistence rule: which results outlive their call, and in which store.

A task that says nothing keeps nothing. A cached one keeps its results in memory, unless the
WorkPool has a store, ``$PENSTOCK_HOME`` is set, or it, or the flow around it, names a place or
says ``persist_result=True``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from penstock.engine.cache_terms import CacheQuestion, CacheRule, Keeping
from penstock.engine.definition import Definition
from penstock.engine.locking import LockManager
from penstock.engine.results import Persistence
from penstock.errors import PenstockError
from penstock.filesystems import (
    FileSystem,
    LocalFileSystem,
    filesystem_for,
    results_of_pool,
)
from penstock.home import home, home_if_set
from penstock.results import MEMORY, ResultStore
from penstock.serializers import Serializer, serializer_for


def persistence_of(options: Mapping[str, Any]) -> Persistence | None:
    """Return what the options of a flow or task say, if any; raise for what cannot be.

    To name a place, a serializer or a key is to ask for persistence, as in Prefect.
    """
    storage, serializer = options.get("result_storage"), options.get("result_serializer")
    persist, in_memory = options.get("persist_result"), options.get("cache_result_in_memory")
    key = options.get("result_storage_key")
    implied = any(each is not None for each in (storage, serializer, key)) or None
    if persist is None and in_memory is None and implied is None:
        return None
    return Persistence(
        persist=implied if persist is None else persist,
        storage=filesystem_for(storage) if storage is not None else None,
        serializer=serializer_for(serializer) if serializer is not None else None,
        in_memory=in_memory,
    )


def keeping_of(definition: Definition, *, around: Persistence | None) -> Keeping | None:
    """Return how a call of this task, in a flow that says ``around``, keeps its result."""
    own = definition.persistence or Persistence()
    said = own.within(around)
    is_cached = definition.cache is not None
    if own.persist is False or not (is_cached or said.persist):
        return None
    rule = definition.cache or _BY_RUN
    place = rule.storage if said.storage is None else said.storage
    if place is None:
        place = results_of_pool()
    if place is None and (said.persist or home_if_set() is not None):
        place = home()
    if said.persist is not False and place is not None:
        store = _store(place, said.serializer, bool(said.in_memory))
        return Keeping(rule, store, _locks(rule, place))
    return None if said.in_memory is False else Keeping(rule, MEMORY, _locks(rule, None))


def _locks(rule: CacheRule, place: object) -> LockManager | None:
    return (rule.locks or locks_beside(place)) if rule.is_serial else None


def locks_beside(place: object) -> LockManager:
    """Return the locks for results in a place: ``None`` is the memory, a path is a home."""
    if place is None:
        from penstock.locking.memory import MemoryLockManager

        return MemoryLockManager()
    from penstock.locking.filesystem import FileSystemLockManager

    if isinstance(place, Path):
        return FileSystemLockManager(place / "locks")
    if isinstance(place, LocalFileSystem):
        return FileSystemLockManager(place.basepath / ".locks")
    raise PenstockError(
        f"Results in {place!r} have no locks of their own, which SERIALIZABLE needs: give them "
        "by configure(isolation_level=…, lock_manager=…)."
    )


def _key_of_run(question: CacheQuestion) -> str:
    run = question.task_run
    return run.id if run.flow_run else f"{run.id}-{uuid4().hex}"


_BY_RUN = CacheRule(key_of=_key_of_run, expiration=None, refresh=True)
"""Where no key says what a result may stand for: kept under the task run's id, for reading only."""


class _Same:
    """An object of an author's as a key: it may compare as it likes, or have no hash."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def _store(place: object, serializer: object, in_memory: bool) -> ResultStore:
    key = place if isinstance(place, Path) else _Same(place)
    return _store_of(key, _Same(serializer), in_memory)


@lru_cache(maxsize=256)
def _store_of(place: Path | _Same, serializer: _Same, in_memory: bool) -> ResultStore:
    return ResultStore(
        result_storage=cast("FileSystem", place.value) if isinstance(place, _Same) else None,
        result_serializer=cast("Serializer | None", serializer.value),
        cache_result_in_memory=in_memory,
    )
