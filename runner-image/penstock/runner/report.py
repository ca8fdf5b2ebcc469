"""`status.execution` from what is known of a run: in the schema's bounds, never above 32 KiB.

The bounds of single fields cannot hold the whole below the limit, since a character takes up to
six bytes. So the report is made with ever narrower bounds until its encoded size fits; the
narrowest fits whatever the run does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from penstock.drivers.answering import LARGEST_ANSWER
from penstock.drivers.inbox import Verdict
from penstock.drivers.suspension import Suspended
from penstock.engine.outcome import ErrorReport
from penstock.journal.figures import Figures
from penstock.plain import stored_size
from penstock.runner import PROTOCOL
from penstock.runner.ownership import Claim
from penstock.runner.record_index import ArtifactLine, EventLine, RecordIndex
from penstock.runner.tally import Move, Tally, TaskCount

LIMIT = 32 * 1024
OTHERS = "(other tasks)"
MAX_SETTLED = 50
"""Signals of which the operator is told at once what became of them."""
MAX_VALUES = 50
MAX_VALUE_BYTES = 2048
"""Of one published value; what is larger, or for which there is no room, is counted."""
NO_ROOM = "Its answer had no room in the run's last report."
MAX_AWAITED = 8
MAX_SIGNALS = 32
"""Names of signals that a suspended run may be woken by."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of everything a report may hold: entries, or characters."""

    tasks: int
    recent: int
    name: int
    recent_message: int
    message: int
    traceback: int
    preview: int
    artifacts: int
    artifact_text: int
    events: int
    values: int
    """Bytes of published values in all."""
    answers: int
    """Bytes of answers to updates in all."""


LADDER = (
    Bounds(50, 20, 128, 512, 2048, 8192, 1024, 50, 256, 10, 4096, 8192),
    Bounds(50, 20, 128, 512, 2048, 8192, 1024, 20, 64, 5, 4096, 8192),
    Bounds(50, 20, 128, 512, 2048, 8192, 1024, 5, 0, 2, 4096, 8192),
    Bounds(50, 20, 128, 128, 1024, 4096, 512, 5, 0, 2, 4096, 8192),
    Bounds(20, 10, 64, 64, 512, 2048, 128, 5, 0, 2, 2048, 8192),
    Bounds(0, 0, 64, 0, 512, 512, 0, 0, 0, 0, 0, LARGEST_ANSWER),
)
"""From what the schema allows to what always fits."""


EARLIER = (
    *("progress", "counts", "tasks", "recent", "artifactCount", "artifacts", "events"),
    *("values", "unshownValues"),
)
"""What stays true of a run when an attempt ends before its flow has begun."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the flow returned."""

    type: str
    preview: str | None = None


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The outcome of the attempt and what explains it."""

    state: str
    reason: str
    message: str
    finished_at: datetime
    error: ErrorReport | None = None
    result: Result | None = None
    continued_as: str | None = None
    """The run that goes on in its place."""


def render_report(
    tally: Tally,
    *,
    claim: Claim,
    started_at: datetime,
    now: datetime,
    ending: Conclusion | Suspended | None = None,
    settled: Sequence[tuple[str, Verdict]] = (),
    awaited: Sequence[str] = (),
    figures: Figures | None = None,
    earlier: Mapping[str, Any] | None = None,
    terse: bool = False,
) -> dict[str, Any]:
    """Return `status.execution` as full as the limit allows, or as small as it gets if `terse`.

    An attempt whose flow has not begun repeats what was told `earlier`.
    """
    for bounds in LADDER[-1:] if terse else LADDER:
        report = {
            "protocol": PROTOCOL,
            "attempt": claim.attempt,
            "podName": claim.pod_name,
            "podUID": claim.pod_uid,
            "startedAt": rfc3339(started_at),
            "updatedAt": rfc3339(now),
            **_work(tally, bounds),
            **_records(tally.records, bounds),
            **_values(tally.records.values, bounds),
            **_journal(figures, bounds),
            **_signals(settled, bounds, is_last=ending is not None),
            **_awaited(awaited if ending is None else (), bounds),
            **_ending(ending, bounds),
            **_repeated(earlier or {}, bounds),
        }
        if stored_size(report) <= LIMIT:
            break
    return report


def rfc3339(moment: datetime) -> str:
    """Return a moment as the API server wants it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clip(text: str, limit: int) -> str:
    """Keep the beginning of a text, and make it valid UTF-8."""
    if len(text) > limit:
        text = text[: max(0, limit - 1)] + "…" if limit else ""
    return text if text.isascii() else text.encode(errors="replace").decode()


def clip_front(text: str, limit: int) -> str:
    """Keep the end of a text: a traceback tells there what happened."""
    return clip(text if len(text) <= limit else "…" + text[len(text) - limit + 1 :], limit)


def _work(tally: Tally, bounds: Bounds) -> dict[str, Any]:
    return {
        "progress": f"{tally.finished}/{tally.known}",
        "counts": {kind.capitalize(): number for kind, number in tally.counts.items() if number},
        "tasks": [_task(task, bounds) for task in _shown(list(tally.tasks.values()), bounds.tasks)],
        "recent": [_move(move, bounds) for move in tally.recent[-bounds.recent :] if bounds.recent],
    }


def _repeated(earlier: Mapping[str, Any], bounds: Bounds) -> dict[str, Any]:
    """Return what an attempt before has told, of which numbers alone always fit."""
    fields = EARLIER if bounds.tasks else EARLIER[:2]
    return {field: earlier[field] for field in fields if field in earlier}


def _shown(tasks: list[TaskCount], limit: int) -> list[TaskCount]:
    """Return the first tasks, and the sum of those for which there is no room."""
    if len(tasks) <= limit or not limit:
        return tasks[:limit]
    others = TaskCount(OTHERS)
    for task in tasks[limit - 1 :]:
        others.add(task)
    return [*tasks[: limit - 1], others]


def _task(task: TaskCount, bounds: Bounds) -> dict[str, Any]:
    return {
        "name": clip(task.name, bounds.name),
        "total": task.total,
        "completed": task.completed,
        "running": task.running,
        "failed": task.failed,
        "cancelled": task.cancelled,
    }


def _move(move: Move, bounds: Bounds) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": clip(move.name, bounds.name),
        "state": clip(move.state, 64),
        "at": rfc3339(move.at),
    }
    if move.duration_seconds is not None:
        entry["durationSeconds"] = round(move.duration_seconds, 3)
    if move.message and bounds.recent_message:
        entry["message"] = clip(move.message, bounds.recent_message)
    return entry


def _records(index: RecordIndex, bounds: Bounds) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    if index.artifacts_made:
        shown = index.artifacts[-bounds.artifacts :] if bounds.artifacts else []
        parts["artifactCount"] = index.artifacts_made
        parts["artifacts"] = [_artifact(each, bounds) for each in shown]
    if index.events_emitted:
        last = list(index.events)[-bounds.events :] if bounds.events else []
        parts["events"] = {
            "count": index.events_emitted,
            "recent": [_event(each, bounds) for each in last],
        }
    return parts


def _values(published: dict[str, Any], bounds: Bounds) -> dict[str, Any]:
    """Return the published values for which there is room, those that were set last first."""
    if not published:
        return {}
    shown: dict[str, Any] = {}
    room = bounds.values
    for key, value in islice(reversed(published.items()), MAX_VALUES):
        size = stored_size({key: value})
        if size <= min(room, MAX_VALUE_BYTES):
            shown[key] = value
            room -= size
    parts: dict[str, Any] = {"values": dict(reversed(shown.items()))}
    if len(shown) < len(published):
        parts["unshownValues"] = len(published) - len(shown)
    return parts


def _artifact(artifact: ArtifactLine, bounds: Bounds) -> dict[str, Any]:
    return _filled(
        key=artifact.key,
        type=clip(artifact.type, 64),
        description=clip(artifact.description, bounds.artifact_text),
        at=rfc3339(artifact.at),
        taskRun=clip(artifact.task_run, bounds.name),
        preview=clip(artifact.preview, bounds.artifact_text),
    )


def _event(event: EventLine, bounds: Bounds) -> dict[str, Any]:
    return _filled(
        event=clip(event.event, bounds.name),
        resource=clip(event.resource, bounds.name),
        at=rfc3339(event.at),
        taskRun=clip(event.task_run, bounds.name),
    )


def _filled(**fields: str | None) -> dict[str, Any]:
    """Leave out what says nothing."""
    return {name: value for name, value in fields.items() if value}


def _journal(figures: Figures | None, bounds: Bounds) -> dict[str, Any]:
    if figures is None:
        return {}
    parts: dict[str, Any] = {"entries": figures.entries, "bytes": figures.size}
    if figures.unstored:
        parts["unstored"] = figures.unstored
        parts["unstoredTask"] = clip(figures.unstored_task, bounds.name)
    if figures.code_changed:
        parts["codeChanged"] = True
    if figures.owed:
        parts["rollbacksOwed"] = True
    return {"journal": parts}


def _signals(
    settled: Sequence[tuple[str, Verdict]], bounds: Bounds, *, is_last: bool
) -> dict[str, Any]:
    """Return what became of signals; an answer without room is told in a later report, if any."""
    shown: list[dict[str, Any]] = []
    room = bounds.answers
    for name, verdict in settled[:MAX_SETTLED]:
        message = clip(verdict.message, bounds.recent_message)
        entry: dict[str, Any] = _filled(name=name, state=verdict.state, message=message)
        if verdict.answer is not None:
            size = stored_size(verdict.answer)
            if size <= room:
                entry["answer"] = verdict.answer
                room -= size
            elif is_last:
                entry["message"] = NO_ROOM
            else:
                continue
        shown.append(entry)
    return {"signals": shown} if shown else {}


def _awaited(signals: Sequence[str], bounds: Bounds) -> dict[str, Any]:
    shown = [clip(each, 128) for each in signals[:MAX_AWAITED]] if bounds.tasks else []
    return {"awaitedSignals": shown} if shown else {}


def _ending(ending: Conclusion | Suspended | None, bounds: Bounds) -> dict[str, Any]:
    match ending:
        case Conclusion():
            return _conclusion(ending, bounds)
        case Suspended():
            return {"suspension": _suspension(ending)}
    return {}


def _suspension(suspended: Suspended) -> dict[str, Any]:
    wait = suspended.wait
    parts: dict[str, Any] = {"kind": wait.kind, "since": rfc3339(wait.since)}
    if wait.name:
        parts["name"] = clip(wait.name, 128)
    if wait.until is not None:
        parts["until"] = rfc3339(wait.until)
    if wait.problem is not None:
        parts["reason"] = wait.problem.reason
        parts["message"] = clip(wait.problem.message, 512)
    if suspended.signals:
        parts["signals"] = list(suspended.signals[:MAX_SIGNALS])
    if suspended.runs:
        parts["runs"] = list(suspended.runs)
    if wait.payload_schema is not None:
        parts["payloadSchema"] = wait.payload_schema
    return parts


def _conclusion(conclusion: Conclusion, bounds: Bounds) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "outcome": {
            "state": conclusion.state,
            "reason": conclusion.reason,
            "message": clip(conclusion.message, bounds.message),
            "finishedAt": rfc3339(conclusion.finished_at),
        }
    }
    if conclusion.continued_as is not None:
        parts["outcome"]["continuedAs"] = conclusion.continued_as
    if conclusion.error is not None:
        parts["error"] = {
            "type": clip(conclusion.error.type, bounds.name),
            "message": clip(conclusion.error.message, bounds.message),
            "traceback": clip_front(conclusion.error.traceback, bounds.traceback),
        }
    if conclusion.result is not None:
        parts["result"] = {"type": clip(conclusion.result.type, bounds.name)}
        if conclusion.result.preview is not None and bounds.preview:
            parts["result"]["preview"] = clip(conclusion.result.preview, bounds.preview)
    return parts
