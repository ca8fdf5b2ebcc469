"""Each pattern of examples/patterns runs, and prints what it is for."""

from __future__ import annotations

import os
import re
import runpy
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock.serving import Deployment
from penstock.testing import moving_time, served

PATTERNS = Path(__file__).parents[3] / "examples/patterns"

PRINTS = {
    "backoff": "{'tries': 3, 'missing': 1}\n",
    "cached": "348.57 154.35 ['AAPL', 'IBM', 'MSFT']\n223.02 2\n",
    "etl": "3376\n",
    "event_driven": "[150, 406, None, 120]\n['handle lost.json: FileNotFoundError']\n",
    "map_runtime": "AAPL 2010\nAMZN 2010\nGOOG 2007\nIBM 2010\nMSFT 2000\n",
    "ml_training": "{'k': 15, 'accuracy': 0.9733333333333334}\n",
    "orders": """\
killed by SIGKILL
Ada paid
Bob was paid already
Cleo paid
[('Ada', 120), ('Bob', 80), ('Cleo', 45)]
""",
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


def test_every_pattern_is_tested_and_listed() -> None:
    files = {path.stem for path in PATTERNS.glob("*.py")}
    listed = re.findall(r"\[(\w+)\.py\]\(\1\.py\)", (PATTERNS / "README.md").read_text())

    assert files == {*PRINTS, "cron_serve", "interval_deploy", "datasets"}
    assert sorted(listed) == sorted(files - {"datasets"})


def test_what_is_served_by_cron_runs_when_it_is_due(caplog: pytest.LogCaptureFixture) -> None:
    """Time is moved to the Monday morning at seven in Berlin."""
    deployments: list[Deployment] = runpy.run_path(str(PATTERNS / "cron_serve.py"))["deployments"]
    caplog.set_level("INFO", logger="penstock")
    before = datetime(2026, 11, 23, 5, 58, 30, tzinfo=UTC)

    with moving_time(before) as time, served(*deployments, limit=2):
        time.move(seconds=120)

    printed = [record.message for record in caplog.records]
    assert printed.count("the report of Berlin is morning-report-20261123060000") == 1
    assert printed.count("still here") == 2


def test_what_is_deployed_on_an_interval_runs_each_second_until_ctrl_c() -> None:
    with subprocess.Popen(
        [sys.executable, str(PATTERNS / "interval_deploy.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=60)

    assert printed == ["/ is fine, says watch-disk ['disk']\n"] * 2
    assert process.returncode == 0
    assert len(set(re.findall(r"watch-disk-\d{14}", log))) >= 2
