"""The entry points of `penstock`, `kubectl penstock` and its completion."""

from __future__ import annotations

import os
import sys
from pathlib import Path

MISSING = (
    "penstock: The command line needs {name}, which is not installed: pip install 'penstock[cli]'"
)

EXTRA = {"jsonschema", "kubernetes", "rich", "typer", "yaml"}


def main() -> None:
    """Run the command that was typed, and exit."""
    plugin = Path(sys.argv[0]).name.startswith("kubectl-")
    _start("kubectl penstock" if plugin else "penstock")


def complete_for_kubectl() -> None:
    """Answer kubectl, which asks `kubectl_complete-penstock WORD…` what may follow."""
    words = ["penstock", *sys.argv[1:]]
    os.environ |= {
        "_PENSTOCK_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    sys.argv = ["penstock"]
    try:
        _start("penstock")
    finally:
        print(":4")  # cobra's word for: and no file names


def _start(program: str) -> None:
    try:
        from penstock.cli.app import app

        app(prog_name=program)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        sys.exit(MISSING.format(name=error.name))


if __name__ == "__main__":
    main()
