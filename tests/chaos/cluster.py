"""What a stage and a nemesis need of a cluster: `emulated` has it, and so has `real`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from tests.integration.apiserver import Object

SPACE = "chaos"
"""The namespace of all programs."""
RUN_LABEL = "penstock.dev/run"


class Process(Protocol):
    """What a pod runs."""

    @property
    def pod(self) -> str: ...

    @property
    def run(self) -> str: ...

    def signal(self, number: int) -> bool:
        """Send a signal; return whether the process was there."""


class Nodes(Protocol):
    """Where pods are processes, and what can be done to that."""

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def grace(self) -> float:
        """Seconds of silence after which a node counts as lost."""

    def pods(self, run: str = "") -> list[Object]: ...

    def processes(self, run: str = "") -> Sequence[Process]: ...

    def log_of(self, pod_uid: str) -> str: ...

    def skew_of(self, pod_uid: str) -> int:
        """Return the seconds by which the clock of a pod is, or was, wrong."""

    def stop(self, name: str) -> None:
        """Stop a node's kubelet; its pods go on."""

    def go_on(self, name: str) -> None: ...

    def cordon(self, name: str) -> None: ...

    def uncordon(self, name: str) -> None: ...


class Operators(Protocol):
    """Two of them, one of which acts."""

    def kill_one(self) -> None: ...

    def away(self) -> AbstractContextManager[None]:
        """Let there be none for a while."""

    def pause(self, seconds: float) -> None:
        """Stop one for a while; it goes on with what it knew."""

    def rogue(self) -> AbstractContextManager[None]:
        """Let one more act beside the leader, as nobody should: it has a Lease of its own."""


class Components(Protocol):
    """etcd, the API server, the controllers."""

    def pause(self, component: str, seconds: float) -> None: ...

    def kill(self, component: str) -> None: ...

    def start(self, component: str) -> None: ...

    def wait_until_ready(self) -> None: ...
