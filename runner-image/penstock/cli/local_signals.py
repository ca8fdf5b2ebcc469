"""Signals for runs of this machine: kept beside their journals, looked for while a run waits."""

from __future__ import annotations

import getpass
import json
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.cli.errors import CommandError, RejectedError, UnansweredError
from penstock.cli.local_runs import LocalRuns, RunRow
from penstock.drivers.inbox import Inbox, Message, Verdict
from penstock.drivers.receiving import settled_in
from penstock.home import home
from penstock.journal.run_journal import RunJournal
from penstock.runner.exits import OF_STATE

if TYPE_CHECKING:
    from sqlite3 import Connection

SECONDS_BETWEEN_LOOKS = 0.5
_SCHEMA = """
CREATE TABLE IF NOT EXISTS signals (
    id TEXT PRIMARY KEY, journal TEXT NOT NULL, name TEXT NOT NULL, payload TEXT NOT NULL,
    sender TEXT NOT NULL, key TEXT, sent TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS verdicts (
    signal TEXT PRIMARY KEY, state TEXT NOT NULL, message TEXT NOT NULL, answer TEXT NOT NULL
)
"""


def send_here(run: str, name: str, *, payload: Any, key: str | None) -> str:
    """Keep a signal for a run of this machine; return its id."""
    runs = LocalRuns(home())
    row = runs.latest_of(runs.find(runs.last_of_chain(runs.find(run).id)).journal)
    if row.state in OF_STATE:
        raise CommandError(f"{row.id} has ended already: {row.state}. Nobody waits for {name}.")
    runs.connection.executescript(_SCHEMA)
    values = (
        uuid.uuid4().hex,
        row.journal,
        name,
        json.dumps(payload),
        getpass.getuser(),
        key,
        datetime.now(UTC).isoformat(),
    )
    runs.connection.execute("INSERT INTO signals VALUES (?,?,?,?,?,?,?)", values)
    return values[0]


def answer_here(run: str, signal: str, *, timeout: float | None) -> Any:
    """Wait for the answer to a signal, and return it."""
    runs = LocalRuns(home())
    journal = runs.find(run).journal
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        row = runs.latest_of(journal)  # before the verdict: the run writes that one first
        verdict = _verdict_on(signal, runs.connection)
        if verdict is not None and verdict.is_final:
            if verdict.state == "Rejected":
                raise RejectedError(f"The update was rejected: {verdict.message}")
            return verdict.answer
        if row.state in OF_STATE:
            raise RejectedError(f"{row.id} ended as {row.state} without answering.")
        if deadline is not None and time.monotonic() >= deadline:
            raise UnansweredError(
                f"{row.id} has not answered within {timeout:g} s. The update is kept for it."
            )
        time.sleep(SECONDS_BETWEEN_LOOKS / 5)


def _verdict_on(signal: str, connection: Connection) -> Verdict | None:
    found = connection.execute(
        "SELECT state, message, answer FROM verdicts WHERE signal = ?", (signal,)
    ).fetchone()
    if found is None:
        return None
    state, message, answer = found
    return Verdict(state=state, message=message, answer=json.loads(answer))


def hand_on_signals(row: RunRow, *, to: str, runs: LocalRuns) -> None:
    """Let the run that goes on from another get the signals that it has not taken."""
    runs.connection.execute(
        "UPDATE signals SET journal = ? WHERE journal = ? "
        "AND id NOT IN (SELECT signal FROM verdicts)",
        (to, row.journal),
    )


def local_inbox(runs: LocalRuns, *, journal_id: str, journal: RunJournal) -> Inbox:
    """Return the inbox of a run, filled by a thread while somebody waits."""
    connection = runs.connection
    connection.executescript(_SCHEMA)

    def settle(message: Message, verdict: Verdict) -> None:
        values = (message.id, verdict.state, verdict.message, json.dumps(verdict.answer))
        connection.execute("INSERT OR REPLACE INTO verdicts VALUES (?,?,?,?)", values)

    inbox = Inbox(settle=settle)
    for message, verdict in settled_in(journal):
        inbox.remember(message)
        settle(message, verdict)  # an earlier process may have had no time to tell
    threading.Thread(
        target=_fill, args=(inbox, connection, journal_id), name="penstock-inbox", daemon=True
    ).start()
    return inbox


def _fill(inbox: Inbox, connection: Connection, journal_id: str) -> None:
    pause = threading.Event()
    while True:
        inbox.is_wanted.wait()
        rows = connection.execute(
            "SELECT id, name, payload, sender, key, sent FROM signals WHERE journal = ? "
            "ORDER BY sent",
            (journal_id,),
        ).fetchall()
        inbox.deliver(
            Message(
                id=id_,
                name=name,
                payload=json.loads(payload),
                sender=sender,
                idempotency_key=key,
                sent_at=datetime.fromisoformat(sent),
            )
            for id_, name, payload, sender, key, sent in rows
        )
        pause.wait(SECONDS_BETWEEN_LOOKS)
