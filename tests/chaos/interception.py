"""Which request of which run meets which fault: what the proxy is told about each."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence

from tests.chaos.faults import Answered, Asked, Fault, Planned
from tests.chaos.kubelet import Nodes, Process
from tests.chaos.ledger import Ledger
from tests.chaos.strikes import Strikes


class Interception:
    """Counts the requests of each run, and lets what is planned for it strike."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._nodes: Nodes
        self._strikes: Strikes
        self._operators = ""
        self._count: Callable[[str], None]
        self._planned: dict[str, dict[int, Planned]] = {}
        self._asked: Counter[str] = Counter()
        self._struck: dict[str, list[str]] = {}
        self._owners: dict[str, Process] = {}
        self._lock = threading.Lock()

    def begin(
        self, nodes: Nodes, strikes: Strikes, *, operators: str, count: Callable[[str], None]
    ) -> None:
        """Begin once everybody is there; requests with the token `operators` meet no faults."""
        self._nodes = nodes
        self._strikes = strikes
        self._operators = operators
        self._count = count

    def plan(self, run: str, faults: Sequence[Planned]) -> None:
        """Let a run meet these faults."""
        self._planned[run] = {each.number: each for each in faults}
        self._struck[run] = []

    def end(self, run: str) -> tuple[Sequence[str], int]:
        """Forget a run; return what struck it, and how many requests it made."""
        self._planned.pop(run, None)
        return self._struck.pop(run, []), self._asked.pop(run, 0)

    def judge(self, asked: Asked) -> Fault | None:
        """Return what this request meets."""
        run = self._run_of(asked)
        if run is None:
            return None
        with self._lock:
            self._asked[run] += 1
            planned = self._planned.get(run, {}).get(self._asked[run])
        if planned is None:
            return self._strikes.meanwhile(run, path=asked.path)
        fault = self._strikes.of(planned, run, method=asked.method)
        if fault is not None:
            request = f"{asked.method} {asked.path}"
            self._count(planned.kind)
            self._struck[run].append(f"{planned}: {request}")
            self._ledger.note(run, "fault", what_=str(planned), request=request)
        return fault

    def witness(self, answered: Answered) -> None:
        """Learn until when slots of limits are held by right."""
        asked, slots = answered.asked, self._ledger.slots
        *_, plural, name, subresource = ["", "", *asked.path.partition("?")[0].split("/")]
        if subresource != "status" or asked.method == "GET" or not answered.may_be_done:
            return
        owner = self._owner_of(asked)
        if plural == "flowruns" and owner is None:
            status = json.loads(answered.body)["status"]
            attempt, state = status.get("attempt", 0), status.get("state", "")
            slots.ruled(name, attempt=attempt, state=state, at=answered.began)
        if plural == "concurrencylimits" and owner is not None and answered.status is not None:
            slots.written(name, pod=owner.log.parent.name, at=answered.began)

    def _run_of(self, asked: Asked) -> str | None:
        owner = self._owner_of(asked)
        return owner.run if owner is not None else None

    def _owner_of(self, asked: Asked) -> Process | None:
        """Return the process that asks; None if it is an operator."""
        token = asked.authorization.removeprefix("Bearer ")
        if token == self._operators:
            return None
        if token not in self._owners:
            for process in self._nodes.processes():
                held = (process.log.parent / "token").read_text()
                self._owners[held] = process
        return self._owners.get(token)
