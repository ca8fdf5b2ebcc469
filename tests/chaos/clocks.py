"""Clocks that are wrong: each process of an operator or a runner may get one of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

OF_OPERATORS = (0, 0, 2, -2, 45, -20)
"""Seconds by which a clock is wrong."""
OF_RUNNERS = (0, 0, 2, -2, 12, -8)
RIGHT = (0,)


def environment(shim: Path, skew: int) -> dict[str, str]:
    """Return what moves the wall clock of a process by so many seconds."""
    return {"LD_PRELOAD": str(shim), "CHAOS_SKEW_SECONDS": str(skew)} if skew else {}


def built_shim(folder: Path) -> Path:
    """Compile what is preloaded into processes whose clock is wrong."""
    built = folder / "skew.so"
    source = Path(__file__).with_name("skew.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", built, source, "-ldl"], check=True)
    return built
