"""Watches of the harness itself, over a line that no fault touches but the server's own outages."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import urllib3
from tests.integration.apiserver import ApiServer, Object, Refused

T = TypeVar("T")
_GONE = (urllib3.exceptions.HTTPError, OSError, ValueError, KeyError)
"""What comes of a server that was killed: no answer, or half of one."""


def line_to(kubeconfig: Path) -> ApiServer:
    """Return the API server for many threads at once."""
    api = ApiServer.from_kubeconfig(kubeconfig)
    api.pool.connection_pool_kw["maxsize"] = 32
    return api


def patiently(ask: Callable[[], T], *, within: float = 120.0) -> T:
    """Ask until an answer comes: outages are made on purpose."""
    deadline = time.monotonic() + within
    while True:
        try:
            return ask()
        except Refused as refused:
            if refused.status < 500 and refused.status != 429:
                raise
            error: Exception = refused
        except _GONE as gone:
            error = gone
        if time.monotonic() > deadline:
            raise AssertionError(f"The API server does not come back: {error}") from error
        time.sleep(0.1)


class Watch:
    """Calls `hear` with each object that appears, changes or goes (`ADDED MODIFIED DELETED`).

    After an outage everything is listed again, as `ADDED`, and what went meanwhile is `DELETED`.
    """

    def __init__(
        self, api: ApiServer, path: str, *, hear: Callable[[str, Object], None], **query: str
    ) -> None:
        self._api = api
        self._path = path
        self._query = query
        self._hear = hear
        self._known: dict[str, Object] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)
        self.errors: list[str] = []

    def start(self) -> Watch:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Hear no more; the thread ends at its next event or time-out."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                version = self._list()
                for event in self._events(version):
                    self._tell(event["type"], event["object"])
                    if self._ended.is_set():
                        return
            except (Refused, *_GONE):
                self._ended.wait(0.1)

    def _list(self) -> str:
        listed = self._api.get(self._path, **self._query)
        found = {item["metadata"]["uid"]: item for item in listed["items"]}
        for uid in set(self._known) - set(found):
            self._tell("DELETED", self._known[uid])
        for item in found.values():
            self._tell("ADDED", item)
        return str(listed["metadata"]["resourceVersion"])

    def _events(self, version: str) -> Iterator[Any]:
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "30"} | self._query
        response = self._api.pool.request(
            "GET",
            self._api.url + self._path,
            fields=query,
            headers=self._api.headers,
            preload_content=False,
            retries=False,
            timeout=urllib3.Timeout(connect=2, read=40),
        )
        if response.status != 200:
            response.release_conn()
            raise OSError(response.status)
        with response:
            for line in _lines(response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                yield event

    def _tell(self, kind: str, item: Object) -> None:
        uid = item["metadata"]["uid"]
        if kind == "DELETED":
            self._known.pop(uid, None)
        else:
            self._known[uid] = item
        with suppress(Refused):
            self._hear(kind, item)


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    while chunk := response.read1(1 << 16):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole


class StoreWatch:
    """Calls `hear` with each record that appears in a store on a volume: run, number, text."""

    def __init__(self, folder: Path, *, hear: Callable[[str, int, str], None]) -> None:
        self._folder = folder
        self._hear = hear
        self._heard: set[Path] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="chaos-store", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(0.02):
            for path in sorted(self._folder.glob("*/records/[0-9]*")):
                if path in self._heard:
                    continue
                with suppress(FileNotFoundError):  # swept with its run
                    text = path.read_text()
                    self._heard.add(path)
                    run = path.parent.parent.name.rpartition("-")[0]
                    self._hear(run, int(path.name), text)
