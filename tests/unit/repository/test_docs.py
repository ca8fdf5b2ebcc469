"""The documentation keeps up with the code."""

import re
from pathlib import Path

from penstock_operator.model.states import Reason

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]


def test_every_reason_is_explained() -> None:
    """A word that a status can show stands in the page that says what to do about it."""
    page = (ROOT / "docs/troubleshooting.md").read_text()

    missing = {reason for reason in Reason if f"`{reason}`" not in page}
    assert missing == set()


def test_every_relative_link_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}{anchor}"
        for page in PAGES
        for target, anchor in re.findall(r"\]\(([^)#:]*)(#[^)]*)?\)", page.read_text())
        if not _leads_somewhere(page.parent / target if target else page, anchor)
    ]

    assert broken == []


def _leads_somewhere(path: Path, anchor: str) -> bool:
    if not anchor:
        return path.exists()
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return anchor[1:] in {
        re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings
    }


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(
        re.findall(r"(?:`|^)make ([a-z0-9-]+)", "\n".join(page.read_text() for page in PAGES))
    )

    assert named - targets == set()


def test_every_row_of_a_table_has_a_cell_for_each_column() -> None:
    ragged = [
        f"{page.relative_to(ROOT)}: {table[0]}"
        for page in PAGES
        for table in _tables(page.read_text())
        if len(set(map(_cells, table))) != 1
    ]

    assert ragged == []


def _tables(text: str) -> list[list[str]]:
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [table.splitlines() for table in re.findall(r"(?:^\|.*\|$\n?)+", prose, re.MULTILINE)]


def _cells(row: str) -> int:
    return row.replace("\\|", "").count("|")
