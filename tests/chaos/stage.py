"""A cluster, a ledger and who watches: where programs play, and are judged.

with emulated_stage("1", folder) as stage:
    played = stage.play(random_program("1-0"), random_faults("1-0"))
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.chaos.cluster import RUN_LABEL, SPACE, Components, Nodes, Operators
from tests.chaos.faults import Planned
from tests.chaos.interception import Interception
from tests.chaos.invariants import TERMINAL, Story, violations_of
from tests.chaos.ledger import Fact, Ledger
from tests.chaos.model import Expected, expected_of
from tests.chaos.observers import Observers
from tests.chaos.program import Program
from tests.chaos.slots import LEASE, LIMITS
from tests.chaos.source import CHILD, SOURCE_OF_CHILD, source_of
from tests.chaos.watching import patiently
from tests.integration.apiserver import GROUP, ApiServer, Object, Refused

BOUND = 600.0
"""Seconds within which a run has to be over: minutes of outages and of a busy machine included."""
TIDY = 240.0
"""Seconds within which nothing of a deleted run may be left."""


@dataclass(frozen=True, slots=True)
class Played:
    """What became of a program."""

    program: Program
    faults: Sequence[Planned]
    violations: Sequence[str]
    facts: Sequence[Fact]
    struck: Sequence[str]
    """Planned faults that really struck."""
    logs: str
    seconds: float
    requests: int
    """That its runners made."""
    left_out: Sequence[str] = ()
    """Parts of the program of its seed, and of the faults (`shrinking`)."""


@dataclass(slots=True)
class Stage:
    """Any number of programs may play on it at once."""

    api: ApiServer
    """On a line without faults."""
    ledger: Ledger
    nodes: Nodes
    components: Components
    operators: Operators
    observers: Observers
    store: str
    """The folder for cached results that every pod sees."""
    interception: Interception | None = None
    """Who lets planned faults strike, where requests of runners can be seen."""
    code: dict[str, str] = field(default_factory=dict)
    """Another PYTHONPATH, by run."""
    is_calm: bool = True
    """Whether nothing strikes the cluster itself."""
    faults: Counter[str] = field(default_factory=Counter)
    """How often each kind has struck."""
    playing: set[str] = field(default_factory=set)
    """Runs that are not over."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def furnish(self, pool: Object, **pod: Any) -> None:
        """Create what all programs share: the pool, with what its pods have, limits, the child.

        A pod has the usual thirty seconds to leave: of few, a busy machine leaves none to roll back
        what was cancelled.
        """
        self._create("workpools", "WorkPool", "default", pool | {"podTemplate": {"spec": pod}})
        for name, slots in LIMITS.items():
            lasting = {"limit": slots, "leaseDurationSeconds": LEASE, "tag": name}
            self._create("concurrencylimits", "ConcurrencyLimit", name, lasting)
        self._create_flow(CHILD, SOURCE_OF_CHILD)

    def strike(self, kind: str) -> None:
        """Count a fault."""
        with self._lock:
            self.faults[kind] += 1

    def play(
        self, program: Program, faults: Sequence[Planned] = (), *, pythonpath: str = ""
    ) -> Played:
        """Run a program to its end, with its own Penstock if that is given, and judge it."""
        began, was_calm = time.monotonic(), self.is_calm
        run = f"p{program.seed}".lower()
        if pythonpath:
            self.code[run] = pythonpath
        if self.interception:
            self.interception.plan(run, faults)
        expected = expected_of(program)
        self._create_flow(run, source_of(program))
        self._create("flowruns", "FlowRun", run, {"flowRef": {"name": run}})
        self.playing.add(run)
        threading.Thread(target=self._send_signals, args=(run, expected.waits), daemon=True).start()
        violations = self._wait_for_end(run) + self._wait_for_children(run)
        violations += self._wait_for_slots(run)
        self.playing.discard(run)
        answers = self._answers_of(run) if expected.answers else {}
        story = self._story_of(run, expected, answers, was_calm=was_calm)
        violations += violations_of(story)
        logs = self._logs_of(run) if violations else ""
        violations += self._clear(run)
        struck, requests = self.interception.end(run) if self.interception else ((), 0)
        self.ledger.forget(run)
        self.observers.forget(run)
        seconds = time.monotonic() - began
        return Played(program, faults, violations, story.facts, struck, logs, seconds, requests)

    def _story_of(
        self, run: str, expected: Expected, answers: dict[str, object], *, was_calm: bool
    ) -> Story:
        facts = self.ledger.of(run)
        pods = {fact.facts.get("pod", "") for fact in facts}
        return Story(
            expected,
            facts,
            sorted(self.observers.journal(run)),
            answers,
            skews={pod: self.nodes.skew_of(pod) for pod in pods},
            stays=self.ledger.slots.around(run),
            cluster_is_calm=was_calm,
        )

    # A run from its beginning to its end

    def _path(self, plural: str, name: str = "") -> str:
        path = f"{GROUP}/namespaces/{SPACE}/{plural}"
        return f"{path}/{name}" if name else path

    def _create(self, plural: str, kind: str, name: str, spec: Object) -> None:
        body = {"apiVersion": "penstock.dev/v1alpha1", "kind": kind, "metadata": {"name": name}}

        def create() -> None:
            try:
                self.api.create(self._path(plural), body | {"spec": spec})
            except Refused as refused:
                if refused.status != 409:
                    raise

        patiently(create)

    def _create_flow(self, name: str, source: str) -> None:
        env = {
            "CHAOS_LEDGER": self.ledger.address,
            "CHAOS_STORE": self.store,
            "PENSTOCK_LINGER_SECONDS": "0.5",
        }
        spec: dict[str, Any] = {
            "source": {"inline": {"files": {"flow.py": source}}},
            "entrypoint": "flow.py:main",
            "env": [{"name": key, "value": value} for key, value in env.items()],
            "maxRecoveries": 1000,
        }
        self._create("flows", "Flow", name, spec)

    def _send_signals(self, run: str, waits: dict[str, str]) -> None:
        rng = Random(f"signals {run}")
        for number, (wait, name) in enumerate(sorted(waits.items())):
            time.sleep(rng.choice((0, 0, 0.5, 3)))
            spec = {
                "flowRunRef": {"name": run},
                "name": name,
                "payload": f"{name}-{number}",
                "sender": "admin",
            }
            self._create("signals", "Signal", f"{run}-{wait}", spec)

    def _wait_for_end(self, run: str) -> list[str]:
        deadline = time.monotonic() + BOUND
        while time.monotonic() < deadline:
            if self.observers.status(run).get("state") in TERMINAL:
                return self._wait_for_silence(run)
            time.sleep(0.1)
        return [f"progress: {run} is not over after {BOUND} s"]

    def _wait_for_silence(self, run: str) -> list[str]:
        """Wait until its last pod has left: what it still does counts."""
        deadline = time.monotonic() + TIDY
        while time.monotonic() < deadline:
            if not self.nodes.processes(run):
                return []
            time.sleep(0.1)
        return [f"no_orphans: processes of {run} are there {TIDY} s after its end"]

    def _wait_for_children(self, run: str) -> list[str]:
        """Wait until its children have ended too: none of them may outlive it."""
        deadline = time.monotonic() + TIDY
        while True:
            states = [child.get("status", {}).get("state", "") for child in self._children_of(run)]
            left = [state for state in states if state not in TERMINAL]
            if not left:
                return []
            if time.monotonic() > deadline:
                return [f"no_orphans: children are {left} {TIDY} s after the end of {run}"]
            time.sleep(0.2)

    def _wait_for_slots(self, run: str) -> list[str]:
        """Wait until it neither holds slots nor waits for any, as nobody does whose run is over."""
        deadline = time.monotonic() + TIDY
        while left := self._slots_of(run):
            if time.monotonic() > deadline:
                return [f"no_orphans: {run} stands in limits {TIDY} s after its end: {left}"]
            time.sleep(0.2)
        return []

    def _slots_of(self, run: str) -> list[Object]:
        limits = patiently(lambda: self.api.get(self._path("concurrencylimits")))["items"]
        statuses = [each.get("status") or {} for each in limits]
        entries = [
            entry
            for status in statuses
            for entry in (*status.get("holders", ()), *status.get("waiting", ()))
        ]
        return [entry for entry in entries if entry["holder"] == run]

    def _children_of(self, run: str) -> list[Object]:
        label = {"labelSelector": f"penstock.dev/parent={run}"}
        found: list[Object] = patiently(lambda: self.api.get(self._path("flowruns"), **label))[
            "items"
        ]
        return found

    def _answers_of(self, run: str) -> dict[str, object]:
        """Return what was answered to each signal, once all are settled, or it takes too long."""
        deadline = time.monotonic() + TIDY
        while True:
            signals = self._signals_of(run)
            settled = [each for each in signals if each["status"]["state"] != "Pending"]
            if len(settled) == len(signals) or time.monotonic() > deadline:
                return {each["spec"]["payload"]: each["status"].get("answer") for each in settled}
            time.sleep(0.2)

    def _signals_of(self, run: str) -> list[Object]:
        found = patiently(lambda: self.api.get(self._path("signals")))["items"]
        return [each for each in found if each["spec"]["flowRunRef"]["name"] == run]

    def _clear(self, run: str) -> list[str]:
        names = [child["metadata"]["name"] for child in self._children_of(run)]
        for plural, name in (*(("flowruns", each) for each in (run, *names)), ("flows", run)):
            patiently(lambda plural=plural, name=name: _delete(self.api, self._path(plural, name)))
        for each in self._signals_of(run):
            path = self._path("signals", each["metadata"]["name"])
            patiently(lambda path=path: _delete(self.api, path))
        deadline = time.monotonic() + TIDY
        while left := self._left_of(run):
            if time.monotonic() > deadline:
                return [f"no_orphans: {left} are there {TIDY} s after {run} was deleted"]
            time.sleep(0.3)
        return []

    def _left_of(self, run: str) -> list[str]:
        label = {"labelSelector": f"{RUN_LABEL}={run}"}
        jobs = patiently(lambda: self.api.get(f"/apis/batch/v1/namespaces/{SPACE}/jobs", **label))
        pods = patiently(lambda: self.api.get(f"/api/v1/namespaces/{SPACE}/pods", **label))
        segments = patiently(
            lambda: self.api.get(self._path("journalsegments"), fieldSelector=f"spec.run={run}")
        )
        found = [
            item["metadata"]["name"] for each in (jobs, pods, segments) for item in each["items"]
        ]
        return found + [f"process of {each.pod}" for each in self.nodes.processes(run)]

    def _logs_of(self, run: str) -> str:
        pods = dict.fromkeys(
            fact["pod"] for fact in self.ledger.of(run) if fact.what in ("begin", "status")
        )
        return "\n".join(f"--- {pod}\n{self.nodes.log_of(pod)}" for pod in pods if pod)


def _delete(api: ApiServer, path: str) -> None:
    try:
        api.request("DELETE", path, {"propagationPolicy": "Background"})
    except Refused as refused:
        if refused.status != 404:
            raise
