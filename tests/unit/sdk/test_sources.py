"""Flows that are loaded out of a folder or a repository, as Prefect's ``flow.from_source``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock import Flow, flow
from penstock.errors import FlowLoadError

CODE = """
from penstock import flow
from {helper} import factor

@flow
def doubled(x: int = 1) -> int:
    return x * factor
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a flow that imports from its root; what it changes is undone."""
    before, loaded = list(sys.path), set(sys.modules)
    helper = f"helper_of_{tmp_path.name}".replace("-", "_")
    (tmp_path / "flows").mkdir()
    (tmp_path / f"flows/of_{tmp_path.name}.py").write_text(CODE.format(helper=helper))
    (tmp_path / f"{helper}.py").write_text("factor = 2\n")
    yield tmp_path
    sys.path[:] = before
    for name in sys.modules.keys() - loaded:
        if tmp_path.name in name:
            del sys.modules[name]


def test_a_flow_is_loaded_out_of_a_folder_and_imports_from_its_root(folder: Path) -> None:
    """Prefect 3.8: `flow.from_source(".", "flows/etl.py:daily")` loads the flow so."""
    entrypoint = f"flows/of_{folder.name}.py:doubled"

    assert flow.from_source(str(folder), entrypoint)(3) == 6
    assert Flow.from_source(folder, entrypoint=entrypoint).name == "doubled"


@pytest.mark.parametrize(
    ("source", "entrypoint", "words"),
    [
        ("/nowhere/at/all", "a.py:f", "There is no folder /nowhere/at/all; check the source"),
        (".", "a.py", "names no function of a file in"),
        (".", "/a.py:f", "counted from there"),
        (".", "package.module:f", "names no function of a file in"),
        (".", "lost.py:f", r"There is no file .*lost\.py"),
    ],
)
def test_what_is_not_there_is_said(source: str, entrypoint: str, words: str) -> None:
    with pytest.raises(FlowLoadError, match=words):
        flow.from_source(source, entrypoint)


def test_a_folder_has_no_ref_and_a_storage_object_has_an_address(folder: Path) -> None:
    with pytest.raises(FlowLoadError, match="check out v1 in it"):
        flow.from_source(folder, "a.py:f", ref="v1")
    with pytest.raises(TypeError, match="of a storage object, give its url, and the branch as ref"):
        flow.from_source(object(), "a.py:f")  # type: ignore[arg-type] # on purpose
