"""Debian's packages that the cluster needs, installed after saying so."""

from __future__ import annotations

import os
import shutil
import subprocess

from cluster.errors import DevclusterError
from cluster.layout import SOURCE
from cluster.output import say, step
from cluster.shell import last_words, succeeds


def needed(*, nodes: int) -> list[str]:
    lines = (SOURCE / "packages.txt").read_text().splitlines()
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return [row[0] for row in rows if nodes or "(api)" in row]


def ensure(packages: list[str]) -> None:
    """Install those that are missing."""
    missing = [package for package in packages if not _installed(package)]
    if missing:
        install(missing)


def install(packages: list[str]) -> None:
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise DevclusterError(
            f"These Debian packages are missing: {' '.join(packages)}; install them as root, or"
            " what your system calls them, and run this again."
        )
    idle_service = not _installed("containerd")
    with step(f"Installing Debian packages: {' '.join(packages)}"):
        command = ("install", "-y", "--no-install-recommends", *packages)
        done = _apt_get(*command)
        if done.returncode != 0:
            # A bare machine has no package lists, and old ones name versions that are gone.
            _apt_get("update")
            done = _apt_get(*command)
    if done.returncode != 0:
        raise DevclusterError(
            f"apt-get could not install {' '.join(packages)}: {last_words(done.stderr)}."
        )
    if "containerd" in packages and idle_service:
        # Ours runs as a process of the cluster; the package's own service would only idle.
        succeeds("systemctl", "disable", "--now", "containerd")


def _apt_get(*command: str) -> subprocess.CompletedProcess[str]:
    """Run apt-get to its end even when interrupted: half an installation hinders all later ones."""
    words = ["apt-get", "-q", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=300", *command]
    with subprocess.Popen(
        words,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as apt:
        try:
            output, errors = apt.communicate()
        except KeyboardInterrupt:
            say("Interrupted; apt-get ends first.")
            apt.communicate()
            raise
    return subprocess.CompletedProcess(words, apt.returncode, output, errors)


def _installed(package: str) -> bool:
    if not shutil.which("dpkg-query"):
        return False
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"
