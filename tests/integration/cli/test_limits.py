"""`penstock limit` sets, lists and deletes the limits of this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.cli.app import app
from penstock.concurrency.sync import concurrency


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))
    return tmp_path


def _limit(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["limit", *words])
    assert done.exit_code == code, done.output
    return done.output


def test_limits_that_are_set_are_listed_with_what_is_taken() -> None:
    _limit("set", "db", "3")
    _limit("set", "api", "10", "--decay", "0.5")
    with concurrency("db", occupy=2):
        listed = json.loads(_limit("list", "-o", "json"))
        table = _limit("list")

    assert listed == [
        {"name": "api", "limit": 10, "taken": 0.0, "waiting": 0, "decay": 0.5},
        {"name": "db", "limit": 3, "taken": 2.0, "waiting": 0, "decay": 0.0},
    ]
    assert [line.split() for line in table.splitlines()] == [
        ["NAME", "LIMIT", "TAKEN", "WAITING", "DECAY"],
        ["api", "10", "0", "0", "0.5/s"],
        ["db", "3", "2", "0", "-"],
    ]


def test_a_limit_keeps_its_decay_until_another_is_given() -> None:
    decays = []
    for words in (["10", "--decay", "0.5"], ["0"], ["5", "--decay", "0"]):
        _limit("set", "api", *words)
        decays.append(json.loads(_limit("list", "-o", "json"))[0]["decay"])

    assert decays == [0.5, 0.5, 0.0]


def test_a_limit_can_be_deleted_once() -> None:
    _limit("set", "db", "3")

    _limit("delete", "db")
    assert "There is no limit db" in _limit("delete", "db", code=2)
    assert json.loads(_limit("list", "-o", "json")) == []


def test_a_limit_below_nothing_is_refused() -> None:
    said = _limit("set", "db", "--", "-1", code=2)

    assert "greater than or equal to 0" in said


def test_a_file_that_is_written_wrong_ends_with_a_sentence(home: Path) -> None:
    (home / "limits.yaml").write_text("db: many\n")

    assert "Mend the limit db" in _limit("list", code=2)
    assert "Mend the limit db" in _limit("delete", "db", code=2)
