"""The journal on one machine beside DBOS: the same loop, SQLite in the same mode (WAL, NORMAL).

DBOS is installed into an environment of its own, build/bench/dbos, from the package index.
"""

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests.bench.figures import Figure

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parents[1] / "build/bench/dbos"
RELEASE = "3.4.0"
STEPS = (500, 10_000)


def main() -> None:
    python = _dbos()
    for steps in STEPS:
        ours = _measured(sys.executable, "loop_penstock.py", steps)
        theirs = _measured(python, "loop_dbos.py", steps)
        for figure, name in (
            ("seconds_per_call", f"durable call, {steps:,} one after another"),
            ("seconds_to_resume", f"resume with {steps:,} finished, to the next call"),
        ):
            Figure(
                f"{name}, against DBOS",
                ours[figure] / theirs[figure],
                "x",
                1,
                beside=f"{_text(ours[figure])}, DBOS {RELEASE} {_text(theirs[figure])}",
            ).print()


def _dbos() -> str:
    """Return the interpreter that has DBOS."""
    python = ENVIRONMENT / "bin/python"
    if not python.exists():
        print(f"Installing DBOS into {ENVIRONMENT} …", file=sys.stderr)
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
    known = f"import importlib.metadata as m; assert m.version('dbos') == '{RELEASE}'"
    if subprocess.run((str(python), "-c", known), capture_output=True, check=False).returncode:
        install = (str(python), "-m", "pip", "install", "--quiet", f"dbos=={RELEASE}")
        subprocess.run(install, check=True, stdout=sys.stderr)
    return str(python)


def _measured(python: str, script: str, steps: int) -> dict[str, float]:
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for phase in ("kill", "resume"):
            command = (python, str(HERE / script), f"{folder}/journal.db", str(steps), phase)
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found |= json.loads(done.stdout.splitlines()[-1])
    return found


def _text(seconds: float) -> str:
    if seconds < 0.01:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds:.3g} s"


if __name__ == "__main__":
    main()
