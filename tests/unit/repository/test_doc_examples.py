"""Every example of these pages runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"
PAGES = [
    "sdk",
    "context",
    "durability",
    "waiting",
    "changing-flows",
    "transactions",
    "caching",
    "child-runs",
    "limits",
    "stores",
]


def examples() -> list[object]:
    """Return the Python of each page, block by block."""
    return [
        pytest.param(page, block, id=f"{page} {number}")
        for page in PAGES
        for number, block in enumerate(
            re.findall(r"```python\n(.*?)```", (DOCS / f"{page}.md").read_text(), re.DOTALL)
        )
    ]


@pytest.mark.parametrize(("page", "block"), examples())
def test_an_example_runs(
    page: str, block: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))

    exec(compile(block, f"docs/{page}.md", "exec"), {"__name__": "example"})
