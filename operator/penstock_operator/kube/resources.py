"""The kinds the operator talks about, and where the API server keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from penstock_operator.model.states import TERMINAL_STATES, SignalState


@dataclass(frozen=True, slots=True)
class Resource:
    """A namespaced kind of the API server."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self,
        *,
        namespace: str | None = None,
        name: str | None = None,
        subresource: str | None = None,
    ) -> str:
        """Return the URL path of one object, or of all in a namespace, or of all there are."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace is not None:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part is not None]
        return "/" + "/".join(quote(part, safe="") for part in parts)


FLOWS = Resource("penstock.dev", "v1alpha1", "flows", "Flow")
RUNS = Resource("penstock.dev", "v1alpha1", "flowruns", "FlowRun")
POOLS = Resource("penstock.dev", "v1alpha1", "workpools", "WorkPool")
SCHEDULES = Resource("penstock.dev", "v1alpha1", "schedules", "Schedule")
LIMITS = Resource("penstock.dev", "v1alpha1", "concurrencylimits", "ConcurrencyLimit")
SIGNALS = Resource("penstock.dev", "v1alpha1", "signals", "Signal")
JOBS = Resource("batch", "v1", "jobs", "Job")
PODS = Resource("", "v1", "pods", "Pod")
EVENTS = Resource("", "v1", "events", "Event")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")

UNFINISHED = ",".join(f"status.state!={state}" for state in TERMINAL_STATES)
"""Field selector of the runs that are watched; a run that ends leaves the watch as DELETED."""

UNSETTLED = f"status.state!={SignalState.CONSUMED},status.state!={SignalState.REJECTED}"
"""Field selector of the signals that are watched; what became of the others is written."""

OF_A_RUN = "penstock.dev/run"
"""Label selector of the Jobs that are watched."""
