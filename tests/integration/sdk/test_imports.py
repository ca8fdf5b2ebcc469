"""What is imported, and when: a program pays for nothing that it does not use."""

from __future__ import annotations

import pytest
from tests.integration.sdk.script import run_script


def test_importing_penstock_imports_next_to_nothing() -> None:
    program = (
        "import sys; before = set(sys.modules); import penstock; "
        "print(*sorted(m for m in set(sys.modules) - before if m.startswith('penstock')))"
    )
    done = run_script(program)

    assert done.stdout.split() == ["penstock", "penstock._version"]


def test_the_sdk_needs_the_standard_library_alone() -> None:
    program = (
        "import sys\n"
        "from penstock import *\n"
        "import penstock.execution, penstock.loading\n"
        "own = {m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names)\n"
        "print(*sorted(m for m in own if not m.startswith(('_', 'sitecustomize'))))\n"
    )
    done = run_script(program)

    assert done.stdout.split() == ["penstock"]


@pytest.mark.parametrize(
    "call", ["plain(1, None)", "hinted(1, 'a', 2.0)"], ids=["no-hints", "exact-types"]
)
def test_what_takes_long_to_import_is_left_until_it_is_needed(call: str) -> None:
    program = (
        "import sys\n"
        "from penstock import flow\n"
        "@flow\n"
        "def plain(a, b): ...\n"
        "@flow\n"
        "def hinted(a: int, b: str, c: float, d: 'list[int] | None' = None): ...\n"
        f"{call}\n"
        "print({'asyncio', 'hashlib', 'pathlib', 'pydantic', 'uuid'} & set(sys.modules))\n"
    )

    done = run_script(program)

    assert (done.stdout, done.returncode) == ("set()\n", 0), done.stderr
