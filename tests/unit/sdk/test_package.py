"""The package as a whole: its public names, what importing it costs, which rules are short."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import penstock
from penstock.engine import final, retry


def test_every_public_name_exists() -> None:
    for name in penstock.__all__:
        assert getattr(penstock, name) is not None
    assert set(penstock.__all__) <= set(dir(penstock))


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        penstock.nothing  # noqa: B018 - raises


def test_importing_penstock_imports_next_to_nothing() -> None:
    program = (
        "import sys; before = set(sys.modules); import penstock; "
        "print(*sorted(m for m in set(sys.modules) - before if m.startswith('penstock')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )

    assert done.stdout.split() == ["penstock", "penstock._version"]


def test_the_sdk_needs_the_standard_library_alone() -> None:
    program = (
        "import sys\n"
        "from penstock import *\n"
        "import penstock.execution, penstock.loading\n"
        "own = {m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names)\n"
        "print(*sorted(m for m in own if not m.startswith(('_', 'sitecustomize'))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )

    assert done.stdout.split() == ["penstock"]


@pytest.mark.parametrize("rule", [retry, final], ids=["retry", "final-state"])
def test_a_rule_stands_in_one_short_module(rule: object) -> None:
    path = Path(rule.__file__)  # type: ignore[attr-defined] # a module

    assert len(path.read_text().splitlines()) < 150
