"""JournalSegments as an API server keeps them, in memory."""

import copy
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from penstock.runner.apiserver import JSON, Answer, UnreachableError
from penstock.runner.segment import NUMBER_LABEL

Object = dict[str, Any]


class SegmentObjects:
    """Creates a name once, lists a snapshot page by page, deletes what selectors choose."""

    def __init__(self, *, page: int = 1000) -> None:
        self.items: dict[str, Object] = {}
        self._page = page
        self._snapshots: list[list[Object]] = []
        self.forgets_snapshots = False

    def respond(self, method: str, target: str, body: Object | None) -> tuple[int, Object]:
        """Carry a request out; return status and body of the answer."""
        split = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        if method == "POST":
            assert body is not None
            return self._create(body)
        if method == "DELETE":
            return self._delete(query["labelSelector"], of=query["fieldSelector"])
        name = split.path.partition("/journalsegments/")[2]
        return (
            self._get(name)
            if name
            else self._list(query.get("continue", ""), of=query["fieldSelector"])
        )

    def _create(self, body: Object) -> tuple[int, Object]:
        name = body["metadata"]["name"]
        if name in self.items:
            return 409, {"reason": "AlreadyExists", "message": f"{name} already exists"}
        self.items[name] = copy.deepcopy(body)
        return 201, body

    def _get(self, name: str) -> tuple[int, Object]:
        return (200, self.items[name]) if name in self.items else (404, {"reason": "NotFound"})

    def _of(self, selector: str) -> list[str]:
        run = selector.removeprefix("spec.run=")
        return sorted(name for name, item in self.items.items() if item["spec"]["run"] == run)

    def _list(self, after: str, *, of: str) -> tuple[int, Object]:
        if not after:
            self._snapshots.append([self.items[name] for name in self._of(of)])
            after = f"{len(self._snapshots) - 1}/0"
        elif self.forgets_snapshots:
            self.forgets_snapshots = False
            return 410, {"reason": "Expired", "message": "The continuation is too old."}
        snapshot, start = map(int, after.split("/"))
        end = start + self._page
        items = self._snapshots[snapshot]
        more = {"continue": f"{snapshot}/{end}"} if end < len(items) else {}
        return 200, {"kind": "List", "metadata": more, "items": items[start:end]}

    def _delete(self, selector: str, *, of: str) -> tuple[int, Object]:
        chosen = re.fullmatch(re.escape(NUMBER_LABEL) + r" in \(([\d,]+)\)", selector)
        assert chosen, selector
        numbers = set(chosen[1].split(","))
        for name in self._of(of):
            if (self.items[name]["metadata"].get("labels") or {}).get(NUMBER_LABEL) in numbers:
                del self.items[name]
        return 200, {"kind": "List", "items": []}


class Connection:
    """A connection to them; the answer to the next request may be lost."""

    def __init__(self, objects: SegmentObjects) -> None:
        self._objects = objects
        self.loses_answer = False
        self.answers: list[Answer] = []
        """What is answered next, instead of what was asked."""
        self.requests: list[str] = []

    def get(self, path: str, *, timeout: float | None = None, accept: str = JSON) -> Answer:
        return self._request("GET", path, None)

    def create(self, path: str, body: Mapping[str, Any], *, timeout: float | None = None) -> Answer:
        return self._request("POST", path, dict(body))

    def delete(self, path: str, *, timeout: float | None = None) -> Answer:
        return self._request("DELETE", path, None)

    def close(self) -> None:
        """Nothing is open."""

    def _request(self, method: str, path: str, body: Object | None) -> Answer:
        self.requests.append(method)
        if self.answers:
            return self.answers.pop(0)
        status, answer = self._objects.respond(method, path, body)
        if self.loses_answer:
            self.loses_answer = False
            raise UnreachableError("The answer was lost.")
        return Answer(status, body=answer)
