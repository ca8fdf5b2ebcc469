"""A stage on this machine alone: real control plane, operators and runners, nodes of our own.

Runners and operators reach the API server through a proxy, so that planned faults can strike a run
at any of its requests.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import count
from pathlib import Path
from random import Random

from tests.chaos import clocks, kubelet, operators
from tests.chaos.cluster import SPACE
from tests.chaos.controlplane import ControlPlane
from tests.chaos.interception import Interception
from tests.chaos.kubelet import Node, Nodes
from tests.chaos.ledger import Ledger, short_works
from tests.chaos.observers import Observers
from tests.chaos.operators import Operators
from tests.chaos.proxy import Proxy
from tests.chaos.stage import Stage
from tests.chaos.strikes import Strikes
from tests.chaos.volumes import journals_in
from tests.chaos.watching import line_to
from tests.integration.apiserver import ApiServer

IN_STORE = {"persistentVolumeClaim": {"claimName": "journals"}}
_NUMBERS = count(1)
"""Of the stages of this process: one may stand while another is set."""


@contextmanager
def emulated_stage(
    seed: str,
    folder: Path,
    *,
    pythonpath: str = "",
    in_store: bool = False,
    clocks_are_wrong: bool = False,
) -> Iterator[Stage]:
    """Bring everything up, and take it down in the end.

    `in_store` keeps journals on a volume, instead of in JournalSegments.
    """
    pythonpath = pythonpath or os.environ.get("PYTHONPATH", "")
    rng = Random(f"stage {seed}")
    store = folder / "store"
    shim = clocks.built_shim(folder)
    of_runners = clocks.OF_RUNNERS if clocks_are_wrong else clocks.RIGHT
    of_operators = clocks.OF_OPERATORS if clocks_are_wrong else clocks.RIGHT
    code: dict[str, str] = {}
    with ExitStack() as stack:
        name = f"chaos-{os.getpid()}-{next(_NUMBERS)}"
        plane = stack.enter_context(ControlPlane.up(name, folder))
        api = plane.api
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
        api.create("/api/v1/namespaces", space)
        ledger = stack.enter_context(Ledger(seconds=short_works(Random(seed))))
        interception = Interception(ledger)
        proxy = stack.enter_context(
            Proxy(
                plane.kubeconfig,
                folder / "proxy",
                judge=interception.judge,
                witness=interception.witness,
            )
        )
        line = kubelet.Line(
            "127.0.0.1", proxy.port, proxy.authority, pythonpath, code, shim, of_runners
        )
        nodes = stack.enter_context(_nodes(plane, folder, line, rng))
        observers = stack.enter_context(
            Observers(line_to(plane.kubeconfig), ledger, journals=journals_in(store))
        )
        authority = folder / "proxy/ca.crt"
        to_operators = operators.Line(api, proxy.port, authority, pythonpath, shim, of_operators)
        acting = stack.enter_context(Operators(to_operators, folder, rng=rng))
        stage = Stage(api, ledger, nodes, plane, acting, observers, str(store), interception, code)
        interception.begin(nodes, Strikes(api, nodes), operators=acting.token, count=stage.strike)
        stage.furnish({"store": IN_STORE} if in_store else {})
        _wait_for(nodes, api)
        yield stage


def _nodes(
    plane: ControlPlane, folder: Path, line: kubelet.Line, rng: Random
) -> AbstractContextManager[Nodes]:
    nodes = [
        Node(line_to(plane.kubeconfig), name, folder / name, line) for name in ("node-1", "node-2")
    ]
    return Nodes(nodes, rng=rng).running()


def _wait_for(nodes: Nodes, api: ApiServer) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = api.get("/api/v1/nodes")["items"]
        if len(found) == len(nodes.names) and not any(each["spec"].get("taints") for each in found):
            return
        time.sleep(0.2)
    raise AssertionError("The nodes do not become ready.")
