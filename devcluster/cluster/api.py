"""The few calls to the API server that bringing a cluster up takes."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

from cluster.layout import Layout


class Api:
    """Speaks to the API server of one cluster as its administrator."""

    def __init__(self, layout: Layout) -> None:
        self._url = layout.api_url
        self._tls = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
        self._tls.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")

    def ready(self) -> bool:
        try:
            return bool(self._call("GET", "/readyz") == b"ok")
        except (OSError, urllib.error.HTTPError):
            return False

    def get(self, path: str) -> dict[str, Any]:
        return dict(json.loads(self._call("GET", path)))

    def ensure(self, path: str, manifest: dict[str, Any]) -> None:
        """Create an object; one of that name is right as it is."""
        try:
            self.get(f"{path}/{manifest['metadata']['name']}")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            self._call("POST", path, manifest)

    def merge(self, path: str, change: dict[str, Any]) -> None:
        self._call("PATCH", path, change, content="application/merge-patch+json")

    def node_ready(self, name: str) -> bool:
        try:
            conditions = self.get(f"/api/v1/nodes/{name}")["status"].get("conditions", [])
        except (OSError, urllib.error.HTTPError, KeyError):
            return False
        return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        content: str = "application/json",
    ) -> bytes:
        request = urllib.request.Request(  # noqa: S310 - always our own https URL
            self._url + path,
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={"Content-Type": content},
        )
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._tls))
        with urllib.request.build_opener(*handlers).open(request, timeout=5) as answer:
            return bytes(answer.read())
