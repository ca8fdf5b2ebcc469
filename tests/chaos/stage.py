"""Everything around a program while it plays: cluster, nodes, operators, ledger, faults.

with Stage.set("1", folder) as stage:
    played = stage.play(random_program("1-0"), random_faults("1-0"))
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos import clocks, kubelet, operators
from tests.chaos.controlplane import ControlPlane
from tests.chaos.faults import Asked, Fault, Planned
from tests.chaos.invariants import TERMINAL, Story, violations_of
from tests.chaos.kubelet import Node, Nodes
from tests.chaos.ledger import Fact, Ledger, short_works
from tests.chaos.model import Expected, expected_of
from tests.chaos.observers import Observers
from tests.chaos.operators import Operators
from tests.chaos.program import Program
from tests.chaos.proxy import Proxy
from tests.chaos.source import CHILD, SOURCE_OF_CHILD, source_of
from tests.chaos.strikes import Strikes
from tests.chaos.volumes import journals_in
from tests.chaos.watching import line_to, patiently
from tests.integration.apiserver import GROUP, ApiServer, Object, Refused

SPACE = "chaos"
BOUND = 240.0
"""Seconds within which a run has to be over, outages of the cluster included."""
TIDY = 120.0
"""Seconds within which nothing of a deleted run may be left."""
GRACE = 5
"""Seconds that a pod has to leave."""


_NUMBERS = count(1)
"""Of the stages of this process: one may stand while another is set."""


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
    """Built by `set`; any number of programs may play on it at once."""

    plane: ControlPlane
    ledger: Ledger
    folder: Path
    rng: Random
    pythonpath: str
    in_store: bool = False
    """Whether journals are on a volume, instead of in JournalSegments."""
    operators: Operators = field(init=False)
    nodes: Nodes = field(init=False)
    observers: Observers = field(init=False)
    strikes: Strikes = field(init=False)
    is_calm: bool = True
    """Whether nothing strikes the cluster itself."""
    faults: Counter[str] = field(default_factory=Counter)
    """How often each kind has struck."""
    _planned: dict[str, dict[int, Planned]] = field(default_factory=dict)
    _asked: Counter[str] = field(default_factory=Counter)
    _struck: dict[str, list[str]] = field(default_factory=dict)
    _runs_of_tokens: dict[str, str] = field(default_factory=dict)
    _code: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    @contextmanager
    def set(
        cls,
        seed: str,
        folder: Path,
        *,
        pythonpath: str = "",
        in_store: bool = False,
        clocks_are_wrong: bool = False,
    ) -> Iterator[Stage]:
        """Bring everything up, and take it down in the end."""
        pythonpath = pythonpath or os.environ.get("PYTHONPATH", "")
        rng = Random(f"stage {seed}")
        with ExitStack() as stack:
            plane = stack.enter_context(
                ControlPlane(f"chaos-{os.getpid()}-{next(_NUMBERS)}", folder)
            )
            ledger = stack.enter_context(Ledger(seconds=short_works(Random(seed))))
            stage = cls(plane, ledger, folder, rng, pythonpath, in_store)
            stage._furnish(stack, clocks_are_wrong=clocks_are_wrong)
            yield stage

    @property
    def api(self) -> ApiServer:
        """The API server, on a line without faults."""
        return self.plane.api

    def play(
        self, program: Program, faults: Sequence[Planned] = (), *, pythonpath: str = ""
    ) -> Played:
        """Run a program to its end, with its own Penstock if that is given, and judge it."""
        began = time.monotonic()
        run = f"p{program.seed}".lower()
        if pythonpath:
            self._code[run] = pythonpath
        expected = expected_of(program)
        self._planned[run] = {each.number: each for each in faults}
        self._struck[run] = []
        self._create_flow(run, source_of(program))
        self._create("flowruns", "FlowRun", run, {"flowRef": {"name": run}})
        threading.Thread(target=self._send_signals, args=(run, expected.waits), daemon=True).start()
        violations = self._wait_for_end(run) + self._wait_for_children(run)
        answers = self._answers_of(run) if expected.answers else {}
        story = self._story_of(run, expected, answers)
        violations += violations_of(story)
        logs = self._logs_of(run) if violations else ""
        violations += self._clear(run)
        played = Played(
            program,
            faults,
            violations,
            story.facts,
            self._struck.pop(run),
            logs,
            time.monotonic() - began,
            self._asked[run],
        )
        self._forget(run)
        return played

    def _story_of(self, run: str, expected: Expected, answers: dict[str, object]) -> Story:
        facts = self.ledger.of(run)
        pods = {fact.facts.get("pod", "") for fact in facts}
        return Story(
            expected,
            facts,
            sorted(self.observers.journal(run)),
            answers,
            skews={pod: self.nodes.skew_of(pod) for pod in pods},
            cluster_is_calm=self.is_calm,
        )

    def strike(self, kind: str) -> None:
        """Count a fault."""
        with self._lock:
            self.faults[kind] += 1

    def _furnish(self, stack: ExitStack, *, clocks_are_wrong: bool) -> None:
        api = self.api
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
        api.create("/api/v1/namespaces", space)
        proxy = stack.enter_context(
            Proxy(self.plane.kubeconfig, self.folder / "proxy", judge=self._judge)
        )
        shim = clocks.built_shim(self.folder)
        line = kubelet.Line(
            "127.0.0.1",
            proxy.port,
            proxy.authority,
            self.pythonpath,
            self._code,
            shim,
            clocks.OF_RUNNERS if clocks_are_wrong else clocks.RIGHT,
        )
        nodes = [
            Node(self._own_line(), name, self.folder / name, line) for name in ("node-1", "node-2")
        ]
        self.nodes = Nodes(nodes, namespace=SPACE, rng=self.rng)
        self.strikes = Strikes(api, self.nodes, namespace=SPACE)
        stack.enter_context(self.nodes.running())
        self.observers = stack.enter_context(
            Observers(
                self._own_line(),
                self.ledger,
                namespace=SPACE,
                journals=journals_in(self.folder / "store"),
            )
        )
        authority = self.folder / "proxy/ca.crt"
        skews = clocks.OF_OPERATORS if clocks_are_wrong else clocks.RIGHT
        to_operators = operators.Line(api, proxy.port, authority, self.pythonpath, shim, skews)
        self.operators = stack.enter_context(
            Operators(to_operators, self.folder, namespace=SPACE, rng=self.rng)
        )
        template = {"spec": {"terminationGracePeriodSeconds": GRACE}}
        store = {"store": {"persistentVolumeClaim": {"claimName": "journals"}}}
        spec = {"podTemplate": template} | (store if self.in_store else {})
        self._create("workpools", "WorkPool", "default", spec)
        self._create_flow(CHILD, SOURCE_OF_CHILD)
        self._wait_for_nodes()

    def _own_line(self) -> ApiServer:
        return line_to(self.plane.kubeconfig)

    def _wait_for_nodes(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            nodes = self.api.get("/api/v1/nodes")["items"]
            if len(nodes) == 2 and not any(node["spec"].get("taints") for node in nodes):
                return
            time.sleep(0.2)
        raise AssertionError("The nodes do not become ready.")

    # Requests of runners and operators

    def _judge(self, asked: Asked) -> Fault | None:
        run = self._run_of(asked)
        if run is None:
            return None
        with self._lock:
            self._asked[run] += 1
            number = self._asked[run]
            planned = self._planned.get(run, {}).get(number)
        if planned is None:
            return None
        fault = self.strikes.of(planned, run, method=asked.method)
        if fault is not None:
            self.strike(planned.kind)
            self._struck[run].append(f"{planned}: {asked.method} {asked.path}")
            self.ledger.note(
                run, "fault", what_=str(planned), request=f"{asked.method} {asked.path}"
            )
        return fault

    def _run_of(self, asked: Asked) -> str | None:
        token = asked.authorization.removeprefix("Bearer ")
        if token == self.operators.token:
            return None
        if token not in self._runs_of_tokens:
            for process in self.nodes.processes():
                held = (process.log.parent / "token").read_text()
                self._runs_of_tokens[held] = process.run
        return self._runs_of_tokens.get(token)

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
            "CHAOS_STORE": str(self.folder / "store"),
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
        label = {"labelSelector": f"{kubelet.RUN_LABEL}={run}"}
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

    def _forget(self, run: str) -> None:
        self._planned.pop(run, None)
        self._asked.pop(run, None)
        self.ledger.forget(run)
        self.observers.forget(run)


def _delete(api: ApiServer, path: str) -> None:
    try:
        api.request("DELETE", path, {"propagationPolicy": "Background"})
    except Refused as refused:
        if refused.status != 404:
            raise
