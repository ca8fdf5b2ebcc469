"""Debian's packages that the cluster needs, installed after saying so."""

from __future__ import annotations

import os
import shutil
import subprocess

from cluster.errors import DevclusterError
from cluster.layout import SOURCE
from cluster.output import step
from cluster.shell import succeeds


def needed(*, api_only: bool) -> list[str]:
    lines = (SOURCE / "packages.txt").read_text().splitlines()
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return [row[0] for row in rows if not api_only or "(api)" in row]


def ensure(packages: list[str]) -> None:
    """Install those that are missing."""
    missing = [package for package in packages if not _installed(package)]
    if missing:
        install(missing)


def install(packages: list[str]) -> None:
    if not shutil.which("apt-get"):
        raise DevclusterError(
            f"Install these with your system's package tool, then run this again: {' '.join(packages)}."
        )
    had_containerd = _installed("containerd")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with step(f"Installing Debian packages: {' '.join(packages)}"):
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
        done = subprocess.run(
            command,
            env=quiet,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            subprocess.run(
                ["apt-get", "update", "-q"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
            done = subprocess.run(
                command,
                env=quiet,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
    if done.returncode != 0:
        raise DevclusterError(
            f"apt-get could not install {' '.join(packages)}: {done.stderr.strip()[-500:]}"
        )
    if "containerd" in packages and not had_containerd:
        # Ours runs as a process of the cluster; the package's own service would only idle.
        succeeds("systemctl", "disable", "--now", "containerd")


def _installed(package: str) -> bool:
    said = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Status}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip() == "install ok installed"
