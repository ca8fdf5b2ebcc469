"""`penstock export` and `penstock replay`: new code against the journals of old runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.integration.cli.apiserver import Script, of

from penstock.errors import NonDeterminism
from penstock.loading import load_flow
from penstock.testing import replay

Penstock = Callable[..., Any]
FLOW = """
from pathlib import Path
from penstock import flow, task

@task
def load(day: str) -> str:
    Path("deeds.txt").write_text("loaded")
    return day

@flow
def days(first: str = "monday") -> list[str]:
    print("reading")
    return [load(first), load("tuesday")]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a flow, a run of it, and what comes of changes to it."""
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "days.py").write_text(FLOW)
    return tmp_path


@pytest.fixture
def recorded(folder: Path, penstock: Penstock) -> Path:
    assert penstock("run", "days.py:days", "--run-id", "days-1").exit_code == 0
    (folder / "deeds.txt").unlink()
    return folder


def change(folder: Path, old: str, new: str) -> str:
    """Change the code in a file of its own, which no module of another test has loaded."""
    changed = folder / f"changed{len(list(folder.iterdir()))}.py"
    changed.write_text(FLOW.replace(old, new))
    return f"{changed.name}:days"


def test_the_same_code_fits_and_runs_nothing(recorded: Path, penstock: Penstock) -> None:
    done = penstock("replay", "days-1", "days.py:days")

    assert done.exit_code == 0, done.output
    assert done.stdout.split() == ["CALL", "FOUND", "WOULD", "RUN", "load", "2", "0"]
    assert not (recorded / "deeds.txt").exists()


def test_a_call_that_differs_is_told_with_its_argument(recorded: Path, penstock: Penstock) -> None:
    done = penstock("replay", "days-1", change(recorded, "load(first)", 'load("a " + first)'))

    assert done.exit_code == 1
    assert "load is called with another value of day" in done.stderr
    assert not (recorded / "deeds.txt").exists()


def test_an_exported_journal_is_replayed_anywhere(
    recorded: Path, penstock: Penstock, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = penstock("export", "--here", "days-1", "-o", "days.json")
    monkeypatch.setenv("PENSTOCK_HOME", str(recorded / "elsewhere"))

    assert exported.exit_code == 0
    assert penstock("replay", "days.json", "days.py:days").exit_code == 0


def test_a_test_replays_it_with_a_function(recorded: Path, penstock: Penstock) -> None:
    penstock("export", "--here", "days-1", "-o", "days.json")
    changed = load_flow(change(recorded, '"tuesday"', '"friday"'))

    assert replay(load_flow("days.py:days"), "days.json").found == {"load": 2}
    with pytest.raises(NonDeterminism, match="another value of day"):
        replay(changed, Path("days.json"))


def test_the_cluster_s_objects_are_exported_as_they_are(
    recorded: Path, penstock: Penstock, script: Script
) -> None:
    here = json.loads(penstock("export", "--here", "days-1").stdout)
    base = "/apis/penstock.dev/v1alpha1/namespaces/default"
    script.on(f"{base}/flowruns/days-1", of({"metadata": {"name": "days-1", "uid": "days-1"}}))
    earlier = json.loads(json.dumps(here["items"][0]).replace('"uid": "days-1"', '"uid": "old"'))
    script.on(f"{base}/journalsegments", of({"metadata": {}, "items": [earlier, *here["items"]]}))

    done = penstock("export", "--kubeconfig", str(script.kubeconfig(recorded)), "days-1")

    assert json.loads(done.stdout) == here


def finished(script: Script, *, store: str) -> None:
    """Let the cluster have a run whose pool has a store."""
    metadata = {"name": "days-1", "namespace": "team", "uid": "abcd1234-5678"}
    path = "/apis/penstock.dev/v1alpha1/namespaces/team/flowruns/days-1"
    script.on(path, of({"metadata": metadata, "status": {"store": store}}))
    segments = "/apis/penstock.dev/v1alpha1/namespaces/team/journalsegments"
    script.on(segments, of({"metadata": {}, "items": []}))


@pytest.fixture
def stored(folder: Path, penstock: Penstock) -> Path:
    """Return the folder of a store with a journal, laid out as a pod does."""
    assert penstock("run", "days.py:days", "--run-id", "days-1", "--journal", "here").exit_code == 0
    (folder / "store/journals/team").mkdir(parents=True)
    (folder / "here/journals/days-1").rename(folder / "store/journals/team/days-1-abcd1234")
    return folder / "store"


def test_a_journal_in_the_store_of_a_pool_is_exported_from_there(
    stored: Path, script: Script, penstock: Penstock
) -> None:
    finished(script, store="persistentVolumeClaim/journals")
    where = ("-n", "team", "--kubeconfig", str(script.kubeconfig(stored)))

    exported = penstock("export", "days-1", "--store", str(stored), "-o", "days.json", *where)
    replayed = penstock("replay", "days.json", "days.py:days")

    assert (exported.exit_code, replayed.exit_code) == (0, 0), exported.output + replayed.output
    assert not list(stored.rglob(".*")), "it writes nothing there"


@pytest.mark.parametrize(
    ("store", "says"),
    [
        ("persistentVolumeClaim/journals", "volume of the claim journals: mount it, and say by"),
        ("gs://bucket/folder", "The run days-1 has no journal: it has not begun"),
        ("", "The run days-1 has no journal: it has not begun"),
    ],
    ids=["a volume", "a store of results", "no store"],
)
def test_a_journal_that_cannot_be_found_from_here_is_told(
    folder: Path, script: Script, penstock: Penstock, store: str, says: str
) -> None:
    finished(script, store=store)

    done = penstock("export", "days-1", "-n", "team", "--kubeconfig", script.kubeconfig(folder))

    assert done.exit_code == 2
    assert says in " ".join(done.output.split())


def test_a_journal_that_is_signed_stays_so_in_its_file(
    folder: Path, penstock: Penstock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_SIGNING_KEY", "k" * 32)
    penstock("run", "days.py:days", "--run-id", "days-1")
    penstock("export", "--here", "days-1", "-o", "days.json")
    with_the_key = penstock("replay", "days.json", "days.py:days")
    monkeypatch.setenv("PENSTOCK_SIGNING_KEY", "l" * 32)
    with_another = penstock("replay", "days.json", "days.py:days")

    assert with_the_key.exit_code == 0, with_the_key.output
    assert with_another.exit_code == 2
    assert "do not bear the signature" in with_another.stderr


def test_of_several_runs_in_a_file_one_is_named(recorded: Path, penstock: Penstock) -> None:
    listed = json.loads(penstock("export", "--here", "days-1").stdout)
    other = json.loads(json.dumps(listed).replace("days-1", "days-2"))
    listed["items"] += other["items"]
    Path("both.json").write_text(json.dumps(listed))

    unnamed = penstock("replay", "both.json", "days.py:days")

    assert unnamed.exit_code == 2
    assert "days-1, days-2" in unnamed.stderr
    assert penstock("replay", "both.json", "days.py:days", "--run", "days-2").exit_code == 0


@pytest.mark.parametrize("content", ["nothing", "[]", '{"items": [{}]}'])
def test_a_file_that_is_none_is_refused(folder: Path, penstock: Penstock, content: str) -> None:
    Path("wrong.json").write_text(content)

    done = penstock("replay", "wrong.json", "days.py:days")

    assert done.exit_code == 2
    assert "holds no journal" in done.stderr


def test_a_record_that_was_changed_is_refused(recorded: Path, penstock: Penstock) -> None:
    penstock("export", "--here", "days-1", "-o", "days.json")
    path = Path("days.json")
    path.write_text(path.read_text().replace("monday", "sunday"))

    done = penstock("replay", "days.json", "days.py:days")

    assert done.exit_code == 2
    assert "checksum" in done.stderr


def test_a_run_that_is_not_there_is_refused(folder: Path, penstock: Penstock) -> None:
    assert penstock("replay", "nobody", "days.py:days").exit_code == 2
    assert penstock("export", "--here", "nobody").exit_code == 2
