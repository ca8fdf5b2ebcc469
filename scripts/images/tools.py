"""The two programs that can build an image, behind the few verbs we need.

buildah needs neither a daemon nor a kernel feature: the vfs driver and chroot isolation work
where overlay mounts and new namespaces are refused.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from images import ROOT, say

Finished = subprocess.CompletedProcess[str]
LABEL = "dev.penstock.inputs"


@dataclass(frozen=True, slots=True)
class Buildah:
    """Debian's buildah, with its store in the usual place."""

    name: str = "buildah"

    def label(self, reference: str) -> str | None:
        """Return what an image was built from, or None if there is no such image."""
        found = self._run("inspect", "--type", "image", reference, check=False)
        if found.returncode:
            return None
        labels = json.loads(found.stdout)["OCIv1"]["config"].get("Labels") or {}
        return str(labels.get(LABEL, ""))

    def build(
        self,
        dockerfile: Path,
        *,
        context: Path,
        reference: str,
        arguments: Mapping[str, str],
        inputs: str,
    ) -> None:
        """Build an image."""
        # The base was made or pulled before; a registry that is not there must not be asked for it.
        self._run(
            *("bud", "--isolation", "chroot", "--format", "docker", "--pull-never", "--quiet"),
            *("--file", str(dockerfile), "--tag", reference, "--label", f"{LABEL}={inputs}"),
            *(f"--build-arg={name}={value}" for name, value in arguments.items()),
            str(context),
        )

    def save(self, reference: str, archive: Path) -> None:
        """Write an image into an archive that `ctr images import` and `docker load` read."""
        self._run("push", "--quiet", reference, f"docker-archive:{archive}:{reference}")

    def import_root(self, tree: Path, *, reference: str, inputs: str) -> None:
        """Make an image of one layer from the tar file of a root file system."""
        container = self._run("from", "scratch").stdout.strip()
        try:
            self._run("add", "--quiet", container, str(tree), "/")
            self._run("config", "--label", f"{LABEL}={inputs}", "--cmd", "/bin/sh", container)
            self._run("commit", "--quiet", "--format", "docker", container, reference)
        finally:
            self._run("rm", container, check=False)

    def pull(self, reference: str) -> None:
        """Fetch an image unless it is there."""
        self._run("pull", "--quiet", "--policy", "missing", reference)

    def python_version(self, reference: str) -> str:
        """Return the version of an image's Python, like 3.13."""
        container = self._run("from", "--pull-never", reference).stdout.strip()
        try:
            return self._run(
                *("run", "--isolation", "chroot", container, "--"), *PYTHON_VERSION
            ).stdout.strip()
        finally:
            self._run("rm", container, check=False)

    def forget_replaced(self) -> None:
        """Remove our images that lost their name to a newer one."""
        ours = ("--filter", "dangling=true", "--filter", f"label={LABEL}")
        if replaced := self._run("images", "--quiet", *ours).stdout.split():
            self._run("rmi", *replaced, check=False)

    def _run(self, command: str, *arguments: str, check: bool = True) -> Finished:
        return run(["buildah", "--storage-driver", "vfs", command, *arguments], check=check)


@dataclass(frozen=True, slots=True)
class Docker:
    """A Docker engine."""

    name: str = "docker"

    def label(self, reference: str) -> str | None:
        """Return what an image was built from, or None if there is no such image."""
        found = run(["docker", "image", "inspect", reference], check=False)
        if found.returncode:
            return None
        labels = json.loads(found.stdout)[0]["Config"].get("Labels") or {}
        return str(labels.get(LABEL, ""))

    def build(
        self,
        dockerfile: Path,
        *,
        context: Path,
        reference: str,
        arguments: Mapping[str, str],
        inputs: str,
    ) -> None:
        """Build an image."""
        run(
            [
                *("docker", "build", "--quiet", "--file", str(dockerfile), "--tag", reference),
                *("--label", f"{LABEL}={inputs}"),
                *(f"--build-arg={name}={value}" for name, value in arguments.items()),
                str(context),
            ]
        )

    def save(self, reference: str, archive: Path) -> None:
        """Write an image into an archive that `ctr images import` and `docker load` read."""
        run(["docker", "save", "--output", str(archive), reference])

    def import_root(self, tree: Path, *, reference: str, inputs: str) -> None:
        """Make an image of one layer from the tar file of a root file system."""
        run(["docker", "import", "--change", f"LABEL {LABEL}={inputs}", str(tree), reference])

    def pull(self, reference: str) -> None:
        """Fetch an image unless it is there."""
        if self.label(reference) is None:
            run(["docker", "pull", "--quiet", reference])

    def forget_replaced(self) -> None:
        """Remove our images that lost their name to a newer one."""
        run(["docker", "image", "prune", "--force", "--filter", f"label={LABEL}"])

    def python_version(self, reference: str) -> str:
        """Return the version of an image's Python, like 3.13."""
        return run(["docker", "run", "--rm", reference, *PYTHON_VERSION]).stdout.strip()


Tool = Buildah | Docker
PYTHON_VERSION = ("python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")


def find_tool(name: str | None) -> Tool:
    """Choose Docker where its engine answers, else buildah, which is installed if need be."""
    if name == "docker" or (name is None and _docker_answers()):
        return Docker()
    if not shutil.which("buildah"):
        subprocess.run([ROOT / "scripts" / "packages", "buildah"], check=True)
    return Buildah()


def _docker_answers() -> bool:
    return bool(shutil.which("docker")) and run(["docker", "info"], check=False).returncode == 0


def run(command: list[str], *, check: bool = True) -> Finished:
    """Run a command in silence; if it fails, show what it said and stop."""
    finished = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if check and finished.returncode:
        say(finished.stdout + finished.stderr)
        raise SystemExit(f"This command failed, see above: {' '.join(command)}")
    return finished
