"""Where this process stands: what the operator told the pod through its environment.

The Job sets every variable read here, and a user's own variables cannot override them. Two more
exist for tests and for unusual pods: `PENSTOCK_CREDENTIALS_DIR` and `PENSTOCK_SNAPSHOT_DIR` move
the two mounts elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CREDENTIALS_DIR = "/var/run/secrets/penstock.dev/serviceaccount"
SNAPSHOT_DIR = "/var/run/penstock/flow"
REQUIRED = (
    "PENSTOCK_NAMESPACE",
    "PENSTOCK_RUN",
    "PENSTOCK_ATTEMPT",
    "PENSTOCK_POD_NAME",
    "PENSTOCK_POD_UID",
    "KUBERNETES_SERVICE_HOST",
)


class NotInPodError(Exception):
    """The environment is not one that Penstock's operator made."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The run, the attempt and the pod that this process stands for."""

    namespace: str
    run: str
    flow: str
    attempt: int
    pod_name: str
    pod_uid: str
    grace_seconds: float
    """How long the kubelet waits between SIGTERM and SIGKILL."""
    server_host: str
    server_port: int
    credentials: Path
    """Holds `token`, which the kubelet renews, and `ca.crt`."""
    snapshot: Path
    """Holds `launch.json` and, for inline and configMap source, the files under `src/`."""
    linger_seconds: float
    """Waits that are shorter are waited for in this pod."""
    result_preview: bool
    """Whether the report may show the result, to whoever may read runs."""
    journals_are_full: bool = False
    """Whether the namespace's journals take as much as they may."""
    store: str | None = None
    """The URL of the pool's store, if it has one."""


def read_environment(environ: Mapping[str, str]) -> Environment:
    """Read where this process stands; raise `NotInPodError` if it is no pod of a run."""
    missing = [name for name in REQUIRED if not environ.get(name)]
    if missing:
        raise NotInPodError(
            "penstock.runner works inside a pod that the Penstock operator started, and this is "
            f"not one, for it lacks {', '.join(missing)}. To run a flow here, type "
            "`penstock run FILE:FLOW`, or call the flow from Python."
        )
    try:
        attempt = int(environ["PENSTOCK_ATTEMPT"])
        grace_seconds = float(environ.get("PENSTOCK_GRACE_SECONDS") or 30)
        linger_seconds = float(environ.get("PENSTOCK_LINGER_SECONDS") or 30)
        port = int(environ.get("KUBERNETES_SERVICE_PORT") or 443)
    except ValueError as error:
        raise NotInPodError(
            "PENSTOCK_ATTEMPT, PENSTOCK_GRACE_SECONDS, PENSTOCK_LINGER_SECONDS and "
            f"KUBERNETES_SERVICE_PORT must be numbers: {error}. The operator sets all but "
            "PENSTOCK_LINGER_SECONDS; remove them from the pod template."
        ) from error
    return Environment(
        namespace=environ["PENSTOCK_NAMESPACE"],
        run=environ["PENSTOCK_RUN"],
        flow=environ.get("PENSTOCK_FLOW", ""),
        attempt=attempt,
        pod_name=environ["PENSTOCK_POD_NAME"],
        pod_uid=environ["PENSTOCK_POD_UID"],
        grace_seconds=grace_seconds,
        server_host=environ["KUBERNETES_SERVICE_HOST"],
        server_port=port,
        credentials=Path(environ.get("PENSTOCK_CREDENTIALS_DIR") or CREDENTIALS_DIR),
        snapshot=Path(environ.get("PENSTOCK_SNAPSHOT_DIR") or SNAPSHOT_DIR),
        linger_seconds=linger_seconds,
        result_preview=environ.get("PENSTOCK_RESULT_PREVIEW", "").lower() == "true",
        journals_are_full=environ.get("PENSTOCK_JOURNALS_FULL") == "true",
        store=environ.get("PENSTOCK_STORE") or None,
    )
