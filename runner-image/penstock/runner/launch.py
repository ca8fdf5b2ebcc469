"""What to run: the operator's snapshot of the flow, overlaid with the run's own parameters."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from penstock.journal.reruns import Origin

_SCHEDULED_TIME = "penstock.dev/scheduled-time"


class LaunchError(Exception):
    """The snapshot does not say what to run."""


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch of a flow."""

    entrypoint: str
    parameters: Mapping[str, Any]
    retries: int | None
    """Takes the place of the decorator's."""
    retry_delay_seconds: float | None


def read_launch(snapshot: Path, *, run: Mapping[str, Any], origin: Origin | None = None) -> Launch:
    """Read the snapshot; the run's parameters take the place of the flow's of the same name.

    What a rerun takes over of the parameters of the run before goes between the two.
    """
    try:
        launch = json.loads((snapshot / "launch.json").read_text())
        entrypoint = launch["entrypoint"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise LaunchError(
            f"{snapshot}/launch.json does not say what to run ({type(error).__name__}: {error}). "
            "The operator writes it and the pod mounts it; check the pod template's volumes."
        ) from error
    spec = run.get("spec") or {}
    own = origin.parameters if origin else spec.get("parameters") or {}
    return Launch(
        entrypoint=entrypoint,
        parameters={**(launch.get("parameters") or {}), **own},
        retries=launch.get("retries"),
        retry_delay_seconds=launch.get("retryDelaySeconds"),
    )


def scheduled_time(run: Mapping[str, Any]) -> datetime | None:
    """Return the moment of a Schedule that a run is for."""
    annotations = run.get("metadata", {}).get("annotations") or {}
    try:
        return datetime.fromisoformat(annotations[_SCHEDULED_TIME])
    except (LookupError, ValueError, TypeError):
        return None


def last_report(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a run's attempts have told so far; nothing before the first has."""
    return (run.get("status") or {}).get("execution") or {}


def enter_sources(snapshot: Path) -> None:
    """Stand where the flow's files are: in the snapshot, else in the image's working directory."""
    if (snapshot / "src").is_dir():
        os.chdir(snapshot / "src")
