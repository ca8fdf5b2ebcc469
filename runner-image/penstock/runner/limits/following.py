"""The ConcurrencyLimits of a namespace as they are now: listed once, then watched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from penstock.runner import exits
from penstock.runner.apiserver import ApiServer, UnreachableError

Object = Mapping[str, Any]
Tell = Callable[[str, "Object | None"], None]

LIST_SECONDS = 30.0
"""How often a namespace without limits is looked at again, if somebody asks for one."""
SILENT_SECONDS = 150.0
"""A watch that is silent for so long is dead: the API server sends a bookmark each minute."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0


class Follower:
    """Tells of each limit what it is now, and of those that are gone. Begins when it is asked."""

    def __init__(
        self,
        server: ApiServer,
        *,
        path: str,
        begin: Callable[[ApiServer], None],
        tell: Tell,
        when_known: Callable[[], None],
    ) -> None:
        self._server = server
        self._path = path
        self._begin = begin
        self._tell = tell
        self._when_known = when_known
        self._names: set[str] = set()
        self._is_wanted = threading.Event()
        self._listed_at: float | None = None
        self._complaint = ""
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None
        self.knows = threading.Event()
        """Set once all limits are known, or it is known that there is no way to know them."""

    def ask(self) -> None:
        """Have the limits looked at, if that was never done, or showed none and was long ago."""
        listed_at = self._listed_at
        if listed_at is None or (not self._names and time.monotonic() - listed_at > LIST_SECONDS):
            self._is_wanted.set()
            with self._start:
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._work, name="penstock-limits-watch", daemon=True
                    )
                    self._thread.start()

    def _work(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            self._is_wanted.wait()
            try:
                self._begin(self._server)
                version = self._list()
                self._is_wanted.clear()
                while self._names and version:
                    version = self._watch(version)
                    pause = _FIRST_PAUSE
            except UnreachableError as error:
                self._complain(str(error))
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            if self._names:
                self._is_wanted.set()

    def _list(self) -> str:
        """Tell of all limits; return the version from which changes are to be watched."""
        answer = self._server.get(self._path)
        if answer.status in (403, 404):  # no such rights, or no such kind
            self._complain(answer.sentence)
            self._gone(set(self._names))
        elif not answer.ok:
            raise UnreachableError(answer.sentence)
        items = answer.body.get("items") or ()
        self._gone(self._names - {item["metadata"]["name"] for item in items})
        for item in items:
            self._met(item)
        self._listed_at = time.monotonic()
        self.knows.set()
        self._when_known()
        return str((answer.body.get("metadata") or {}).get("resourceVersion") or "")

    def _watch(self, version: str) -> str:
        """Tell of changes; return from which version to go on, nothing if they are unknown."""
        for event in self._events(version):
            item = event.get("object") or {}
            if event.get("type") == "ERROR" or "metadata" not in item:
                return ""
            version = item["metadata"]["resourceVersion"]
            match event["type"]:
                case "ADDED" | "MODIFIED":
                    self._met(item)
                case "DELETED":
                    self._gone({item["metadata"]["name"]})
        return version

    def _events(self, version: str) -> Iterator[Mapping[str, Any]]:
        query = f"?watch=1&allowWatchBookmarks=true&resourceVersion={version}"
        return self._server.stream(self._path + query, silence=SILENT_SECONDS)

    def _met(self, item: Object) -> None:
        name = item["metadata"]["name"]
        self._names.add(name)
        self._tell(name, item)

    def _gone(self, names: set[str]) -> None:
        for name in names:
            self._names.discard(name)
            self._tell(name, None)

    def _complain(self, sentence: str) -> None:
        """Say what keeps limits away, once for each cause."""
        if sentence != self._complaint:
            self._complaint = sentence
            exits.say(f"The ConcurrencyLimits of the namespace cannot be read: {sentence}")
