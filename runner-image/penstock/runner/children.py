"""Children of the pod's run behind the API server: started once, followed while they are awaited.

A child is a FlowRun like any other, with a reference to its parent. What it returned is in its
journal; its status shows people no more than a beginning.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from penstock.drivers.children import Children, Order
from penstock.errors import ChildRunFailed, ChildRunRefused, ResultElsewhere
from penstock.journal.roots import root_state
from penstock.journal.run_journal import RunJournal
from penstock.runner import exits
from penstock.runner.apiserver import Answer, ApiServer, UnreachableError
from penstock.runner.chains import open_chain
from penstock.runner.environment import Environment
from penstock.runner.own_run import API_VERSION
from penstock.runner.ownership import TERMINAL
from penstock.runner.pace import Backoff, Pace
from penstock.runner.segments import open_segments
from penstock.runner.submission import Failed
from penstock.states import State, StateType

Run = Mapping[str, Any]
SECONDS_BETWEEN_LOOKS = 2.0
MOST_AT_ONCE = 25
"""Children that are looked at in one go; where more are awaited, they take turns."""
REFUSALS = frozenset({400, 403, 404, 413, 422})
PARENT_LABEL = "penstock.dev/parent"


class ClusterChildren:
    """Starts and reads children. Called from many threads; one request at a time."""

    def __init__(
        self,
        environment: Environment,
        *,
        run: Run,
        journal: RunJournal,
        pace: Pace | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._environment = environment
        self._journal = journal
        self._owner = {"name": run["metadata"]["name"], "uid": run["metadata"]["uid"]}
        self._collection = f"/apis/{API_VERSION}/namespaces/{environment.namespace}/flowruns"
        self._pace = pace or Pace()
        self._wait = wait
        self._lock = threading.Lock()
        self._server = ApiServer(
            environment.server_host,
            port=environment.server_port,
            credentials=environment.credentials,
        )
        self.children = Children(
            parent=self._owner["name"],
            parent_uid=self._owner["uid"],
            start=self._start,
            final_state=self._final_state,
        )
        threading.Thread(target=self._follow, name="penstock-children", daemon=True).start()

    def _start(self, order: Order, name: str) -> None:
        body = child_manifest(order, name=name, parent=self._owner)
        answer = self._insist(lambda: self._server.create(self._collection, body))
        if answer.body.get("reason") == "AlreadyExists":
            self._adopt(name)
        elif not answer.ok:
            raise ChildRunRefused(
                f"The child run {name} of the flow {order.flow} cannot be started. The API "
                f"server's answer: {answer.sentence}"
            )

    def _adopt(self, name: str) -> None:
        """Take a run that exists for the child, if this run has started it."""
        there = self._read(name)
        parent = (there or {}).get("spec", {}).get("parentRef") or {}
        if parent.get("uid") != self._owner["uid"]:
            raise ChildRunRefused(
                f"There is a run {name} already, and this run has not started it: delete it, or "
                "start the parent anew under another name."
            )

    def _read(self, name: str) -> Run | None:
        """Return a run as it is now; ``None`` if there is none."""
        answer = self._insist(lambda: self._server.get(f"{self._collection}/{name}"))
        if answer.status == 404:
            return None
        if not answer.ok:
            raise ChildRunRefused(f"The run {name} cannot be read: {answer.sentence}")
        return answer.body

    def _insist(self, request: Callable[[], Answer]) -> Answer:
        """Repeat a request until the API server has decided upon it."""
        backoff = Backoff(self._pace)
        said = False
        while True:
            try:
                with self._lock:
                    answer = request()
                if answer.ok or answer.status in REFUSALS or answer.status == 409:
                    return answer
                failed = Failed(answer.sentence, retry_after=answer.retry_after)
            except UnreachableError as error:
                failed = Failed(str(error))
            if not said:
                exits.say(f"The run waits for the API server. Its last answer: {failed.sentence}")
                said = True
            self._wait(backoff.after(failed))

    def _follow(self) -> None:
        """Look at those that are awaited, again and again."""
        pause = threading.Event()
        turn = 0
        while True:
            self.children.is_wanted.wait()
            awaited = self.children.awaited()
            turn = turn % max(1, len(awaited))
            for name in [*awaited[turn:], *awaited[:turn]][:MOST_AT_ONCE]:
                self._look(name)
            turn += MOST_AT_ONCE
            pause.wait(SECONDS_BETWEEN_LOOKS)

    def _look(self, name: str) -> None:
        try:
            run = self._read(name)
        except ChildRunRefused as error:  # rights that are being installed
            exits.say(str(error))
            return
        if run is None or _state(run) in TERMINAL:
            self.children.tell_of_end(name)

    def _final_state(self, name: str) -> State[object]:
        run = self._read(name)
        if run is None:
            words = f"The child run {name} was deleted, and its result with it."
            return _failed(ChildRunFailed(words, run=name))
        if _state(run) == "Completed":
            return self._completed(run, name=name)
        words = run["status"].get("message") or "It does not say why."
        error = ChildRunFailed(
            f"The child run {name} ended as {_state(run)}: {words}", run=name, state=_state(run)
        )
        error.__cause__ = self._cause_in(run)
        return _failed(error)

    def _completed(self, run: Run, *, name: str) -> State[object]:
        try:
            found = self._journaled(run)
        except Exception as error:
            why = f"cannot be read: {error}"
        else:
            if found is not None and found.is_completed():
                return found
            why = (
                "was not stored, or is in the store of another pool than this run's: let its flow "
                "return less, give it a result_storage, or let both use one store."
            )
        return _failed(ResultElsewhere(f"The child run {name} has completed; its result {why}"))

    def _cause_in(self, run: Run) -> BaseException | None:
        """Return the exception that ended a child, if it can be had."""
        try:
            found = self._journaled(run)
        except Exception:  # its words are in the message
            return None
        return found.data if found and isinstance(found.data, BaseException) else None

    def _journaled(self, run: Run) -> State[object] | None:
        """Return what the child's own journal says of its end."""
        records: list[bytes] = []
        for open_one in (open_chain, open_segments):  # its pool may have no store, as ours has
            chain = open_one(self._environment, run=run)
            try:
                records = records or chain.read()
            finally:
                chain.close()
        return root_state(records, large=self._journal.large)


def child_manifest(order: Order, *, name: str, parent: Mapping[str, str]) -> dict[str, Any]:
    """Write down the FlowRun of a child."""
    spec: dict[str, Any] = {
        "flowRef": {"name": order.flow},
        "parentRef": {**parent, "closePolicy": order.close_policy},
    }
    if order.parameters:
        spec["parameters"] = dict(order.parameters)
    if order.timeout_seconds is not None:
        spec["timeoutSeconds"] = order.timeout_seconds
    return {
        "apiVersion": API_VERSION,
        "kind": "FlowRun",
        "metadata": {"name": name, "labels": {PARENT_LABEL: parent["name"]}},
        "spec": spec,
    }


def _state(run: Run) -> str:
    return str((run.get("status") or {}).get("state") or "")


def _failed(error: Exception) -> State[object]:
    return State(StateType.FAILED, message=str(error), data=error)
