"""One report to the API server, and what its answer means.

A refusal alone does not tell a fenced pod from a policy that was not in force yet or an answer
that was lost, so the run is read once before anybody concludes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from penstock.runner.apiserver import Answer, UnreachableError
from penstock.runner.ownership import Claim, Lost, Owned, Reported, judge

REFUSED = frozenset({403, 404, 409, 422})
"""Answers that may mean that the run is another pod's by now."""
INDIGESTIBLE = frozenset({400, 413, 422})
"""Answers that may mean that this report cannot be stored, though a terser one could."""


class Run(Protocol):
    """The FlowRun of this pod."""

    def read(self, *, timeout: float | None = None) -> Answer: ...

    def report(self, execution: Mapping[str, Any], *, timeout: float | None = None) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Stored:
    """The API server has the report."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The report is not stored, as far as anybody knows; it may be sent again."""

    sentence: str
    retry_after: float | None = None
    indigestible: bool = False


def inquire(
    run: Run, *, claim: Claim, timeout: float | None = None
) -> Owned | Reported | Lost | Failed:
    """Read the run and judge whose it is."""
    try:
        answer = run.read(timeout=timeout)
    except UnreachableError as error:
        return Failed(str(error))
    if answer.status == 404:
        return Lost("The run was deleted; this pod stops without a report.")
    if not answer.ok:
        return Failed(answer.sentence, retry_after=answer.retry_after)
    return judge(answer.body, claim)


def submit(
    run: Run, execution: Mapping[str, Any], *, claim: Claim, timeout: float | None = None
) -> Stored | Lost | Failed:
    """Send one report; if it is refused, find out whether the run is still this pod's."""
    try:
        answer = run.report(execution, timeout=timeout)
    except UnreachableError as error:
        return Failed(str(error))
    if answer.ok:
        # Where the admission policies are not installed, the answer still tells of a newer attempt.
        verdict = judge(answer.body, claim)
        return verdict if isinstance(verdict, Lost) else Stored()
    if answer.status in REFUSED:
        match inquire(run, claim=claim, timeout=timeout):
            case Lost() as lost:
                return lost
            case Reported():  # the answer to an earlier try was lost on its way
                return Stored()
    return Failed(
        answer.sentence,
        retry_after=answer.retry_after,
        indigestible=answer.status in INDIGESTIBLE,
    )
