"""What a second operator needs to act beside the leader: a Lease of its own, and a right to it.

The chart gives operators the right to one Lease alone, so that one acts at a time.
"""

from __future__ import annotations

import time
from contextlib import suppress
from random import Random

from tests.chaos.watching import patiently
from tests.integration.apiserver import ApiServer, Refused

RIGHTS = "/apis/rbac.authorization.k8s.io/v1/namespaces"
LEASES = "/apis/coordination.k8s.io/v1/namespaces"
ACCOUNT = "penstock-operator"


class Rogues:
    """Gives leave to lead once more in a namespace, and tells when somebody does."""

    def __init__(self, api: ApiServer, namespace: str, *, rng: Random) -> None:
        self._api = api
        self._namespace = namespace
        self._rng = rng

    def new_lease(self) -> str:
        """Return the name of a Lease that operators may take."""
        name = f"rogue-{self._rng.randrange(10**6)}"
        rule = {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": [name],
            "verbs": ["get", "list", "watch", "update"],
        }
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        account = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": self._namespace}
        self._create("roles", {"metadata": {"name": name}, "rules": [rule]})
        self._create(
            "rolebindings", {"metadata": {"name": name}, "roleRef": role, "subjects": [account]}
        )
        return name

    def wait_for(self, lease: str, *, within: float = 120.0) -> None:
        """Return once somebody leads by a Lease."""
        path = f"{LEASES}/{self._namespace}/leases/{lease}"
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            with suppress(Refused):  # it is not there yet
                if patiently(lambda: self._api.get(path))["spec"].get("holderIdentity"):
                    return
            time.sleep(0.1)
        raise AssertionError(f"Nobody has taken the Lease {lease} within {within} s.")

    def _create(self, plural: str, body: dict[str, object]) -> None:
        patiently(lambda: self._api.create(f"{RIGHTS}/{self._namespace}/{plural}", body))
