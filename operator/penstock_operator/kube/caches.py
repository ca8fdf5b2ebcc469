"""The latest known version of each watched object.

Two sources feed a cache: the watch, and the answers to our own writes (read your writes). They come
in any order, so the higher resourceVersion wins, and what has left stays away: a late answer or a
late event must not raise a deleted object from the dead.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from penstock_operator.kube.resources import (
    FLOWS,
    JOBS,
    LIMITS,
    POOLS,
    RUNS,
    SCHEDULES,
    SIGNALS,
    Resource,
)
from penstock_operator.kube.trimming import shared, trim_job, trim_run, trim_signal
from penstock_operator.model.states import TERMINAL_STATES, SignalState, WaitKind
from penstock_operator.reconcile.names import DEFAULT_POOL, RUN_LABEL, SCHEDULE_LABEL

Object = dict[str, Any]

_GONE_REMEMBERED = 20_000


class Name(NamedTuple):
    """A namespaced name."""

    namespace: str
    name: str


def name_of(obj: Object) -> Name:
    meta = obj["metadata"]
    return Name(meta.get("namespace", ""), meta["name"])


def uid_of(obj: Object) -> str:
    return str(obj["metadata"].get("uid", ""))


def version_of(obj: Object) -> int:
    """Return an object's resourceVersion; the API server lets them be compared since 1.35,
    and etcd has made them rising integers since ever."""
    return int(obj["metadata"].get("resourceVersion") or 0)


def _nothing(_: Object) -> Iterable[str]:
    return ()


def _always(_: Object) -> bool:
    return True


def _as_it_is(obj: Object) -> Object:
    return obj


class Cache:
    """Objects of one kind by name, with one index.

    `index` names what an object belongs to (a run's flow, parent and schedule, a Job's run), within
    its namespace.
    `belongs` tells whether an object is one that the watch would show: what is not is gone.
    `trimmed` leaves out what no plan reads, so that ten thousand objects fit into memory.
    """

    def __init__(
        self,
        *,
        index: Callable[[Object], Iterable[str]] = _nothing,
        belongs: Callable[[Object], bool] = _always,
        trimmed: Callable[[Object], Object] = _as_it_is,
    ) -> None:
        self._objects: dict[Name, Object] = {}
        self._index = index
        self._belongs = belongs
        self._trimmed = trimmed
        self._members: dict[Name, set[Name]] = {}
        self._gone: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[Object]:
        return iter(list(self._objects.values()))

    def get(self, name: Name) -> Object | None:
        return self._objects.get(name)

    def names(self) -> list[Name]:
        return list(self._objects)

    def owners(self) -> list[Name]:
        """Return the names under which anything is indexed."""
        return list(self._members)

    def members(self, owner: Name) -> list[Object]:
        """Return the objects indexed under a name, in the order of their names."""
        return [self._objects[name] for name in sorted(self._members.get(owner, ()))]

    def has(self, obj: Object) -> bool:
        """Tell whether a version of an object, or a later one, has been taken in."""
        version, known = version_of(obj), self._objects.get(name_of(obj))
        if version <= self._gone.get(uid_of(obj), -1):
            return True
        return known is not None and version_of(known) >= version

    def put(self, obj: Object) -> bool:
        """Take in a version of an object; return whether it was news."""
        if self.has(obj):
            return False
        if not self._belongs(obj):
            return self.remove(obj)
        self._forget(name_of(obj))
        trimmed = shared(self._trimmed(_without_managed_fields(obj)))
        self._objects[name_of(obj)] = trimmed
        for owner in self._index(trimmed):
            member_of = Name(name_of(obj).namespace, owner)
            self._members.setdefault(member_of, set()).add(name_of(obj))
        return True

    def remove(self, obj: Object) -> bool:
        """Take out an object that was deleted or left the selector; return whether it was in."""
        name, uid = name_of(obj), uid_of(obj)
        self._gone[uid] = max(version_of(obj), self._gone.get(uid, -1))
        self._gone.move_to_end(uid)
        while len(self._gone) > _GONE_REMEMBERED:
            self._gone.popitem(last=False)
        known = self._objects.get(name)
        if known is None or uid_of(known) != uid or version_of(known) > version_of(obj):
            return False
        self._forget(name)
        return True

    def _forget(self, name: Name) -> None:
        known = self._objects.pop(name, None)
        if known is None:
            return
        for owner in self._index(known):
            member_of = Name(name.namespace, owner)
            members = self._members.get(member_of, set())
            members.discard(name)
            if not members:
                self._members.pop(member_of, None)


def _without_managed_fields(obj: Object) -> Object:
    if "managedFields" not in obj["metadata"]:
        return obj
    meta = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": meta}


def children_of(run: Name) -> Name:
    """Return under what the children of a run are indexed: a flow is never called so."""
    return Name(run.namespace, f"children/{run.name}")


def successors_of(run: Name) -> Name:
    """Return under what the runs are indexed that go on from a run, or from a chain's first."""
    return Name(run.namespace, f"successors/{run.name}")


def waiting_for(limit: Name) -> Name:
    """Return under what the runs are indexed that wait for a ConcurrencyLimit."""
    return Name(limit.namespace, f"limits/{limit.name}")


def reruns_of(run: Name) -> Name:
    """Return under what the runs are indexed that begin with what a run has stored."""
    return Name(run.namespace, f"reruns/{run.name}")


def made_by(schedule: Name) -> Name:
    """Return under what the runs of a Schedule are indexed."""
    return Name(schedule.namespace, f"schedules/{schedule.name}")


def schedule_of(run: Object) -> str:
    """Return the name of the Schedule that made a run, or nothing."""
    return text_at(run, "metadata", "labels", SCHEDULE_LABEL)


def _owners_of_run(run: Object) -> Iterable[str]:
    yield _flow_of(run)
    if parent := text_at(run, "spec", "parentRef", "name"):
        yield children_of(Name("", parent)).name
    if before := text_at(run, "spec", "rerunOf", "name"):
        yield reruns_of(Name("", before)).name
    for name in {text_at(run, "spec", "continuedFrom", each) for each in ("name", "first")}:
        if name:
            yield successors_of(Name("", name)).name
    if text_at(run, "status", "waitingFor", "kind") == WaitKind.CONCURRENCY_LIMIT:
        yield waiting_for(Name("", text_at(run, "status", "waitingFor", "name"))).name
    if schedule := schedule_of(run):
        yield made_by(Name("", schedule)).name


def _runs_of_limit(limit: Object) -> Iterable[str]:
    status = limit.get("status")
    if isinstance(status, dict):
        for entry in (*(status.get("holders") or ()), *(status.get("waiting") or ())):
            yield text_at(entry, "holder")


def _flow_of(obj: Object) -> str:
    return text_at(obj, "spec", "flowRef", "name")


def _flow_of_schedule(schedule: Object) -> Iterable[str]:
    return [_flow_of(schedule)]


def _pool_of(flow: Object) -> Iterable[str]:
    return [text_at(flow, "spec", "workPoolRef", "name") or DEFAULT_POOL]


def _run_of(job: Object) -> Iterable[str]:
    return [text_at(job, "metadata", "labels", RUN_LABEL)]


def _is_unfinished(run: Object) -> bool:
    return text_at(run, "status", "state") not in TERMINAL_STATES


def run_of_signal(signal: Object) -> str:
    """Return the run that is to get a signal: one that goes on from the one that was meant."""
    meant = text_at(signal, "spec", "flowRunRef", "name")
    return text_at(signal, "status", "forwardedTo") or meant


def _runs_of_signal(signal: Object) -> Iterable[str]:
    return [run_of_signal(signal)]


def _is_unsettled(signal: Object) -> bool:
    state = text_at(signal, "status", "state")
    return state not in (SignalState.CONSUMED, SignalState.REJECTED)


def text_at(obj: Any, *path: str) -> str:
    """Read a string out of an object that nobody has checked."""
    for key in path:
        obj = obj.get(key) if isinstance(obj, dict) else None
    return obj if isinstance(obj, str) else ""


class Caches:
    """What the watches have shown: all Flows, WorkPools, Schedules and ConcurrencyLimits, the
    unfinished runs, their Jobs, and the signals that nobody has settled."""

    def __init__(self) -> None:
        self.flows = Cache(index=_pool_of)
        self.pools = Cache()
        self.runs = Cache(index=_owners_of_run, belongs=_is_unfinished, trimmed=trim_run)
        self.jobs = Cache(index=_run_of, trimmed=trim_job)
        self.schedules = Cache(index=_flow_of_schedule)
        self.limits = Cache(index=_runs_of_limit)
        self.signals = Cache(index=_runs_of_signal, belongs=_is_unsettled, trimmed=trim_signal)

    def of(self, resource: Resource) -> Cache:
        return {
            FLOWS: self.flows,
            POOLS: self.pools,
            RUNS: self.runs,
            JOBS: self.jobs,
            SCHEDULES: self.schedules,
            LIMITS: self.limits,
            SIGNALS: self.signals,
        }[resource]
