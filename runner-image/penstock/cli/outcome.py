"""What the exit code of a command says, so that scripts and CI jobs can decide upon it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from penstock.runner.exits import OF_STATE

USAGE = 2
"""The command cannot do what was typed; stderr says what to type instead."""
UNREACHABLE = 75
"""The API server did not answer, so nobody knows how the run goes on."""
REJECTED = 1
"""The run has rejected an update, or ended without answering it."""
UNANSWERED = 124
"""The run has not answered an update in time; it may do so later."""
INTERRUPTED = 130
"""Ctrl-C ended the command; a run in the cluster goes on."""


class RunState(StrEnum):
    """The states of a run, as one may ask for them."""

    SCHEDULED = "Scheduled"
    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    CANCELLING = "Cancelling"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CRASHED = "Crashed"
    CANCELLED = "Cancelled"


def state_of(run: Mapping[str, Any]) -> str:
    """Return the state of a FlowRun; one that no operator has seen yet has none, and waits."""
    return str(run.get("status", {}).get("state") or "Scheduled")


def is_final(run: Mapping[str, Any]) -> bool:
    """Tell whether a FlowRun has come to its end."""
    return state_of(run) in OF_STATE


def exit_code(run: Mapping[str, Any]) -> int:
    """Return what a command that saw the run end exits with."""
    return OF_STATE[state_of(run)]
