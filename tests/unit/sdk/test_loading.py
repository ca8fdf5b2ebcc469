"""From an entrypoint to a flow, or to a sentence that says why not."""

from __future__ import annotations

import os
import py_compile
import sys
from collections.abc import Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

import pytest

from penstock.errors import FlowLoadError
from penstock.loading import load_flow

FLOW = """
from penstock import flow
import beside

@flow
def daily(x: int = 1) -> int:
    return x + beside.ONE

def helper():
    pass
"""


@pytest.fixture(autouse=True)
def _clean_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules = set(sys.modules)
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    folder = tmp_path / "flows_of_mine"
    folder.mkdir()
    (folder / "flow_of_mine.py").write_text(FLOW)
    (folder / "beside.py").write_text("ONE = 1")
    return folder


def test_a_file_is_imported_under_its_stem_beside_its_neighbours(folder: Path) -> None:
    daily = load_flow(f"{folder}/flow_of_mine.py:daily")

    assert daily() == 2
    assert daily.fn.__module__ == "flow_of_mine"
    assert sys.modules["flow_of_mine"].__file__ == str(folder / "flow_of_mine.py")


def test_the_path_starts_with_the_files_folder_then_the_working_directory(folder: Path) -> None:
    load_flow("../flows_of_mine/flow_of_mine.py:daily")

    assert sys.path[:2] == [str(folder), str(Path.cwd())]


def test_a_module_is_imported_from_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "package").mkdir()
    (folder / "package" / "daily.py").write_text(FLOW)

    assert load_flow("package.daily:daily")() == 2


def test_the_same_file_is_imported_once(folder: Path) -> None:
    entrypoint = f"{folder}/flow_of_mine.py:daily"

    assert load_flow(entrypoint) is load_flow(entrypoint)


def test_a_file_that_was_changed_within_a_second_is_read_anew(folder: Path) -> None:
    file = folder / "quick.py"
    stamp = (1_700_000_000, 1_700_000_000)
    values = []
    for value in (1, 2):
        file.write_text(f"from penstock import flow\n\n@flow\ndef daily(): return {value}\n")
        os.utime(file, stamp)
        py_compile.compile(str(file), invalidation_mode=PycInvalidationMode.TIMESTAMP)
        file.write_text(file.read_text().replace(f"return {value}", f"return {value + 2}"))
        os.utime(file, stamp)
        values.append(load_flow(f"{file}:daily")())
        del sys.modules["quick"]

    assert values == [3, 4]


def test_another_file_of_the_same_name_takes_its_place(folder: Path, tmp_path: Path) -> None:
    load_flow(f"{folder}/flow_of_mine.py:daily")
    other = tmp_path / "flow_of_mine.py"
    other.write_text("from penstock import flow\n@flow\ndef daily(): return 'other'\n")

    assert load_flow(f"{other}:daily")() == "other"


def test_the_running_program_is_not_imported_a_second_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", str(folder / "flow_of_mine.py"), raising=False)
    monkeypatch.setattr(main, "daily", "not a flow", raising=False)

    with pytest.raises(FlowLoadError, match=r"daily in .* is not a flow but a str"):
        load_flow(f"{folder}/flow_of_mine.py:daily")


@pytest.mark.parametrize(
    ("entrypoint", "complaint"),
    [
        ("flow_of_mine.py", "names no function: write it as"),
        ("absent.py:daily", r"There is no file absent\.py in"),
        ("flow_of_mine.py:dayly", "has no function dayly; its flows are daily"),
        ("flow_of_mine.py:helper", r"helper in .* is not a flow but a function"),
        ("beside.py:ONE", "it has no flows: decorate one with @flow"),
        ("json.py:daily", "has the name of the module json, which is in use; rename the file"),
        ("absent_package.module:daily", r"absent_package\.module could not be imported"),
    ],
)
def test_what_leads_to_no_flow_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, entrypoint: str, complaint: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "json.py").write_text("")
    import json  # noqa: F401 - in use

    with pytest.raises(FlowLoadError, match=complaint):
        load_flow(entrypoint)


@pytest.mark.parametrize("line", ["1 / 0", "raise SystemExit(1)", "import absent_module", "def ("])
def test_an_import_that_raises_shows_the_users_traceback(folder: Path, line: str) -> None:
    broken = folder / "broken_flow.py"
    broken.write_text(f"x = 1\n{line}\n")

    with pytest.raises(FlowLoadError) as caught:
        load_flow(f"{broken}:daily")
    message = str(caught.value)

    assert message.startswith(f"{broken} could not be imported.")
    assert f'File "{broken}", line 2' in message
    assert "penstock/loading.py" not in message
    assert "importlib" not in message
    assert "broken_flow" not in sys.modules
