"""A strict flow whose code has changed waits for a person, who accepts that (rule 12)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.cli.test_local_runs import finish

FLOW = """
import os
from pathlib import Path
from penstock import flow, task

@task
def load(day: str) -> str:
    with Path("deeds.txt").open("a") as deeds:
        deeds.write(f"{day} ")
    return day

@flow(strict=True)
def days() -> str:
    load("monday")
    if not Path("mended").exists():
        os._exit(9)
    return load("tuesday")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run that died, and with a flow that has changed since."""
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    (tmp_path / "days.py").write_text(FLOW)
    assert finish("run", "days.py:days", "--run-id", "r", folder=tmp_path)[0] == 9
    (tmp_path / "mended").touch()
    (tmp_path / "days.py").write_text(FLOW.replace("monday", "wednesday"))
    return tmp_path


def test_it_stops_before_the_other_call_and_says_how_to_go_on(folder: Path) -> None:
    code, _, said = finish("run", "--resume", "r", folder=folder)

    assert code == 5
    assert "load is called with another value of day" in said
    assert "--accept" in said
    assert (folder / "deeds.txt").read_text() == "monday "


def test_the_change_is_accepted(folder: Path) -> None:
    finish("run", "--resume", "r", folder=folder)
    code, _, said = finish("run", "--resume", "r", "--accept", folder=folder)

    assert code == 0, said
    assert (folder / "deeds.txt").read_text() == "monday wednesday tuesday "


def test_the_code_is_brought_back(folder: Path) -> None:
    finish("run", "--resume", "r", folder=folder)
    (folder / "days.py").write_text(FLOW)
    code, _, said = finish("run", "--resume", "r", folder=folder)

    assert code == 0, said
    assert (folder / "deeds.txt").read_text() == "monday tuesday "
