"""A run that is killed inside a transaction ends it when it is resumed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.integration.cli.test_run_local import start

FLOW = """
import time
from pathlib import Path
from penstock import flow, task
from penstock.transactions import get_transaction, transaction

@task
def write(name: str) -> None:
    get_transaction().set("name", name)
    Path(name).touch()

@write.on_rollback
def remove(txn) -> None:
    Path(txn.get("name")).unlink()

@write.on_commit
def confirm(txn) -> None:
    print("confirmed", txn.get("name"))

@flow
def writes() -> None:
    with transaction():
        write("one")
        write("two")
        while not Path("go").exists():
            time.sleep(0.01)
        if Path("broken").exists():
            raise RuntimeError("the bridge is closed")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a flow that waits inside its transaction, and a home of its own."""
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "writes.py").write_text(FLOW)
    return tmp_path / "work"


@pytest.mark.parametrize("fails", [False, True], ids=["commits", "rolls back"])
def test_a_transaction_whose_process_was_killed_ends_on_resume(
    folder: Path, *, fails: bool
) -> None:
    process = start("run", "writes.py:writes", "--run-id", "writes-1", folder=folder)
    deadline = time.monotonic() + 30
    while not (folder / "two").exists():
        assert time.monotonic() < deadline, "the flow does not come forward"
        time.sleep(0.01)
    process.kill()
    process.communicate()
    (folder / "go").touch()
    if fails:
        (folder / "broken").touch()

    resumed = start("run", "--resume", "writes-1", folder=folder)
    stdout, stderr = resumed.communicate(timeout=60)

    written = {path.name for path in folder.iterdir()} & {"one", "two"}
    assert resumed.returncode == (1 if fails else 0), stderr
    assert written == (set() if fails else {"one", "two"})
    assert stdout.splitlines() == ([] if fails else ["confirmed one", "confirmed two"])
