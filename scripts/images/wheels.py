"""What an image installs: Penstock's own wheel, and those that the lock names."""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import tempfile
from pathlib import Path

from images import CACHE, ROOT
from images.tools import run

LOCK = ROOT / "requirements-dev.lock"
OLDEST_GLIBC, NEWEST_GLIBC = 17, 36


def gather_wheels(destination: Path, *, extras: str, also: tuple[str, ...], python: str) -> None:
    """Fill a folder with Penstock's wheel and all that it needs, for that Python."""
    shutil.rmtree(destination, ignore_errors=True)
    destination.mkdir(parents=True)
    own = build_own_wheel(destination)
    with tempfile.TemporaryDirectory() as scratch:
        constraints = Path(scratch) / "constraints.txt"
        constraints.write_text(_pins())
        _download(
            [f"penstock{extras} @ {own.as_uri()}", *also],
            destination=destination,
            arguments=["--constraint", str(constraints), *_target(python)],
        )
    _verify(destination, own=own)


def build_own_wheel(destination: Path) -> Path:
    """Build Penstock's wheel; the tools for it are in .venv, so nothing is downloaded."""
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(destination), str(ROOT))
    return next(destination.glob("penstock-*.whl"))


def fetch_requirements(requirements: Path, *, destination: Path) -> None:
    """Fill a folder with exactly the wheels that a requirements file names."""
    shutil.rmtree(destination, ignore_errors=True)
    destination.mkdir(parents=True)
    _download(
        ["--requirement", str(requirements)],
        destination=destination,
        arguments=["--no-deps", "--only-binary=:all:"],
    )


def _download(requirements: list[str], *, destination: Path, arguments: list[str]) -> None:
    kept = CACHE / "wheels"
    kept.mkdir(parents=True, exist_ok=True)
    _pip(
        "download", "--dest", str(destination), "--find-links", str(kept), *arguments, *requirements
    )
    for wheel in destination.glob("*.whl"):
        if not wheel.name.startswith("penstock-"):
            shutil.copy(wheel, kept)


def _pins() -> str:
    """Return the lock without its hashes, which pip does not take in constraints of a download."""
    lines = re.findall(r"^([A-Za-z0-9._-]+==\S+(?: ;[^\\\n]*)?)", LOCK.read_text(), re.MULTILINE)
    return "\n".join(line.rstrip(" \\") for line in lines) + "\n"


def _verify(destination: Path, *, own: Path) -> None:
    known = set(re.findall(r"sha256:([0-9a-f]{64})", LOCK.read_text()))
    for wheel in destination.glob("*.whl"):
        if wheel == own:
            continue
        if hashlib.sha256(wheel.read_bytes()).hexdigest() not in known:
            raise SystemExit(f"{wheel.name} is not the file that requirements-dev.lock names.")


def _target(python: str) -> list[str]:
    machine = platform.machine()
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(OLDEST_GLIBC, NEWEST_GLIBC + 1)]
    return [
        "--only-binary=:all:",
        f"--python-version={python}",
        "--implementation=cp",
        *(f"--platform={tag}" for tag in [*tags, f"manylinux2014_{machine}"]),
    ]


def _pip(*arguments: str) -> None:
    python = str(ROOT / ".venv" / "bin" / "python")
    run([python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments])
