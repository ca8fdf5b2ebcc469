"""The tests that docs/durability.md names exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/durability.md").read_text()


def _exists(path: str, name: str) -> bool:
    file = ROOT / "tests" / path
    return file.is_file() and re.search(rf"\ndef {name}\(", file.read_text()) is not None


def test_every_test_that_is_named_as_a_proof_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)

    assert [f"{path}::{name}" for path, name in named if not _exists(path, name)] == []
    assert len(named) > 30


def test_every_guarantee_is_shown_by_tests() -> None:
    section = PAGE.partition("## What is promised")[2].partition("**Bounds.**")[0]

    shown = {part[0]: part.count(".py::") for part in section.split("**G")[1:]}

    assert set(shown) == set("123456789")
    assert min(shown.values()) >= 2
