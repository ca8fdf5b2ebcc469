"""A program moves by the search and replace of docs/from-prefect.md and prints what it printed.

``printed.txt`` is what Prefect 3.8.8 printed for ``program.txt``, with Python 3.11.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs/from-prefect.md"


def test_a_program_moves_by_search_and_replace(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text((HERE / "program.txt").read_text())
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
        timeout=60,
    )

    assert "refect" not in (tmp_path / "program.py").read_text()
    assert (done.stdout, done.returncode) == ((HERE / "printed.txt").read_text(), 0), done.stderr
