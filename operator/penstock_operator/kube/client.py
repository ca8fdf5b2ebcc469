"""The API server's verbs on plain dictionaries, with typed errors and a bound on their rate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from penstock_operator.kube.errors import Forbidden, Invalid, Unavailable, error_of
from penstock_operator.kube.limits import Limiter
from penstock_operator.kube.resources import Resource
from penstock_operator.kube.transport import Request, Response, Transport

Object = dict[str, Any]

FIELD_MANAGER = "penstock-operator"
_APPLY = {"fieldManager": FIELD_MANAGER, "force": "true"}
_MANAGER = {"fieldManager": FIELD_MANAGER}
_STRICTLY = {**_MANAGER, "fieldValidation": "Strict"}
_TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


def _allow(_: Request) -> None:
    """Let every request pass."""


class Client:
    """Carries out one verb a call.

    `before_write` is asked ahead of every write and raises to forbid it (a lost Lease);
    `after_write` hears of each write that the API server took, for the metrics.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        limiter: Limiter | None = None,
        timeout_seconds: float = 30.0,
        before_write: Callable[[Request], None] = _allow,
        after_write: Callable[[Request], None] = _allow,
    ) -> None:
        self._transport = transport
        self._limiter = limiter or Limiter()
        self._timeout_seconds = timeout_seconds
        self._before_write = before_write
        self._after_write = after_write

    async def get(self, resource: Resource, *, namespace: str, name: str) -> Object:
        path = resource.path(namespace=namespace, name=name)
        return await self._call(Request("GET", path, resource.plural))

    async def create(
        self, resource: Resource, *, namespace: str, body: Mapping[str, Any], strictly: bool = False
    ) -> Object:
        """Create an object; `strictly` has one refused that holds fields nobody knows."""
        path = resource.path(namespace=namespace)
        query = _STRICTLY if strictly else _MANAGER
        return await self._call(Request("POST", path, resource.plural, query=query, body=body))

    async def unreadable(
        self, resource: Resource, *, namespace: str, body: Mapping[str, Any]
    ) -> str:
        """Say what of an object the API server cannot read, without creating it: fields that it
        does not know or that have another type. Whether it would take the object otherwise is
        another question, and answered by an empty string."""
        path = resource.path(namespace=namespace)
        query = {**_STRICTLY, "dryRun": "All"}
        try:
            await self._call(Request("POST", path, resource.plural, query=query, body=body))
        except (Invalid, Forbidden) as error:
            _, _, fault = error.message.partition(f" cannot be handled as a {resource.kind}: ")
            return fault
        return ""

    async def replace(
        self, resource: Resource, body: Mapping[str, Any], *, subresource: str | None = None
    ) -> Object:
        """Write a whole object, or its status; its resourceVersion is the precondition."""
        meta = body["metadata"]
        path = resource.path(
            namespace=meta["namespace"], name=meta["name"], subresource=subresource
        )
        written = f"{resource.plural}/{subresource}" if subresource else resource.plural
        return await self._call(Request("PUT", path, written, query=_MANAGER, body=body))

    async def apply(
        self, resource: Resource, body: Mapping[str, Any], *, subresource: str | None = None
    ) -> Object:
        """Apply on the server all the fields that are ours; a resourceVersion is a precondition."""
        meta = body["metadata"]
        path = resource.path(
            namespace=meta["namespace"], name=meta["name"], subresource=subresource
        )
        return await self._call(
            Request(
                "PATCH",
                path,
                f"{resource.plural}/{subresource}" if subresource else resource.plural,
                query=_APPLY,
                body=body,
                content_type="application/apply-patch+yaml",
            )
        )

    async def delete(
        self,
        resource: Resource,
        *,
        namespace: str,
        name: str,
        uid: str | None = None,
        propagation: str = "Background",
    ) -> Object:
        """Delete an object; with `uid`, that very object and no successor of its name.

        Returns the object where it stays for a while (finalizers), else a Status.
        """
        body: Object = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
        }
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        return await self._call(
            Request(
                "DELETE",
                resource.path(namespace=namespace, name=name),
                resource.plural,
                body=body,
            )
        )

    async def pages(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
        page_size: int = 500,
    ) -> AsyncIterator[list[Object]]:
        """List page by page, so that ten thousand objects are never in memory at once."""
        query = {"limit": str(page_size)}
        if labels:
            query["labelSelector"] = labels
        if fields:
            query["fieldSelector"] = fields
        accept = _METADATA_LIST if metadata_only else "application/json"
        while True:
            answer = await self._call(
                Request(
                    "GET",
                    resource.path(namespace=namespace),
                    resource.plural,
                    query=query,
                    accept=accept,
                )
            )
            yield _typed_items(answer, resource)
            token = (answer.get("metadata") or {}).get("continue")
            if not token:
                return
            query = {**query, "continue": token}

    async def columns(
        self, resource: Resource, name: str, *, namespace: str, page_size: int = 500
    ) -> AsyncIterator[list[Any]]:
        """List one printer column page by page: a few bytes of each object."""
        query = {"limit": str(page_size), "includeObject": "None"}
        path = resource.path(namespace=namespace)
        while True:
            request = Request("GET", path, resource.plural, query=query, accept=_TABLE)
            table = await self._call(request)
            names = [each["name"] for each in table.get("columnDefinitions") or ()]
            at = names.index(name) if name in names else None
            rows = table.get("rows") or ()
            yield [] if at is None else [row["cells"][at] for row in rows]
            token = (table.get("metadata") or {}).get("continue")
            if not token:
                return
            query = {**query, "continue": token}

    async def _call(self, request: Request) -> Object:
        async with self._limiter.slot():
            if request.is_write:
                self._before_write(request)
            response = await self._send(request)
        if response.status >= 400:
            raise error_of(
                status=response.status, body=response.body, retry_after=response.retry_after
            )
        if request.is_write:
            self._after_write(request)
        return _parse(response)

    async def _send(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._transport.send(request)
        except TimeoutError as error:
            raise Unavailable(
                f"The API server took more than {self._timeout_seconds:g} s "
                f"to answer {request.method} {request.path}."
            ) from error


def _parse(response: Response) -> Object:
    try:
        answer = json.loads(response.body)
    except ValueError as error:
        raise Unavailable("The API server's answer was cut off; it is not JSON.") from error
    if not isinstance(answer, dict):
        raise Unavailable("The API server's answer is not an object; is a proxy in between?")
    return answer


def _typed_items(answer: Object, resource: Resource) -> list[Object]:
    """Give each item the kind that lists leave out."""
    return [
        {**item, "apiVersion": resource.api_version, "kind": resource.kind}
        for item in answer.get("items") or []
    ]
