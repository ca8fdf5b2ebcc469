"""An API server in memory, where faults can be put between any two requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from penstock_operator.kube.transport import Request, Response


class FakeApi:
    """Keeps objects by path; each write takes the next resourceVersion."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.requests: list[Request] = []
        self.before: Callable[[Request], None] = lambda request: None
        self.answers: list[Response] = []
        self._version = 0

    async def send(self, request: Request) -> Response:
        self.requests.append(request)
        self.before(request)
        if self.answers:
            return self.answers.pop(0)
        handle = {
            "GET": self._get,
            "POST": self._post,
            "PUT": self._put,
            "PATCH": self._put,
            "DELETE": self._delete,
        }[request.method]
        return handle(request)

    async def close(self) -> None:
        return None

    def put(self, path: str, obj: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        born = {"uid": f"uid-{self._version}", "creationTimestamp": "2026-11-21T12:00:00Z"}
        meta = {**born, **obj["metadata"]}
        meta["resourceVersion"] = str(self._version)
        self.objects[path] = {**obj, "metadata": meta}
        return self.objects[path]

    @property
    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.is_write]

    def _get(self, request: Request) -> Response:
        if not request.path.endswith("/" + request.resource):
            known = self.objects.get(request.path)
            return refusal(404, "NotFound") if known is None else answer(known)
        items = [
            obj for path, obj in self.objects.items() if path.rsplit("/", 1)[0] == request.path
        ]
        start = int(request.query.get("continue", "0"))
        stop = start + int(request.query.get("limit", "500"))
        meta: dict[str, Any] = {"resourceVersion": str(self._version)}
        if stop < len(items):
            meta["continue"] = str(stop)
        return answer({"metadata": meta, "items": items[start:stop]})

    def _post(self, request: Request) -> Response:
        assert request.body is not None
        path = f"{request.path}/{request.body['metadata']['name']}"
        if path in self.objects:
            return refusal(409, "AlreadyExists")
        return answer(self.put(path, dict(request.body)), status=201)

    def _put(self, request: Request) -> Response:
        assert request.body is not None
        path = request.path.removesuffix("/status")
        known = self.objects.get(path)
        if known is None:
            return refusal(404, "NotFound")
        stated = request.body["metadata"].get("resourceVersion")
        if stated is not None and stated != known["metadata"]["resourceVersion"]:
            return refusal(409, "Conflict")
        body = {
            **known,
            **request.body,
            "metadata": {**known["metadata"], **request.body["metadata"]},
        }
        return answer(self.put(path, body))

    def _delete(self, request: Request) -> Response:
        if self.objects.pop(request.path, None) is None:
            return refusal(404, "NotFound")
        return answer({"kind": "Status", "status": "Success"})


def answer(body: dict[str, Any], *, status: int = 200) -> Response:
    return Response(status, json.dumps(body).encode())


def refusal(status: int, reason: str, message: str = "refused", **more: Any) -> Response:
    body = {"kind": "Status", "status": "Failure", "reason": reason, "message": message, **more}
    return Response(status, json.dumps(body).encode())
