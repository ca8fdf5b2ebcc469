"""`penstock values` and `penstock runs ID`: what a run has published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.integration.cli.apiserver import Script, of
from tests.integration.cli.test_local_runs import finish

Penstock = Callable[..., Any]
PATH = "/apis/penstock.dev/v1alpha1/namespaces/default/flowruns/daily-x7k2p"
FLOW = """
from penstock import flow, set_state_value, task

@task
def load(fail: bool) -> None:
    set_state_value("rows", {"read": 3})

@flow
def daily(fail: bool = True) -> None:
    load(fail)
    set_state_value("stage", "loaded")
    if fail:
        raise RuntimeError("the bridge is closed")
"""


@pytest.fixture
def ask(penstock: Penstock, script: Script, tmp_path: Path) -> Penstock:
    kubeconfig = str(script.kubeconfig(tmp_path))
    return lambda *options: penstock("values", "--kubeconfig", kubeconfig, *options)


def run_with(**execution: object) -> dict[str, Any]:
    """A run that waits without a pod: what its last attempt reported stands."""
    execution["attempt"] = 1
    return {
        "metadata": {"name": "daily-x7k2p"},
        "status": {"attempt": 2, "state": "Suspended", "execution": execution},
    }


def test_a_table_has_a_line_for_each_value(ask: Penstock, script: Script) -> None:
    script.on(PATH, of(run_with(values={"stage": "loading", "rows": {"read": 3}})))

    done = ask("daily-x7k2p")

    assert [line.rstrip() for line in done.stdout.splitlines()] == [
        "KEY     VALUE",
        'stage   "loading"',
        'rows    {"read": 3}',
    ]


def test_machines_get_the_values_and_hear_of_others(ask: Penstock, script: Script) -> None:
    script.on(PATH, of(run_with(values={"stage": None}, unshownValues=2)))

    done = ask("daily-x7k2p", "-o", "json")

    assert json.loads(done.stdout) == {"stage": None}
    assert "published 2 more" in done.stderr


def test_a_run_without_values_says_so(ask: Penstock, script: Script) -> None:
    script.on(PATH, of(run_with()))

    done = ask("daily-x7k2p")

    assert (done.exit_code, done.stdout) == (0, "")
    assert "daily-x7k2p has published no values" in done.stderr


def test_a_run_of_this_machine_shows_its_values_also_after_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    (tmp_path / "daily.py").write_text(FLOW)
    finish("run", "daily.py:daily", "--run-id", "one", folder=tmp_path)
    finish("run", "--resume", "one", folder=tmp_path)

    _, first, _ = finish("runs", "one", "-o", "json", folder=tmp_path)
    _, resumed, _ = finish("runs", "one.2", folder=tmp_path)

    assert json.loads(first)["values"] == {"rows": {"read": 3}, "stage": "loaded"}
    assert json.loads(first)["state"] == "Failed"
    assert "the bridge is closed" in resumed
    assert [line.rstrip() for line in resumed.splitlines()[-2:]] == [
        'rows    {"read": 3}',
        'stage   "loaded"',
    ]
