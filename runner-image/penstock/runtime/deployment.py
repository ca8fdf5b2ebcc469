"""What the run is one of: the runs of a Flow in a cluster, or of a deployment that is served.

Of a flow that was simply called, everything is ``None``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.runs import FlowRun
from penstock.runtime.reading import flow_around, told

__all__ = ["flow_run_id", "id", "name", "parameters", "version"]

id: str | None  # noqa: A001 - Prefect's name
"""``<namespace>/<name>`` in a cluster; the name of what is served."""
name: str | None
"""Name of the Flow object, or of the deployment."""
version: str | None
"""What ``@flow(version=…)`` says."""
parameters: dict[str, Any]
"""What the run was given, without the function's defaults; empty without a deployment."""
flow_run_id: str | None


def __getattr__(asked: str) -> Any:
    return told("deployment", asked, _READERS, flow_around())


def __dir__() -> list[str]:
    return sorted(__all__)


_READERS: dict[str, Callable[[FlowRun | None], object]] = {
    "id": lambda run: run.deployed.id if run and run.deployed else None,
    "name": lambda run: run.deployed.name if run and run.deployed else None,
    "version": lambda run: run.deployed.version if run and run.deployed else None,
    "parameters": lambda run: dict(run.deployed.parameters) if run and run.deployed else {},
    "flow_run_id": lambda run: run.id if run else None,
}
