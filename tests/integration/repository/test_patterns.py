"""Each pattern of examples/patterns runs, and prints what it is for."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock.serving import Deployment, next_tick

PATTERNS = Path(__file__).parents[3] / "examples/patterns"

PRINTS = {
    "backoff": "{'tries': 3, 'missing': 1}\n",
    "etl": "3376\n",
    "event_driven": "[150, 406, None, 120]\n['handle lost.json: FileNotFoundError']\n",
    "map_runtime": "AAPL 2010\nAMZN 2010\nGOOG 2007\nIBM 2010\nMSFT 2000\n",
    "ml_training": "{'k': 15, 'accuracy': 0.9733333333333334}\n",
    "saga": """\
the trip is booked for Ada
gave back 2 at hotel
gave back 2 at airline
Bob cannot pay 510.
True False
airline [('Ada',)]
hotel [('Ada',)]
""",
    "sync": "{'copied': 17, 'removed': 1}\n{'copied': 0, 'removed': 0}\n",
}


@pytest.mark.parametrize("pattern", PRINTS)
def test_a_pattern_runs(pattern: str) -> None:
    done = subprocess.run(
        [sys.executable, str(PATTERNS / f"{pattern}.py")],
        env=os.environ | {"PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.stdout, done.returncode) == (PRINTS[pattern], 0), done.stderr


def test_every_pattern_is_tested() -> None:
    files = {path.stem for path in PATTERNS.glob("*.py")}

    assert files == {*PRINTS, "cron_serve", "datasets"}


def test_what_is_served_is_due_on_time_and_runs() -> None:
    deployments: list[Deployment] = runpy.run_path(str(PATTERNS / "cron_serve.py"))["deployments"]

    first = [next_tick(each, datetime(2026, 11, 20, 12, tzinfo=UTC)) for each in deployments]
    for each in deployments:
        each.flow(**each.parameters)

    assert first == [
        datetime(2026, 11, 23, 6, tzinfo=UTC),
        datetime(2026, 11, 20, 12, 1, tzinfo=UTC),
    ]
