"""Who watches runs and journals, and writes into the ledger what can be seen of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Self

from tests.chaos.cluster import SPACE
from tests.chaos.ledger import Ledger
from tests.chaos.watching import StoreWatch, Watch
from tests.integration.apiserver import GROUP, ApiServer, Object

from penstock.journal.records import decode_record
from penstock.runner.segment import SEPARATOR, record_in

DID = re.compile(r"did:([\w-]+):([\w.:/-]+)")
"""What a task of a program returns: by it a result is known again in a journal."""


class Observers:
    """Watches all runs, and their journals."""

    def __init__(self, api: ApiServer, ledger: Ledger, *, journals: Path) -> None:
        self._ledger = ledger
        self._status: dict[str, Object] = {}
        self._seen: dict[str, dict[int, str]] = {}
        self._cancelled: set[str] = set()
        root = f"{GROUP}/namespaces/{SPACE}"
        self._watches: list[Watch | StoreWatch] = [
            Watch(api, f"{root}/flowruns", hear=self._hear_run),
            Watch(api, f"{root}/journalsegments", hear=self._hear_segment),
            StoreWatch(journals / "journals" / SPACE, hear=self._hear_record),
        ]

    def __enter__(self) -> Self:
        for watch in self._watches:
            watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        for watch in self._watches:
            watch.stop()

    def status(self, run: str) -> Object:
        """Return the status of a run as it was last heard of."""
        return self._status.get(run, {})

    def journal(self, run: str) -> dict[int, str]:
        """Return the records of a run that were ever seen, by number."""
        return self._seen.get(run, {})

    def forget(self, run: str) -> None:
        self._status.pop(run, None)
        self._seen.pop(run, None)
        self._cancelled.discard(run)

    def _hear_run(self, kind: str, item: Object) -> None:
        run, status = item["metadata"]["name"], item.get("status") or {}
        if kind == "DELETED":
            return
        before = self._status.get(run)
        self._status[run] = status
        if item["spec"].get("cancel") and run not in self._cancelled:
            self._cancelled.add(run)
            self._ledger.note(run, "cancel")
        if before is None or _brief(before) != _brief(status):
            self._ledger.note(run, "status", **_brief(status))

    def _hear_segment(self, kind: str, item: Object) -> None:
        if kind == "DELETED":
            return
        spec = item["spec"]
        run = spec["run"]
        for offset, text in enumerate(spec["records"].split(SEPARATOR)):
            self._hear_record(run, spec["number"] + offset, text)

    def _hear_record(self, run: str, number: int, text: str) -> None:
        seen = self._seen.setdefault(run, {})
        if number not in seen:
            seen[number] = text
            self._ledger.note(run, "record", **_facts_of(number, text))
        elif seen[number] != text and not _facts_of(number, text)["fence"]:
            # A fence that came too late stands where merged records were: readers ignore it.
            self._ledger.note(run, "two-records", number=number)


def _brief(status: Object) -> dict[str, Any]:
    execution = status.get("execution") or {}
    return {
        "state": status.get("state", ""),
        "attempt": status.get("attempt", 0),
        "reason": status.get("reason", ""),
        "by": execution.get("attempt", 0),
        "pod": execution.get("podUID", ""),
        "outcome": (execution.get("outcome") or {}).get("state", ""),
    }


def _facts_of(number: int, text: str) -> dict[str, Any]:
    record = decode_record(record_in(text), number=number)
    lines = [line.split(" ", 2) for line in record.lines]
    header = record.header
    return {
        "number": number,
        "attempt": header.attempt,
        "process": header.holder,
        "pod": header.holder.partition("/")[0],
        "fence": header.kind == "fence",
        "did": [key for kind, _, text in lines if kind == "done" for _, key in DID.findall(text)],
        "holds": sorted({kind for kind, _, _ in lines}),
    }
