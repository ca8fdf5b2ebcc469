"""FlowRuns of the namespace behind the API server: read, and created once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from penstock.errors import ChildRunRefused
from penstock.runner import exits
from penstock.runner.apiserver import Answer, ApiServer, UnreachableError
from penstock.runner.environment import Environment
from penstock.runner.own_run import API_VERSION
from penstock.runner.ownership import TERMINAL
from penstock.runner.pace import Backoff, Pace
from penstock.runner.submission import Failed

Run = Mapping[str, Any]
DECIDED = frozenset({400, 403, 404, 409, 413, 422})
"""Refusals that no repetition would change."""
PARENT_LABEL = "penstock.dev/parent"
CHAIN_LABEL = "penstock.dev/chain"


class FlowRuns:
    """Called from many threads; one request at a time. It waits for the API server for ever."""

    def __init__(
        self,
        environment: Environment,
        *,
        pace: Pace | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._collection = f"/apis/{API_VERSION}/namespaces/{environment.namespace}/flowruns"
        self._pace = pace or Pace()
        self._wait = wait
        self._lock = threading.Lock()
        self._server = ApiServer(
            environment.server_host,
            port=environment.server_port,
            credentials=environment.credentials,
        )

    def create(self, body: Run, *, is_ours: Callable[[Run], bool]) -> None:
        """Create a run, unless it is there; raise ``ChildRunRefused`` if its name is another's."""
        name, flow = body["metadata"]["name"], body["spec"]["flowRef"]["name"]
        answer = self._insist(lambda: self._server.create(self._collection, body))
        if answer.body.get("reason") == "AlreadyExists":
            there = self.read(name)
            if there is None or not is_ours(there):
                raise ChildRunRefused(
                    f"There is a run {name} already, and this run has not started it: delete it, "
                    "or start this run anew under another name."
                )
        elif not answer.ok:
            raise ChildRunRefused(
                f"The run {name} of the flow {flow} cannot be started. The API server's answer: "
                f"{answer.sentence}"
            )

    def read(self, name: str) -> Run | None:
        """Return a run as it is now; ``None`` if there is none."""
        answer = self._insist(lambda: self._server.get(f"{self._collection}/{name}"))
        if answer.status == 404:
            return None
        if not answer.ok:
            raise ChildRunRefused(f"The run {name} cannot be read: {answer.sentence}")
        return answer.body

    def last_of_chain(self, first: str) -> Run | None:
        """Return the run that goes on from a run now, or how the last one ended; else that run."""
        run = self.read(first)
        if run is not None and not goes_on(run):
            return run
        query = urlencode({"labelSelector": f"{CHAIN_LABEL}={first}"})
        answer = self._insist(lambda: self._server.get(f"{self._collection}?{query}"))
        if not answer.ok:
            raise ChildRunRefused(f"The runs that go on from {first}: {answer.sentence}")
        later = [each for each in answer.body.get("items") or () if not goes_on(each)]
        return max(later, key=lambda each: each["metadata"]["creationTimestamp"], default=run)

    def _insist(self, request: Callable[[], Answer]) -> Answer:
        """Repeat a request until the API server has decided upon it."""
        backoff = Backoff(self._pace)
        said = False
        while True:
            try:
                with self._lock:
                    answer = request()
                if answer.ok or answer.status in DECIDED:
                    return answer
                failed = Failed(answer.sentence, retry_after=answer.retry_after)
            except UnreachableError as error:
                failed = Failed(str(error))
            if not said:
                exits.say(f"The run waits for the API server. Its last answer: {failed.sentence}")
                said = True
            self._wait(backoff.after(failed))


def state_of(run: Run) -> str:
    """Return where a run stands."""
    return str((run.get("status") or {}).get("state") or "")


def is_over(run: Run) -> bool:
    """Tell whether a run has ended."""
    return state_of(run) in TERMINAL


def goes_on(run: Run) -> bool:
    """Tell whether a run has ended to go on as another."""
    return bool((run.get("status") or {}).get("continuedAs"))
