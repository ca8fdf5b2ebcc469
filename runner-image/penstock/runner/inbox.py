"""Signals for this pod's run: asked for while somebody waits, reported once they are settled."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from penstock.drivers.inbox import Inbox, Message, Verdict
from penstock.drivers.receiving import settled_in
from penstock.journal.run_journal import RunJournal
from penstock.runner import exits
from penstock.runner.apiserver import ApiServer, UnreachableError
from penstock.runner.board import NoticeBoard
from penstock.runner.environment import Environment

SECONDS_BETWEEN_LOOKS = 2.0


class ClusterInbox:
    """Brings the pending Signals of a run into its inbox, and what became of them back."""

    def __init__(
        self,
        server: ApiServer,
        *,
        environment: Environment,
        run: Mapping[str, Any],
        board: NoticeBoard,
    ) -> None:
        self._server = server
        self._board = board
        self._uid = run["metadata"]["uid"]
        signals = f"/apis/penstock.dev/v1alpha1/namespaces/{environment.namespace}/signals"
        addressed = [f"spec.flowRunRef.name={environment.run}"]
        if run["spec"].get("continuedFrom"):  # what was sent to the runs before
            addressed.append(f"status.forwardedTo={environment.run}")
        self._paths = [
            f"{signals}?fieldSelector={quote(f'{each},status.state=Pending')}" for each in addressed
        ]
        self._verdicts: dict[str, Verdict] = {}
        self._complaint = ""
        self._pending: dict[str, str] = {}
        """Names of the signals of which the API server does not know what became, by uid."""
        self.inbox = Inbox(settle=self._settle, tell_awaited=board.awaited)

    def start(self, journal: RunJournal) -> None:
        """Ask for signals from now on; those that the journal knows are consumed already."""
        for message, verdict in settled_in(journal):
            self.inbox.remember(message)
            self._verdicts[message.id] = verdict
        if self._verdicts and not self._look():  # an earlier attempt may have had no time to tell
            self.inbox.is_wanted.set()
        threading.Thread(target=self._work, name="penstock-inbox", daemon=True).start()

    def _work(self) -> None:
        pause = threading.Event()
        while True:
            self.inbox.is_wanted.wait()
            if self._look():
                self.inbox.rest()
            if any(verdict.is_final for _, verdict in self._untold()):
                self.inbox.is_wanted.set()  # until the API server knows
            pause.wait(SECONDS_BETWEEN_LOOKS)

    def _look(self) -> bool:
        """Ask once; tell whether there was an answer."""
        try:
            answers = [self._server.get(path) for path in self._paths]
        except UnreachableError as error:
            self._complain(str(error))
            return False
        if refused := [answer.sentence for answer in answers if not answer.ok]:
            self._complain(refused[0])
            return False
        items = [item for answer in answers for item in answer.body.get("items") or ()]
        pending = [item for item in items if self._is_for_us(item)]
        self._pending = {item["metadata"]["uid"]: item["metadata"]["name"] for item in pending}
        self._tell()
        new = [item for item in pending if item["metadata"]["uid"] not in self._verdicts]
        self.inbox.deliver(_message(item) for item in sorted(new, key=_age))
        return True

    def _complain(self, sentence: str) -> None:
        """Say what keeps signals away, once for each cause."""
        if sentence != self._complaint:
            self._complaint = sentence
            exits.say(f"Signals for the run cannot be read: {sentence}")

    def _is_for_us(self, item: Mapping[str, Any]) -> bool:
        """Tell whether a signal is for this run, not for an earlier one of the same name."""
        return (item.get("status") or {}).get("flowRunUID") in (None, self._uid)

    def _settle(self, message: Message, verdict: Verdict) -> None:
        self._verdicts[message.id] = verdict
        self._tell()
        self.inbox.is_wanted.set()

    def _tell(self) -> None:
        """Put into the report what became of signals, as long as their own status does not say."""
        self._board.settled(self._untold())

    def _untold(self) -> list[tuple[str, Verdict]]:
        return [
            (name, self._verdicts[uid])
            for uid, name in self._pending.items()
            if uid in self._verdicts
        ]


def _age(item: Mapping[str, Any]) -> tuple[str, str]:
    metadata = item["metadata"]
    return metadata["creationTimestamp"], metadata["name"]


def _message(item: Mapping[str, Any]) -> Message:
    spec = item["spec"]
    return Message(
        id=item["metadata"]["uid"],
        name=spec["name"],
        payload=spec.get("payload"),
        sender=spec["sender"],
        groups=tuple(spec.get("senderGroups") or ()),
        sent_at=datetime.fromisoformat(item["metadata"]["creationTimestamp"]),
        idempotency_key=spec.get("idempotencyKey"),
    )
