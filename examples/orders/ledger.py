"""The shop's services in one: a ledger of what was done, each deed once for each key.

A real payment service works like this: the first request with a key does it, further ones with the
same key get the same answer. It answers a second after it has done the deed, so that a client may
well die in between.
"""

import json
import os
import sqlite3
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECONDS = float(os.environ.get("LEDGER_SECONDS", "1"))
DEEDS = """
CREATE TABLE IF NOT EXISTS deeds (
    key TEXT PRIMARY KEY, deed TEXT, name TEXT, amount INTEGER, asked INTEGER DEFAULT 1
)
"""
NOTE = "INSERT INTO deeds (key, deed, name, amount) VALUES (?, ?, ?, ?)"
AGAIN = "ON CONFLICT (key) DO UPDATE SET asked = asked + 1"


class Ledger(BaseHTTPRequestHandler):
    """POST does a deed; GET lists all of them, and how often each was asked for."""

    file = os.environ.get("LEDGER_FILE", "/tmp/ledger.db")

    def do_POST(self) -> None:
        """Do what is asked for, once for each key."""
        deed = self.path.strip("/")
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if deed == "ship" and asked.get("address") == "Atlantis":
            self.answer({"error": "There is no Atlantis."}, status=422)
            return
        self.ask(f"{NOTE} {AGAIN}", asked["key"], deed, asked["order"], asked.get("amount", 0))
        print(deed, asked["order"], flush=True)
        time.sleep(SECONDS)
        self.answer({"receipt": asked["key"]})

    def do_GET(self) -> None:
        """List what was done, in its order."""
        rows = self.ask("SELECT deed, name, amount, asked FROM deeds ORDER BY rowid")
        names = ("deed", "order", "amount", "asked")
        self.answer([dict(zip(names, row, strict=True)) for row in rows])

    def ask(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        """Ask the file in which all of it is kept."""
        with closing(sqlite3.connect(self.file)) as database, database:
            database.execute(DEEDS)
            return database.execute(sql, values).fetchall()

    def answer(self, said: object, *, status: int = 200) -> None:
        """Answer in JSON."""
        body = json.dumps(said, indent=2).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Say nothing of each request."""


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8080), Ledger).serve_forever()
