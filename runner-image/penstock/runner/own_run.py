"""The one object that this pod may read and write: its FlowRun."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.runner.apiserver import Answer, ApiServer
from penstock.runner.environment import Environment

API_VERSION = "penstock.dev/v1alpha1"


class OwnRun:
    """The pod's FlowRun behind the API server; every call is one request."""

    def __init__(self, environment: Environment, *, server: ApiServer) -> None:
        self._name = environment.run
        self._namespace = environment.namespace
        self._path = (
            f"/apis/{API_VERSION}/namespaces/{environment.namespace}/flowruns/{environment.run}"
        )
        self._server = server

    def read(self, *, timeout: float | None = None) -> Answer:
        """Read the run as it is now."""
        return self._server.get(self._path, timeout=timeout)

    def report(self, execution: Mapping[str, Any], *, timeout: float | None = None) -> Answer:
        """Write `status.execution`; what it does not hold any more is removed."""
        body = {
            "apiVersion": API_VERSION,
            "kind": "FlowRun",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "status": {"execution": execution},
        }
        # Forced: the operator never writes `status.execution`, so there is nobody to take it from.
        path = f"{self._path}/status?fieldManager=penstock-runner&force=true"
        return self._server.apply(path, body, timeout=timeout)
