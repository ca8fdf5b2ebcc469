"""Whether this process still speaks for its run, judged from the run as the API server has it.

A Job may start the same pod twice, an operator may have given the run to a newer attempt while
this pod was cut off, and an answer may be lost after the write was carried out. Each of these
looks like a refused write; only the object itself tells them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TERMINAL = frozenset({"Completed", "Failed", "Crashed", "Cancelled"})


@dataclass(frozen=True, slots=True)
class Claim:
    """Who claims to run what: the identity behind every report."""

    attempt: int
    pod_name: str
    pod_uid: str


@dataclass(frozen=True, slots=True)
class Owned:
    """The run is this pod's."""

    run: Mapping[str, Any]
    cancelled: bool
    """The run is to be cancelled: somebody asked for it, or its parent has ended."""
    suspended: bool = False
    """The run is to go on later, without a pod meanwhile: somebody asked for it, of the run or of
    its pool."""


@dataclass(frozen=True, slots=True)
class Reported:
    """This pod's outcome is stored already."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The run is not, or no longer, this pod's."""

    sentence: str


def judge(run: Mapping[str, Any], claim: Claim) -> Owned | Reported | Lost:
    """Judge who owns a run that was just read from the API server."""
    status = run.get("status") or {}
    execution = status.get("execution") or {}
    same_attempt = execution.get("attempt") == claim.attempt
    if same_attempt and execution.get("podUID") == claim.pod_uid and execution.get("outcome"):
        return Reported()
    if status.get("state") in TERMINAL:
        return Lost(f"The run is {status['state']} already; this pod has nothing left to do.")
    if status.get("attempt") != claim.attempt:
        return Lost(
            f"The run is at attempt {status.get('attempt')}, this pod is attempt {claim.attempt}: "
            "it stops without a report."
        )
    if same_attempt and execution.get("podUID") != claim.pod_uid:
        return Lost(
            f"Pod {execution.get('podName')} claimed attempt {claim.attempt} first: "
            "this pod stops without a report."
        )
    spec = run.get("spec") or {}
    # A child ends with its parent: then the operator alone has decided it.
    cancelled = bool(spec.get("cancel")) or status.get("state") == "Cancelling"
    # In its last launch the run meets its cancellation where it would do something new.
    cancelled = cancelled and not status.get("ending")
    suspended = bool(spec.get("suspend")) or status.get("reason") == "SuspendRequested"
    return Owned(run=run, cancelled=cancelled, suspended=suspended)
