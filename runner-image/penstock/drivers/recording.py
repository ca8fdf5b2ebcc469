"""How a run keeps its records: in its memory and its log, for its reporters, and in files.

A body that a worker process runs has no run around: what it keeps travels with its result, and is
kept by the run that asked for the body.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from penstock.drivers.runlog import FLOW_RUNS, TASK_RUNS, extra_of
from penstock.engine.records import Event, Kept, KeptArtifact, Published, RecordReporter
from penstock.engine.runs import TaskRun
from penstock.home import home_if_set, locked, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.drivers.context import RunContext
    from penstock.drivers.scope import Scope

MAX_STORED = 100
"""Records of one call that a journal stores: the last."""
MAX_STORED_CHARACTERS = 16 * 1024
"""Data of a record that a journal stores; of one with more, it stores that there was one."""
MAX_STORED_IN_ALL = 64 * 1024
"""Characters of all records of one call in a journal."""

travelling: ContextVar[list[Kept] | None] = ContextVar("penstock_travelling", default=None)
"""What the body that runs in this worker has kept; elsewhere there is no such list."""


def keep(record: Kept, *, says: str | None, scope: Scope) -> None:
    """Keep a record in the run whose body makes it, and log what it ``says``."""
    if says is not None:
        logger = TASK_RUNS if isinstance(scope.run, TaskRun) else FLOW_RUNS
        logger.info("%s", says, extra=extra_of(scope.run))
    away = travelling.get()
    if away is not None:
        away.append(record)
    else:
        adopt(record, scope=scope)


def adopt(record: Kept, *, scope: Scope) -> None:
    """Keep a record that the log has told of."""
    if scope.context is not None:
        record = _remember(record, context=scope.context, makers=_makers(scope))
    home = home_of(scope)
    if home is not None:
        run_id = scope.context.run_id if scope.context else scope.run.id.partition("/")[0]
        _write(record, home=home, run_id=run_id)


def restore(
    left: Iterable[Mapping[str, Any]], *, context: RunContext, caller: Scope | None
) -> None:
    """Keep again what a finished call had left, as the journal tells it.

    The files of the run have it already, unless it is another run that goes on.
    """
    for found in left:
        record = record_of(found)
        _remember(record, context=context, makers=_makers(caller) if caller else ())
        root, home = (record.flow_run_id or "").partition("/")[0], context.home or home_if_set()
        if home is not None and root != context.run_id and not context.is_replay:
            _write(record, home=home, run_id=context.run_id)


def _remember(record: Kept, *, context: RunContext, makers: Sequence[str]) -> Kept:
    record = context.records.keep(record, makers=makers)
    for reporter in context.reporters:
        if isinstance(reporter, RecordReporter):
            _report(record, reporter)
    return record


def _makers(scope: Scope) -> list[str]:
    """Return the runs whose journal entries will tell of what this body leaves."""
    if scope.journal is None:
        return []
    around: list[str] = []
    at: Scope | None = scope
    while at is not None and (at.parent is not None or not around):  # the root answers for itself
        around.append(at.run.id)
        at = at.parent
    return around


def stored_form(records: Sequence[Kept]) -> list[dict[str, Any]]:
    """Return records as a journal stores them: the last, as far as there is room for them.

    Data that are too large to be kept twice are left out.
    """
    kept: list[dict[str, Any]] = []
    room = MAX_STORED_IN_ALL
    for record in reversed(records[-MAX_STORED:]):
        found = _cut(as_json(record), room=min(room, MAX_STORED_CHARACTERS))
        room -= len(json.dumps(found))
        if room < 0:
            break
        kept.append(found)
    return kept[::-1]


def _cut(found: dict[str, Any], *, room: int) -> dict[str, Any]:
    if "value" in found:  # its size was limited when it was published
        return found
    large = "payload" if "event" in found else "data"
    if len(json.dumps(found[large])) > room:
        found[large] = {} if large == "payload" else None
    return found


def home_of(scope: Scope | None) -> Path | None:
    """Return the folder where the run's records are, if they are to be on disk."""
    context = scope.context if scope else None
    if context is not None and context.is_replay:
        return None
    return (context.home if context else None) or home_if_set()


def _report(record: Kept, reporter: RecordReporter) -> None:
    try:
        reporter.record_kept(record)
    except Exception:
        logging.getLogger("penstock").exception("A reporter failed; the run goes on.")


_FILES = {KeptArtifact: "artifacts", Event: "events", Published: "values"}


def _write(record: Kept, *, home: Path, run_id: str) -> None:
    kind = _FILES[type(record)]
    path = records_file(home, run_id, kind=kind)
    line = json.dumps(as_json(record), ensure_ascii=False)
    with locked(path.with_name(f".{kind}.lock")), path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    if isinstance(record, KeptArtifact) and record.key is not None:
        write_text(latest_file(home, record.key), line)


def records_file(home: Path, run_id: str, *, kind: str) -> Path:
    """Return where the records of a run are, one JSON object a line."""
    return home / "runs" / quote(run_id, safe="") / f"{kind}.jsonl"


def latest_file(home: Path, key: str) -> Path:
    """Return where the latest artifact of a key is, whichever run made it."""
    return home / "artifacts" / f"{key}.json"


def as_json(record: Kept) -> dict[str, Any]:
    """Return a record in JSON's types; what else an author put into it becomes text."""
    found = {each.name: getattr(record, each.name) for each in fields(record)}
    plain: dict[str, Any] = json.loads(json.dumps(found, default=_as_text))
    return plain


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def read_latest(home: Path, key: str) -> KeptArtifact | None:
    """Return the artifact of a key that was kept last among all runs of this home."""
    try:
        text = latest_file(home, key).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return artifact_of(json.loads(text))


def record_of(found: Mapping[str, Any]) -> Kept:
    """Return the record that a line tells of, whichever kind it is."""
    if "event" in found:
        return event_of(found)
    return published_of(found) if "value" in found else artifact_of(found)


def published_of(found: Mapping[str, Any]) -> Published:
    """Return the published value that a line tells of."""
    return Published(**{**found, "updated": datetime.fromisoformat(found["updated"])})


def event_of(found: Mapping[str, Any]) -> Event:
    """Return the event that a line tells of."""
    from uuid import UUID

    follows = UUID(found["follows"]) if found["follows"] else None
    occurred, related = datetime.fromisoformat(found["occurred"]), tuple(found["related"])
    changed = {"id": UUID(found["id"]), "occurred": occurred, "related": related}
    return Event(**{**found, **changed, "follows": follows})


def artifact_of(found: Mapping[str, Any]) -> KeptArtifact:
    """Return the artifact that a line tells of."""
    from uuid import UUID

    times = {name: datetime.fromisoformat(found[name]) for name in ("created", "updated")}
    return KeptArtifact(**{**found, **times, "id": UUID(found["id"])})
