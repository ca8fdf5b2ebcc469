"""Penstock's images: the tools that build them, the base they stand on, the wheels they hold."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("PENSTOCK_CACHE") or Path.home() / ".cache" / "penstock")


def say(sentence: str) -> None:
    """Tell a person what is being done; standard output is for the results."""
    print(sentence, file=sys.stderr, flush=True)
