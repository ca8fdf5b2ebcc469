"""What was typed after ``penstock run``, for a run on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was typed: a new run of an entrypoint, or one to go on with."""

    entrypoint: str | None
    parameters: Mapping[str, Any]
    run_id: str | None = None
    resume: str | None = None
    journal: str | None = None
    """The store of a new run's journal; its home, if there is none."""
    force: bool = False
    exit_on_wait: bool = False
    accept: bool = False
    """Go on although the flow no longer makes the calls that it made."""
    start: str | None = None
    """Where a run begins that is resumed, if not where it stopped."""
    timeout_seconds: int | None = None
    form: str | None = None
