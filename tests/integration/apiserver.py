"""The API server under test, spoken to in plain dictionaries, as whoever one likes to be."""

import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
import yaml

Object = dict[str, Any]
GROUP = "/apis/penstock.dev/v1alpha1"

JSON = "application/json"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


class Refused(AssertionError):
    """The API server said no: `status` is the HTTP status, the text its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class ApiServer:
    """Speaks as the administrator of the kubeconfig; `speaking_as` makes another speaker."""

    kubeconfig: Path
    url: str
    pool: urllib3.PoolManager
    headers: Mapping[str, str]

    @classmethod
    def from_kubeconfig(cls, path: Path) -> "ApiServer":
        config = yaml.safe_load(path.read_text())
        contexts = {item["name"]: item["context"] for item in config["contexts"]}
        context = contexts[config["current-context"]]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        tls = ssl.create_default_context(cadata=_decoded(cluster, "certificate-authority"))
        headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        if "token" not in user:
            _load_certificate(tls, user)
        return cls(path, cluster["server"], _connections(tls), headers)

    def speaking_as(self, token: str) -> "ApiServer":
        """Return the same server for the owner of a token, without the administrator's rights."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        tls = ssl.create_default_context(
            cadata=_decoded(config["clusters"][0]["cluster"], "certificate-authority")
        )
        return replace(self, pool=_connections(tls), headers={"Authorization": f"Bearer {token}"})

    def impersonating(self, user: str, *, groups: tuple[str, ...] = ()) -> "ApiServer":
        """Return the same server for another user, with the administrator's leave."""
        headers = urllib3.HTTPHeaderDict({"Impersonate-User": user})
        for group in groups:
            headers.add("Impersonate-Group", group)
        return replace(self, headers=headers)

    def request(
        self,
        verb: str,
        path: str,
        body: Object | None = None,
        *,
        content_type: str = JSON,
        **query: str,
    ) -> Object:
        """Return the answer, or raise Refused."""
        url = self.url + path + ("?" + urlencode(query) if query else "")
        headers = urllib3.HTTPHeaderDict(self.headers)
        headers["Content-Type"] = content_type
        data = None if body is None else json.dumps(body)
        response = self.pool.request(verb, url, body=data, headers=headers, retries=False)
        answer: Object = json.loads(response.data)
        if response.status >= 400:
            raise Refused(response.status, answer["message"])
        return answer

    def get(self, path: str, **query: str) -> Object:
        return self.request("GET", path, **query)

    def create(self, path: str, body: Object, **query: str) -> Object:
        return self.request("POST", path, body, **{"fieldValidation": "Strict"} | query)

    def merge(self, path: str, body: Object, **query: str) -> Object:
        return self.request("PATCH", path, body, content_type=MERGE, **query)

    def apply(self, path: str, body: Object, *, manager: str) -> Object:
        """Apply server-side, with force, as operator and runner do."""
        query = {"fieldManager": manager, "force": "true"}
        return self.request("PATCH", path, body, content_type=APPLY, **query)

    def delete(self, path: str) -> Object:
        return self.request("DELETE", path)

    def kubectl(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl as a person would, and return how it went."""
        return subprocess.run(
            # What an earlier API server at this address offered must not be remembered.
            ("kubectl", "--cache-dir=/dev/null", *arguments),
            env=os.environ | {"KUBECONFIG": str(self.kubeconfig)},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )


def _connections(tls: ssl.SSLContext) -> urllib3.PoolManager:
    # One for each of many threads: a connection that does not fit is closed and opened anew.
    return urllib3.PoolManager(ssl_context=tls, maxsize=32)


def _named(items: list[Object], name: str) -> Object:
    (found,) = (item for item in items if item["name"] == name)
    return found


def _decoded(holder: Object, field: str) -> str:
    if f"{field}-data" in holder:
        return base64.b64decode(holder[f"{field}-data"]).decode()
    return Path(holder[field]).read_text()


def _load_certificate(tls: ssl.SSLContext, user: Object) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # ssl reads files only
        file.write(_decoded(user, "client-certificate") + _decoded(user, "client-key"))
        file.flush()
        tls.load_cert_chain(file.name)
