"""Programs as a person writes them, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys


def run_script(text: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever that is."""
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=120, check=False
    )
