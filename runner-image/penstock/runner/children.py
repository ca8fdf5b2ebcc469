"""Children of the pod's run behind the API server: started once, followed while they are awaited.

A child is a FlowRun like any other, with a reference to its parent. What it returned is in its
journal; its status shows people no more than a beginning.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from penstock.drivers.children import Children, Order
from penstock.errors import ChildRunFailed, ChildRunRefused, ResultElsewhere
from penstock.journal.roots import root_state
from penstock.journal.run_journal import RunJournal
from penstock.runner import exits
from penstock.runner.chains import records_of
from penstock.runner.environment import Environment
from penstock.runner.flow_runs import PARENT_LABEL, FlowRuns, Run, is_over, state_of
from penstock.runner.own_run import API_VERSION
from penstock.states import State, StateType

SECONDS_BETWEEN_LOOKS = 2.0
MOST_AT_ONCE = 25
"""Children that are looked at in one go; where more are awaited, they take turns."""


class ClusterChildren:
    """Starts children, follows those that are awaited, and reads what they came to."""

    def __init__(
        self, environment: Environment, *, run: Run, journal: RunJournal, runs: FlowRuns
    ) -> None:
        self._environment = environment
        self._journal = journal
        self._owner = {"name": run["metadata"]["name"], "uid": run["metadata"]["uid"]}
        self._runs = runs
        self.children = Children(
            parent=self._owner["name"],
            parent_uid=self._owner["uid"],
            start=self._start,
            final_state=self._final_state,
            read=runs.last_of_chain,
        )
        threading.Thread(target=self._follow, name="penstock-children", daemon=True).start()

    def _start(self, order: Order, name: str) -> None:
        body = child_manifest(order, name=name, parent=self._owner)
        self._runs.create(body, is_ours=self._is_ours)

    def _is_ours(self, run: Run) -> bool:
        parent = run["spec"].get("parentRef") or {}
        return bool(parent.get("uid") == self._owner["uid"])

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
            run = self._runs.last_of_chain(name)
        except ChildRunRefused as error:  # rights that are being installed
            exits.say(str(error))
            return
        if run is None or is_over(run):
            self.children.tell_of_end(name)

    def _final_state(self, name: str) -> State[object]:
        run = self._runs.last_of_chain(name)
        if run is None:
            words = f"The child run {name} was deleted, and its result with it."
            return _failed(ChildRunFailed(words, run=name))
        if state_of(run) == "Completed":
            return self._completed(run, name=name)
        words = run["status"].get("message") or "It does not say why."
        error = ChildRunFailed(
            f"The child run {name} ended as {state_of(run)}: {words}", run=name, state=state_of(run)
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
        return root_state(records_of(self._environment, run=run), large=self._journal.large)


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


def _failed(error: Exception) -> State[object]:
    return State(StateType.FAILED, message=str(error), data=error)
