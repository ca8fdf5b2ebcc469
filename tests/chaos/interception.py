"""Which request of which run meets which fault: what the proxy is told about each."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence

from tests.chaos.faults import Asked, Fault, Planned
from tests.chaos.kubelet import Nodes
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
        self._runs_of_tokens: dict[str, str] = {}
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
            return None
        fault = self._strikes.of(planned, run, method=asked.method)
        if fault is not None:
            request = f"{asked.method} {asked.path}"
            self._count(planned.kind)
            self._struck[run].append(f"{planned}: {request}")
            self._ledger.note(run, "fault", what_=str(planned), request=request)
        return fault

    def _run_of(self, asked: Asked) -> str | None:
        token = asked.authorization.removeprefix("Bearer ")
        if token == self._operators:
            return None
        if token not in self._runs_of_tokens:
            for process in self._nodes.processes():
                held = (process.log.parent / "token").read_text()
                self._runs_of_tokens[held] = process.run
        return self._runs_of_tokens.get(token)
