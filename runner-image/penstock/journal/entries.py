"""The entries of a journal, one line of text each: a type, the call's key, and JSON.

    done 3f…9a {"name":"load(load)","call":[0,"a1b2"],"json":[1,2]}
    failed 77…01 {"name":"load(load)","call":[1,"77aa"],"epoch":"0.1","state":["Failed","…"],…}
    retry 77…01 {"name":"load(load)","epoch":"0.1","attempts":1,"at":"2026-11-20T12:00:00+00:00"}
    note 5c…e0 {"name":"sleep","json":"2026-11-20T12:00:00+00:00"}
    forgotten 3f…9a {"name":"load(load)","epoch":"0.1"}
    left 3f…9a {"name":"load(load)","json":[{"key":"report","type":"markdown",…}]}
    due 77…01 {"name":"load(load)","epoch":"0.1","at":"2026-11-20T13:00:00+00:00"}
    beat 77…01 {"json":{"page":7}}
    start 3f…9a {"name":"charge(charge)","scope":"c2…07"}
    given - {"json":[[],{"day":"2026-11-20"}]}
    code - {"json":"4f1c2b3a99"}

The first digits of a key name the scope; ``call`` is the call's number in that, and short digests
of its arguments. What reruns add is in ``journal.reruns``.

Lines are read when they are asked for, and anew each time: what a task returned and somebody
changed afterwards is found as it was.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from penstock.engine.identity import SCOPE_DIGITS, CallKey
from penstock.engine.past import Place, Recorded, place_of
from penstock.engine.retry import AttemptsUsed
from penstock.errors import UnreadableResult, UnreadableValue, UnstorableValue
from penstock.journal.records import compact
from penstock.serializers import Serializer, decode, encode, encode_by
from penstock.states import State, StateType


def head_of(key: CallKey) -> dict[str, object]:
    """Return the fields with which every entry of a call begins: what it is, and where it stood."""
    head: dict[str, object] = {"name": key.identity}
    if key.ordinal is not None:
        place = place_of(key)
        head["call"] = [place.ordinal, *place.arguments]
    return head


def done_line(key: CallKey, state: State[object], *, by: Serializer | None = None) -> str:
    """Return the entry of a completed call; raise ``UnstorableValue`` if it cannot be stored."""
    fields = head_of(key)
    if state.message or state.name != "Completed":
        fields["state"] = [state.name, state.message]
    return _line("done", key.digest_of_path(), fields, value=state.data, by=by)


def failed_line(key: CallKey, state: State[object], *, epoch: str) -> str:
    """Return the entry of a call that failed for good."""
    fields = {**head_of(key), "epoch": epoch, "state": [state.name, state.message]}
    return _line("failed", key.digest_of_path(), fields, value=state.data)


def left_line(key: CallKey, left: Sequence[object]) -> str:
    """Return the entry of what a call left in the run's record; it precedes that of the call."""
    return _line("left", key.digest_of_path(), {"name": key.identity}, value=list(left))


def retry_line(key: CallKey, used: AttemptsUsed, *, epoch: str) -> str:
    """Return the entry of an attempt that failed and is to be followed by another."""
    at = used.retry_at.isoformat()
    fields = {"name": key.identity, "epoch": epoch, "attempts": used.attempts, "at": at}
    return f"retry {key.digest_of_path()} {compact(fields)}"


def due_line(key: CallKey, due: datetime, *, epoch: str) -> str:
    """Return the entry of when a call's last attempt has to have ended."""
    fields = {"name": key.identity, "epoch": epoch, "at": due.isoformat()}
    return f"due {key.digest_of_path()} {json.dumps(fields, separators=(',', ':'))}"


def beat_line(key: str, payload: object) -> str:
    """Return the entry of how far a call is; raise ``UnstorableValue`` if it cannot be stored."""
    return _line("beat", key, {}, value=payload)


def start_line(key: CallKey) -> str:
    """Return the entry of a call that is about to begin and must not begin twice."""
    fields = {"name": key.identity, "scope": key.digest_of_scope()}
    return f"start {key.digest_of_path()} {compact(fields)}"


def note_line(key: CallKey, value: object) -> str:
    """Return the entry of something that the engine decided once for the run."""
    return _line("note", key.digest_of_path(), head_of(key), value=value)


def forgotten_line(key: CallKey, *, epoch: str | None = None) -> str:
    """Return the entry of a call whose work was undone: entries before it hold no more.

    With an ``epoch`` they still tell, for as long as it lasts, what came of the call.
    """
    fields = {"name": key.identity} | ({} if epoch is None else {"epoch": epoch})
    return f"forgotten {key.digest_of_path()} {compact(fields)}"


def given_line(args: tuple[object, ...], kwargs: dict[str, object]) -> str:
    """Return the entry of what the run was started with."""
    return _line("given", "-", {}, value=[list(args), kwargs])


def line_of_run(kind: str, value: object) -> str:
    """Return an entry about the run as a whole; ``value`` is of JSON's types."""
    return f"{kind} - {compact({'json': value})}"


def _line(
    kind: str,
    key: str,
    fields: dict[str, object],
    *,
    value: object,
    by: Serializer | None = None,
) -> str:
    serializer, payload = encode(value) if by is None else encode_by(by, value)
    is_json = serializer == "json"
    if not is_json:
        try:
            decode(serializer, payload, by=by)
        except UnreadableValue as error:  # many an exception: else it would be found out later
            raise UnstorableValue(str(error)) from error
    head = compact(fields)[:-1]
    text = payload.decode() if is_json else f'"{base64.b64encode(payload).decode()}"'
    return f"{kind} {key} {head}{',' if fields else ''}{json.dumps(serializer)}:{text}}}"


def split_line(line: str) -> tuple[str, str, str]:
    """Return type, key and the JSON of an entry, unread."""
    kind, key, text = line.split(" ", 2)
    return kind, key, text


def recorded_in(kind: str, key: str, text: str) -> Recorded | None:
    """Return the call that an entry tells of, if any; its value stays unread."""
    start = _call_at(text) if kind in _OF_CALLS else -1
    if start < 0:
        return None
    name = text[len('{"name":') : start - len(",")]
    identity = json.loads(name) if "\\" in name else name[1:-1]
    ordinal, *arguments = _call_in(text, start)
    place = Place(key[:SCOPE_DIGITS], ordinal, tuple(arguments))
    return Recorded(key, identity, place, has_result=kind != "failed")


def call_in(text: str) -> list[Any] | None:
    """Return where the call of an entry stood, as it is written."""
    start = _call_at(text)
    return None if start < 0 else _call_in(text, start)


def _call_at(text: str) -> int:
    return text.find('"call":[', 0, _HEAD)


def _call_in(text: str, start: int) -> list[Any]:
    call: list[Any] = _DECODER.raw_decode(text, start + len('"call":'))[0]
    return call


def weight_of(line: str) -> int:
    """Return how many characters of an entry count towards a limit: its place and key do not."""
    start = _call_at(line)
    place = line.find("],", start) + len("],") - start if start > 0 else 0
    return len(line) - line.find("{") - place


_OF_CALLS = frozenset({"done", "away", "failed", "note"})
_HEAD = 1000
"""Characters in which the place of a call is looked for."""
_DECODER = json.JSONDecoder()


def value_in(text: str) -> object:
    """Return the value of an entry, made anew."""
    return _value(json.loads(text), by=None)


def _value(fields: dict[str, object], *, by: Serializer | None) -> object:
    serializer = next(reversed(fields))
    stored = fields[serializer]
    if serializer == "json":
        return stored
    assert isinstance(stored, str)
    try:
        return decode(serializer, base64.b64decode(stored), by=by)
    except (UnreadableValue, ValueError) as error:
        name = str(fields.get("name", "the flow"))
        raise UnreadableResult(
            f"What {name} left in the journal cannot be read any more: {error} Bring back what it "
            "needs.",
            name=name,
        ) from error


def state_in(text: str, *, kind: StateType, by: Serializer | None = None) -> State[object]:
    """Return the state of an entry, its value made anew."""
    fields = json.loads(text)
    name, message = fields.get("state", (None, ""))
    return State(kind, name=name, message=message, data=_value(fields, by=by))


def epoch_in(text: str) -> str:
    """Return the epoch in which an entry holds."""
    return str(json.loads(text)["epoch"])


def moment_in(text: str) -> datetime:
    """Return the moment that an entry names."""
    return datetime.fromisoformat(json.loads(text)["at"])


def attempts_in(text: str) -> AttemptsUsed:
    """Return how often a call had failed, and when it was to be tried again."""
    fields = json.loads(text)
    return AttemptsUsed(fields["attempts"], datetime.fromisoformat(fields["at"]))
