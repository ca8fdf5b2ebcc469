"""A flow's code is its file and what it imports from beside it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from penstock.own_code import MOST_FILES, digest_of_code

FLOW = """\
import json
import helpers, deep.er as d
from lib import (
    first,
    second as other,
)

def daily():
    from late import thing
"""
FILES = {
    "flow.py": FLOW,
    "helpers.py": "from further import x\n",
    "further.py": "",
    "deep/er.py": "",
    "lib/__init__.py": "",
    "lib/first.py": "from . import second\nfrom .. import nothing\n",
    "lib/second.py": "",
    "late.py": "",
    "stranger.py": "",
    "json.txt": "",
}


@pytest.fixture
def flow_in(tmp_path: Path) -> Iterator[Callable[..., Callable[[], None]]]:
    """Write files, and return a function that stands in one of them."""
    made: list[str] = []

    def write(files: dict[str, str], *, file: str, module: str, package: str = "") -> object:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        sys.modules[module] = found = ModuleType(module)
        made.append(module)
        found.__file__, found.__package__ = str(tmp_path / file), package

        def daily() -> None: ...

        daily.__module__ = module
        return daily

    yield write
    for each in made:
        del sys.modules[each]


@pytest.mark.parametrize(
    ("changed", "counts"),
    [(name, name not in ("stranger.py", "json.txt")) for name in FILES],
)
def test_what_is_imported_from_beside_it_counts(
    flow_in: Callable[..., Callable[[], None]], tmp_path: Path, changed: str, *, counts: bool
) -> None:
    daily = flow_in(FILES, file="flow.py", module="flow_of_this_test")
    before = digest_of_code(daily)
    (tmp_path / changed).write_text(FILES[changed] + "# changed")

    assert (digest_of_code(daily) != before) == counts


def test_a_file_alone_counts_as_it_always_did(
    flow_in: Callable[..., Callable[[], None]],
) -> None:
    daily = flow_in({"flow.py": "import json\n"}, file="flow.py", module="flow_of_this_test")

    assert digest_of_code(daily) == "261a9112a2"


def test_of_an_installed_package_only_its_own_modules_count(
    flow_in: Callable[..., Callable[[], None]], tmp_path: Path
) -> None:
    files = {
        "site-packages/mine/flow.py": "import library\nfrom mine import own\n",
        "site-packages/mine/own.py": "",
        "site-packages/library.py": "",
    }
    daily = flow_in(
        files, file="site-packages/mine/flow.py", module="mine_of_this_test.flow", package="mine"
    )
    before = digest_of_code(daily)

    (tmp_path / "site-packages/library.py").write_text("changed")
    after_library = digest_of_code(daily)
    (tmp_path / "site-packages/mine/own.py").write_text("changed")

    assert after_library == before
    assert digest_of_code(daily) != before


def test_imports_that_go_in_a_circle_and_many_files_come_to_an_end(
    flow_in: Callable[..., Callable[[], None]], tmp_path: Path
) -> None:
    count = MOST_FILES + 10
    files = {f"m{n}.py": f"import m{(n + 1) % count}\n" for n in range(count)}
    daily = flow_in(files, file="m0.py", module="circle_of_this_test")
    before = digest_of_code(daily)

    (tmp_path / f"m{MOST_FILES - 1}.py").write_text("changed")
    near = digest_of_code(daily)
    (tmp_path / f"m{count - 1}.py").write_text("changed")

    assert near != before
    assert digest_of_code(daily) == near


def test_what_has_no_file_has_no_digest() -> None:
    def daily() -> None: ...

    daily.__module__ = "nowhere"

    assert digest_of_code(daily) is None
