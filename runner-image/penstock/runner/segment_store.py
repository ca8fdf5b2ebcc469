"""The journal's objects behind the API server; every call is one request on one connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlencode

from penstock.runner.apiserver import JSON, Answer
from penstock.runner.segment import NUMBER_LABEL, Owner, Segment

PAGE = 250
"""Objects in one page of a list; a finished run has far fewer, so mostly there is one page."""
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Objects without what is in them."""
PATIENCE = 30.0
"""Seconds for an answer that may hold megabytes."""


class Server(Protocol):
    """What is needed of a connection to the API server."""

    def get(self, path: str, *, timeout: float | None = None, accept: str = JSON) -> Answer: ...

    def create(
        self, path: str, body: Mapping[str, Any], *, timeout: float | None = None
    ) -> Answer: ...

    def delete(self, path: str, *, timeout: float | None = None) -> Answer: ...

    def close(self) -> None: ...


class SegmentStore:
    """The segments of one run, for one thread at a time."""

    def __init__(self, owner: Owner, *, attempt: int, server: Server) -> None:
        self.owner = owner
        self._attempt = attempt
        self._server = server

    def create(self, segment: Segment, *, timeout: float | None = None) -> Answer:
        """Create a segment, unless its name is taken."""
        manifest = segment.manifest(self.owner, attempt=self._attempt)
        return self._server.create(self._path(fieldManager="runner"), manifest, timeout=timeout)

    def get(self, segment: Segment) -> Answer:
        """Read the object that bears a segment's name."""
        return self._server.get(f"{self.owner.collection}/{segment.name(self.owner)}")

    def page(self, after: str = "", *, names_only: bool = False) -> Answer:
        """List segments of runs of this name; `after` is what the page before ended with."""
        query = {"limit": str(PAGE), "fieldSelector": self._of_the_run}
        if after:
            query["continue"] = after
        accept = METADATA if names_only else JSON
        return self._server.get(self._path(**query), timeout=PATIENCE, accept=accept)

    def delete_singles(self, numbers: Sequence[int]) -> Answer:
        """Delete the segments of single records, by number; fences are never among them."""
        chosen = f"{NUMBER_LABEL} in ({','.join(map(str, numbers))})"
        path = self._path(fieldSelector=self._of_the_run, labelSelector=chosen)
        return self._server.delete(path, timeout=PATIENCE)

    def close(self) -> None:
        """Drop the connection; the next request makes a new one."""
        self._server.close()

    @property
    def _of_the_run(self) -> str:
        return f"spec.run={self.owner.name}"

    def _path(self, **query: str) -> str:
        return f"{self.owner.collection}?{urlencode(query)}"
