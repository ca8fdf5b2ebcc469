"""What strikes the cluster itself, one thing after another, while programs play on it.

Which, in which order and for how long follows from the seed; when they strike a program does not.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Self

from tests.chaos.cluster import SPACE
from tests.chaos.faults import MOST_KILLS
from tests.chaos.stage import Stage
from tests.chaos.strikes import ask
from tests.chaos.watching import patiently

CALM = (2.0, 8.0)
"""Seconds between two strikes."""


class Nemesis:
    """Strikes in a thread of its own; `history` tells what it did, and when."""

    def __init__(self, stage: Stage, *, seed: str, strikes: Sequence[str] = ()) -> None:
        """Strike by those kinds alone that are named, if any are."""
        self._stage = stage
        kinds = self._all_kinds()
        if unknown := set(strikes) - set(kinds):
            raise ValueError(f"Nothing strikes by {sorted(unknown)}. Choose of {list(kinds)}.")
        self._kinds = {name: kinds[name] for name in strikes or kinds}
        self._rng = Random(f"nemesis {seed}")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nemesis")
        self._kills: Counter[str] = Counter()
        self.history: list[tuple[float, str]] = []
        self.errors: list[str] = []

    def __enter__(self) -> Self:
        self._stage.is_calm = False
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Finish the strike under way: the cluster is whole afterwards."""
        self._ended.set()
        self._thread.join()
        self._stage.is_calm = True

    def since(self, moment: float) -> list[str]:
        """Return what it did since a moment of the monotonic clock."""
        return [f"{at:9.3f} {what}" for at, what in list(self.history) if at >= moment]

    def _all_kinds(self) -> dict[str, Callable[[], None]]:
        kinds: dict[str, Callable[[], None]] = {
            "kill-operator": self._kill_operator,
            "kill-operators": self._kill_operators,
            "pause-operator": self._pause_operator,
            "two-leaders": self._two_leaders,
            "pause-apiserver": lambda: self._pause("kube-apiserver"),
            "pause-etcd": lambda: self._pause("etcd"),
            "kill-apiserver": lambda: self._kill("kube-apiserver"),
            "kill-etcd": lambda: self._kill("etcd"),
            "pause-controllers": lambda: self._pause("kube-controller-manager"),
            "stop-kubelet": self._stop_kubelet,
            "drain": self._drain,
            "delete-job": self._delete_job,
            "delete-pod": self._delete_pod,
            "pause-runner": self._pause_runner,
        }
        if self._stage.interception is None:  # then nobody else strikes runs
            kinds |= {
                "kill-runner": self._kill_runner,
                "suspend-run": self._suspend_run,
                "cancel-run": self._cancel_run,
            }
        return kinds

    def _run(self) -> None:
        due: list[str] = []
        while not self._ended.wait(self._rng.uniform(*CALM)):
            due = due or self._rng.sample(
                list(self._kinds), len(self._kinds)
            )  # each before any again
            self._note(kind := due.pop())
            self._stage.strike(kind)
            try:
                self._kinds[kind]()
            except Exception as error:
                self.errors.append(f"{kind}: {error!r}")
            self._note(f"{kind} is over")

    def _note(self, what: str) -> None:
        self.history.append((time.monotonic(), what))

    # Operators

    def _kill_operator(self) -> None:
        self._stage.operators.kill_one()

    def _kill_operators(self) -> None:
        with self._stage.operators.away():
            self._last(self._rng.uniform(0.5, 10))

    def _pause_operator(self) -> None:
        self._stage.operators.pause(self._rng.uniform(1, 20))

    def _two_leaders(self) -> None:
        with self._stage.operators.rogue():
            self._last(self._rng.uniform(5, 12))

    # The control plane

    def _pause(self, component: str) -> None:
        self._stage.components.pause(component, self._rng.uniform(0.5, 8))

    def _kill(self, component: str) -> None:
        components = self._stage.components
        components.kill(component)
        self._last(self._rng.uniform(0, 4))
        components.start(component)
        components.wait_until_ready()
        # After some outages Kubernetes' own clients look for the server once a minute only; with an
        # elected leader the controllers would have ended by now, and been started again.
        components.kill("kube-controller-manager")
        components.start("kube-controller-manager")

    # Nodes

    def _stop_kubelet(self) -> None:
        nodes = self._stage.nodes
        name = self._rng.choice(nodes.names)
        nodes.stop(name)
        self._last(self._rng.uniform(2, nodes.grace + 15))
        nodes.go_on(name)

    def _drain(self) -> None:
        nodes = self._stage.nodes
        name = self._rng.choice(nodes.names)
        nodes.cordon(name)
        for pod in nodes.pods():
            if pod["spec"].get("nodeName") == name:
                self._evict(pod["metadata"]["name"])
        self._last(self._rng.uniform(1, 6))
        nodes.uncordon(name)

    def _evict(self, pod: str) -> None:
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
        path = f"/api/v1/namespaces/{SPACE}/pods/{pod}/eviction"
        with suppress(Exception):
            self._stage.api.request("POST", path, body)

    # Runs

    def _delete_job(self) -> None:
        jobs = patiently(lambda: self._stage.api.get(f"/apis/batch/v1/namespaces/{SPACE}/jobs"))
        running = [job for job in jobs["items"] if job["status"].get("active")]
        if running:
            name = self._rng.choice(running)["metadata"]["name"]
            policy = {"propagationPolicy": self._rng.choice(("Background", "Foreground"))}
            with suppress(Exception):
                path = f"/apis/batch/v1/namespaces/{SPACE}/jobs/{name}"
                self._stage.api.request("DELETE", path, policy)

    def _delete_pod(self) -> None:
        if pods := self._stage.nodes.pods():
            pod = self._rng.choice(pods)["metadata"]["name"]
            with suppress(Exception):
                path = f"/api/v1/namespaces/{SPACE}/pods/{pod}"
                grace = {"gracePeriodSeconds": self._rng.choice((0, 1, 5))}
                self._stage.api.request("DELETE", path, grace)

    def _pause_runner(self) -> None:
        if processes := self._stage.nodes.processes():
            one = self._rng.choice(processes)
            one.signal(signal.SIGSTOP)
            self._last(self._rng.uniform(1, 15))
            one.signal(signal.SIGCONT)

    def _kill_runner(self) -> None:
        processes = self._stage.nodes.processes()
        mortal = [each for each in processes if self._kills[each.run] < MOST_KILLS]
        if mortal:
            one = self._rng.choice(mortal)
            self._kills[one.run] += 1
            one.signal(signal.SIGKILL)

    def _suspend_run(self) -> None:
        if playing := sorted(self._stage.playing):
            run = self._rng.choice(playing)
            ask(self._stage.api, run, suspend=True)
            self._last(self._rng.uniform(0.2, 6))
            ask(self._stage.api, run, suspend=False)

    def _cancel_run(self) -> None:
        if playing := sorted(self._stage.playing):
            ask(self._stage.api, self._rng.choice(playing), cancel=True)

    def _last(self, seconds: float) -> None:
        """Let the strike last; less, where everything is to end."""
        self._ended.wait(seconds)
