"""`penstock artifacts`: what a run has kept for people to look at."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.integration.cli.apiserver import Script, no_such, of

from penstock import flow, task
from penstock.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)
from penstock.execution import RunContext, execute

Penstock = Callable[..., Any]
PATH = "/apis/penstock.dev/v1alpha1/namespaces/default/flowruns/daily-x7k2p"
ENTRY = {
    "key": "orders",
    "type": "markdown",
    "at": "2026-11-20T12:00:00Z",
    "taskRun": "load-0",
    "preview": "# All 7 orders\nare shipped",
}


def run_with(*artifacts: dict[str, Any], count: int | None = None) -> dict[str, Any]:
    execution = {"attempt": 2, "artifacts": list(artifacts), "artifactCount": count}
    return {
        "metadata": {"name": "daily-x7k2p"},
        "status": {"attempt": 2, "execution": {k: v for k, v in execution.items() if v}},
    }


@pytest.fixture
def ask(penstock: Penstock, script: Script, tmp_path: Path) -> Penstock:
    kubeconfig = str(script.kubeconfig(tmp_path))
    return lambda *options: penstock("artifacts", "--kubeconfig", kubeconfig, *options)


def test_a_table_has_the_first_line_of_each(ask: Penstock, script: Script) -> None:
    script.on(PATH, of(run_with(ENTRY, {"type": "progress", "at": ENTRY["at"]}, count=2)))

    head, first, second = ask("daily-x7k2p").stdout.splitlines()

    assert head.split() == ["KEY", "TYPE", "TASK", "RUN", "AGE", "WHAT"]
    assert first.startswith("orders   markdown   load-0")
    assert first.rstrip().endswith("# All 7 orders")
    assert "progress" in second


def test_machines_get_what_the_run_reported(ask: Penstock, script: Script) -> None:
    script.on(PATH, of(run_with(ENTRY, count=7)))

    done = ask("daily-x7k2p", "-o", "json")

    assert json.loads(done.stdout) == [ENTRY]
    assert done.stderr == "These are the last 1 of 7 artifacts, one for each key.\n"


def test_a_run_without_artifacts_says_so(ask: Penstock, script: Script) -> None:
    script.on(PATH, of(run_with()))

    done = ask("daily-x7k2p")

    assert (done.exit_code, done.stdout) == (0, "")
    assert "daily-x7k2p has kept no artifacts" in done.stderr


def test_a_run_that_does_not_exist_is_named(ask: Penstock, script: Script) -> None:
    script.on(PATH, no_such("flowruns", "daily-x7k2p"))

    done = ask("daily-x7k2p")

    assert done.exit_code == 2
    assert "daily-x7k2p" in done.stderr


def test_a_run_on_this_machine_has_its_data_in_files(
    penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))

    @task
    def load() -> None:
        create_markdown_artifact("# All 7 orders", key="orders", description="daily")

    @flow
    def daily() -> None:
        progress = create_progress_artifact(0)
        load()
        load()
        update_progress_artifact(progress, 100)

    execute(daily, parameters={}, context=RunContext("daily-1"))
    orders, loading = json.loads(penstock("artifacts", "--local", "daily-1", "-o", "json").stdout)
    table = penstock("artifacts", "--local", "daily-1").stdout

    assert (orders["data"], loading["data"]) == ("# All 7 orders", 100.0)
    row = table.splitlines()[1].split()
    assert [*row[:3], *row[4:]] == ["orders", "markdown", "load-1", "daily"]


def test_a_run_that_never_was_here_says_where_it_was_looked_for(
    penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))

    done = penstock("artifacts", "--local", "daily-2")

    assert done.exit_code == 2
    assert f"no run daily-2 with artifacts in {tmp_path}/runs" in done.stderr


def test_a_run_of_a_file_keeps_its_artifacts_without_being_asked(
    penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PENSTOCK_HOME", raising=False)
    (tmp_path / "flow.py").write_text(
        "from penstock import flow\n"
        "from penstock.artifacts import create_markdown_artifact\n\n"
        "@flow\ndef daily():\n    create_markdown_artifact('# x', key='report')\n"
    )

    done = penstock("run", f"{tmp_path}/flow.py:daily")
    run = done.stderr.split()[1]

    assert done.exit_code == 0
    assert (
        json.loads(penstock("artifacts", "--local", run, "-o", "json").stdout)[0]["data"] == "# x"
    )
