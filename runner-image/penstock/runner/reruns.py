"""What a rerun takes over from the run that it names, before its flow begins.

The entries that it keeps are copied into its own journal: the run before may be deleted as soon as
that is done. Whoever is killed meanwhile goes on with the copy where it was broken off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from penstock.errors import RerunImpossible
from penstock.journal.records import lines_in
from penstock.journal.reruns import (
    From,
    Origin,
    Rewind,
    has_inherited,
    kept,
    of_given,
    origin_among,
)
from penstock.journal.run_journal import RunJournal
from penstock.runner import exits
from penstock.runner.apiserver import Answer, ApiServer, UnreachableError
from penstock.runner.chains import records_of
from penstock.runner.environment import Environment
from penstock.runner.launch import last_report
from penstock.runner.own_run import API_VERSION
from penstock.runner.pace import Backoff, Pace
from penstock.runner.submission import Failed

Run = Mapping[str, Any]


class Others(Protocol):
    """The other runs of the namespace."""

    def read(self, name: str) -> Run:
        """Return a run; raise ``RerunImpossible`` if it is gone."""

    def lines(self, run: Run) -> list[str]:
        """Return the entries of its journal."""


def take_over(journal: RunJournal, *, run: Run, others: Others) -> Origin | None:
    """Have all in the journal that the run keeps of another one; ``None`` if it names none.

    Raises ``RerunImpossible`` where there is nothing to begin with.
    """
    if not run["spec"].get("rerunOf"):
        return None
    origin = journal.origin()
    if origin is None:
        lines, origin = _inherited(run["spec"], others=others)
        journal.adopt(lines, origin=origin)
        exits.say(f"The run begins with {len(lines)} entries of the journal of {origin.run}.")
    return origin


def _inherited(spec: Run, *, others: Others) -> tuple[list[str], Origin]:
    """Return the entries that a run begins with which names another one, and where they are from.

    The other one may have ended before it had taken over what itself was to begin with.
    """
    wanted, own = spec["rerunOf"], spec.get("parameters") or {}
    old = others.read(wanted["name"])
    lines = others.lines(old)
    before, changes = origin_among(lines), {}
    if before is None and old["spec"].get("rerunOf"):
        lines, before = _inherited(old["spec"], others=others)
        changes = dict(before.changes)
    first = before.first if before else old["metadata"]["name"]
    parameters = before.parameters if before else old["spec"].get("parameters") or {}
    if not lines and wanted.get("from") != "Start":
        _require_nothing_finished(old)
    rewind = Rewind(
        start=cast("From", wanted.get("from", "Failure")), task=wanted.get("task") or ""
    )
    changes |= own
    lines = of_given(kept(lines, rewind=rewind), changed=bool(changes))
    return lines, Origin(
        run=old["metadata"]["name"],
        uid=old["metadata"]["uid"],
        first=first,
        parameters={**parameters, **own},
        changes=changes if has_inherited(lines) else {},
    )


def _require_nothing_finished(old: Run) -> None:
    report = last_report(old)
    if (report.get("counts") or {}).get("Completed"):
        raise RerunImpossible(
            f"The journal of the run {old['metadata']['name']}, which this run is to begin with, "
            "is gone, though the run had finished tasks: somebody has deleted its segments. "
            "Create a run with rerunOf.from: Start, or without rerunOf."
        )


class OtherRuns:
    """The other runs behind the API server; a read waits for it as long as it takes."""

    def __init__(
        self,
        environment: Environment,
        *,
        server: ApiServer,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._environment = environment
        self._server = server
        self._wait = wait

    def read(self, name: str) -> Run:
        """Return a run; raise ``RerunImpossible`` if it is gone."""
        path = f"/apis/{API_VERSION}/namespaces/{self._environment.namespace}/flowruns/{name}"
        backoff = Backoff(Pace())
        while not (answer := self._try_to_get(path)).ok:
            if answer.status == 404:
                raise RerunImpossible(
                    f"The run {name}, which this run is to begin with, does not exist any more: "
                    "it was deleted before its journal was taken over. Create a run without "
                    "rerunOf."
                )
            exits.say(f"The run {name} cannot be read yet. The last answer: {answer.sentence}")
            self._wait(backoff.after(Failed(answer.sentence, retry_after=answer.retry_after)))
        return answer.body

    def _try_to_get(self, path: str) -> Answer:
        try:
            return self._server.get(path)
        except UnreachableError as error:
            return Answer(503, body={"message": str(error)})

    def lines(self, run: Run) -> list[str]:
        """Return the entries of its journal: in its pool's store, or as it was without one."""
        return lines_in(records_of(self._environment, run=run))
