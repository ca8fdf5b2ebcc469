"""The API server: found as kubectl finds it, spoken to in plain dictionaries.

Configuration, credentials and transport are the `kubernetes` package's. It takes a quarter of a
second to import, so nothing imports it before a command really speaks to a cluster.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from penstock.cli.errors import UnreachableError
from penstock.cli.refusals import refusal

Object = dict[str, Any]

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PAGE = 500
"""Objects a request of a long list asks for."""


class Cluster:
    """One API server and the namespace that is meant when none is named."""

    def __init__(self, configuration: Any, *, namespace: str) -> None:
        from kubernetes.client.rest import RESTClientObject

        # Whoever has a reason to try again does so itself, and says so meanwhile.
        configuration.retries = False
        self._configuration = configuration
        self._rest = RESTClientObject(configuration)
        self.namespace = namespace

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return str(self._configuration.host)

    def path(self, plural: str, name: str = "") -> str:
        """Return the path of Penstock's objects of one kind in the namespace, or of one of them."""
        return penstock_path(plural, namespace=self.namespace, name=name)

    def get(self, path: str, **query: str) -> Object:
        """Return an object or a list."""
        return self._request("GET", path, query=query)

    def items(self, path: str, **query: str) -> list[Object]:
        """Return all objects of a list, however many pages it takes."""
        found: list[Object] = []
        page: dict[str, str] = {}
        while True:
            answer = self.get(path, **query, **page, limit=str(PAGE))
            found += answer["items"]
            if not (further := answer["metadata"].get("continue")):
                return found
            page = {"continue": further}

    def create(self, path: str, body: Object) -> Object:
        """Create an object; a field that its kind does not know is refused."""
        return self._request("POST", path, query={"fieldValidation": "Strict"}, body=body)

    def merge(self, path: str, body: Object) -> Object:
        """Change some fields of an object."""
        return self._request("PATCH", path, body=body, content_type=MERGE_PATCH)

    def apply(self, path: str, body: Object) -> Object:
        """Create an object or make it so, over what others wrote of the same fields."""
        query = {"fieldManager": "penstock-deploy", "force": "true", "fieldValidation": "Strict"}
        return self._request("PATCH", path, query=query, body=body, content_type=APPLY_PATCH)

    def delete(self, path: str) -> Object:
        """Delete an object."""
        return self._request("DELETE", path)

    @contextmanager
    def stream(
        self, path: str, *, silence: float | None, **query: str
    ) -> Iterator[Iterator[bytes]]:
        """Open an answer that grows; it breaks off after `silence` seconds without a byte."""
        response = self._send("GET", path, query=query, timeout=(CONNECT_SECONDS, silence))
        try:
            if response.status >= 400:
                raise refusal(response.status, response.read(), server=self.server)
            yield self._chunks(response)
        finally:
            response.close()

    def watch(self, path: str, *, seconds: int, **query: str) -> Iterator[Object]:
        """Yield the events of a watch until the server ends it, after `seconds` at most."""
        query |= {"watch": "true", "timeoutSeconds": str(seconds)}
        with self.stream(path, silence=seconds + ANSWER_SECONDS, **query) as chunks:
            for line in split_lines(chunks):
                yield json.loads(line)

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Object:
        timeout = (CONNECT_SECONDS, ANSWER_SECONDS)
        response = self._send(
            method, path, query=query, body=body, content_type=content_type, timeout=timeout
        )
        content = b"".join(self._chunks(response))
        if response.status >= 400:
            raise refusal(response.status, content, server=self.server)
        answer: Object = json.loads(content)
        return answer

    def _send(
        self,
        method: str,
        path: str,
        *,
        timeout: tuple[float, float | None],
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Any:
        with self._answering():
            return self._rest.request(
                method,
                self.server + path + ("?" + urlencode(query) if query else ""),
                headers=self._headers() | {"Content-Type": content_type},
                body=body,
                _request_timeout=timeout,
            ).response

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "penstock-cli"}
        for setting in self._configuration.auth_settings().values():
            if setting["in"] == "header" and setting["value"]:
                headers[setting["key"]] = setting["value"]
        return headers

    def _chunks(self, response: Any) -> Iterator[bytes]:
        with self._answering():
            yield from response.stream(amt=None, decode_content=False)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            yield
        except (HTTPError, OSError, ApiException) as error:
            cause = getattr(error, "reason", None) or error
            raise UnreachableError(
                f"The API server {self.server} does not answer ({_words(cause)}). "
                "Check that the cluster runs and that --context or KUBECONFIG names the right one."
            ) from error


def penstock_path(plural: str, *, namespace: str | None, name: str = "") -> str:
    """Return the path of Penstock's objects of one kind, in one namespace or in all."""
    middle = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/penstock.dev/v1alpha1{middle}/{plural}" + (f"/{name}" if name else "")


def split_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield whole lines, each when its end arrives; what never ends in one is dropped."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line for line in lines if line.strip())


def _words(error: object) -> str:
    """Return what a connection error says, without the objects in it."""
    return str(error).rpartition(">: ")[2].rpartition("): ")[2].strip() or type(error).__name__
