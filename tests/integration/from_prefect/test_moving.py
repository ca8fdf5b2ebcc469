"""Programs move by the search and replace of docs/from-prefect.md and print what they printed.

``….printed.txt`` is what Prefect 3.8.8 printed for the program of that name, with Python 3.11.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs/from-prefect.md"

DIFFERENT = {
    "program": {},
    "calls": {
        # What a flow returns are values, never states that hold them.
        "return future": "2",
        # Traps: Prefect's flows are Completed although a task failed, or never ran.
        "dep of failed": "!UpstreamNotCompleted",
        "call with failed future": "State Failed FAILED",
        "failed state as arg": "State Failed FAILED",
        "task returns Failed call": "State Failed FAILED",
        "task returns Completed data": "3",
        # The task's time was over, not the flow's.
        "timeout": "State Failed FAILED",
        # The classes go by these names as well.
        "bad coerce": "!ParameterError",
        "missing": "!ParameterError",
        "unknown": "!ParameterError",
    },
    "caching": {
        "model bad": "!ParameterError",
        "map unmapped only": "!MappingError",
        "map str": "!MappingError",
        "state fields": "('big', '', True, 'COMPLETED')",  # a message is a text, if an empty one
    },
    "mixtures": {
        "callback": "['Completed']",  # Prefect's may be called before the state is final
        "failed wait only": "State Failed",
        "sub state returned": "{'a': 1}",
    },
}
"""What is different on purpose, by the label of its line."""


@pytest.mark.parametrize("program", DIFFERENT)
def test_a_program_moves_by_search_and_replace(program: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text((HERE / f"{program}.txt").read_text())
    found = re.search(r"```console\n\$ (.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None

    subprocess.run(["bash", "-c", found[1]], cwd=tmp_path, check=True)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=os.environ | {"PENSTOCK_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert "refect" not in (tmp_path / "program.py").read_text()
    assert (done.stdout.splitlines(), done.returncode) == (expected(program), 0), done.stderr


def expected(program: str) -> list[str]:
    """Return Prefect's lines with those that are different on purpose in their places."""
    lines = (HERE / f"{program}.printed.txt").read_text().splitlines()
    labels = [line.partition(" -> ")[0] for line in lines]
    different = DIFFERENT[program]
    assert different.keys() <= set(labels)
    return [
        f"{label} -> {different[label]}" if label in different else line
        for label, line in zip(labels, lines, strict=True)
    ]
