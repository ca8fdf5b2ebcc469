"""Signals for runs of this machine: kept beside their journals, looked for while a run waits."""

from __future__ import annotations

import getpass
import json
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

from penstock.cli.local_runs import LocalRuns
from penstock.drivers.inbox import Inbox, Message
from penstock.drivers.receiving import NOTE, consumed_in
from penstock.home import home
from penstock.journal.run_journal import RunJournal

SECONDS_BETWEEN_LOOKS = 0.5
_SCHEMA = """
CREATE TABLE IF NOT EXISTS signals (
    id TEXT PRIMARY KEY, journal TEXT NOT NULL, name TEXT NOT NULL, payload TEXT NOT NULL,
    sender TEXT NOT NULL, key TEXT, sent TEXT NOT NULL
)
"""


def send_here(run: str, name: str, *, payload: Any, key: str | None) -> None:
    """Keep a signal for a run of this machine."""
    runs = LocalRuns(home())
    row = runs.find(run)
    runs.connection.execute(_SCHEMA)
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
    print(f"sent to {row.id}: {name}", flush=True)


def local_inbox(runs: LocalRuns, *, journal_id: str, journal: RunJournal) -> Inbox:
    """Return the inbox of a run, filled by a thread while somebody waits."""
    runs.connection.execute(_SCHEMA)
    inbox = Inbox()
    for message in consumed_in(journal.notes(NOTE)):
        inbox.remember(message)
    threading.Thread(
        target=_fill, args=(inbox, runs, journal_id), name="penstock-inbox", daemon=True
    ).start()
    return inbox


def _fill(inbox: Inbox, runs: LocalRuns, journal_id: str) -> None:
    pause = threading.Event()
    while True:
        inbox.is_wanted.wait()
        rows = runs.connection.execute(
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
