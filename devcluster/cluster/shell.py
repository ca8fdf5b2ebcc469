"""Commands of the system, run to their end."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from cluster.errors import DevclusterError


def run(*command: str | Path, cwd: Path | None = None, text: str | None = None) -> str:
    """Run a command and return what it printed; its failure is told by its last words."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, cwd=cwd, input=text, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise DevclusterError(f"{words[0]} is missing; run devcluster/devcluster build.") from error
    if done.returncode != 0:
        raise DevclusterError(
            f"`{' '.join(words[:6])}` failed: {last_words(done.stderr or done.stdout)}"
        )
    return done.stdout


def succeeds(*command: str | Path) -> bool:
    """Whether a command ends well; what it prints is of no interest."""
    words = [str(word) for word in command]
    try:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def last_words(output: str, *, lines: int = 3) -> str:
    said: Sequence[str] = [line.strip() for line in output.splitlines() if line.strip()]
    return " / ".join(said[-lines:]) or "it said nothing"
