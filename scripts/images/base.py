"""The image below ours: an official Python, or, without a registry, a small Debian."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from pathlib import Path

from images import CACHE, ROOT, say
from images.tools import Docker, Tool, run

OFFICIAL = "docker.io/library/python:3.13-slim"
PACKAGES = "usr-is-merged,python3,ca-certificates"
"""usr-is-merged stands in for usrmerge, which brings 50 MB of Perl."""
UNREAD = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")


def ensure_base(tool: Tool, *, chosen: str | None) -> str:
    """Return an image to build on, which is there when this returns."""
    if chosen or isinstance(tool, Docker) or not _is_debian():
        reference = chosen or OFFICIAL
        tool.pull(reference)
        return reference
    return _ensure_debian(tool)


def _ensure_debian(tool: Tool) -> str:
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    recipe = "\n".join([suite, platform.machine(), PACKAGES, *UNREAD])
    key = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    reference = f"localhost/penstock-base:{suite}-{key}"
    if tool.label(reference) == key:
        return reference
    tree = CACHE / "base" / f"{suite}-{key}.tar"
    if not tree.exists():
        _bootstrap(suite, tree=tree)
    say(f"Importing {reference}")
    tool.import_root(tree, reference=reference, inputs=key)
    return reference


def _bootstrap(suite: str, *, tree: Path) -> None:
    subprocess.run([ROOT / "scripts" / "packages", "mmdebstrap"], check=True)
    say(f"Making a base image from Debian {suite} (about 30 s, once)")
    tree.parent.mkdir(parents=True, exist_ok=True)
    unfinished = tree.with_suffix(".part.tar")
    command = [
        *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}"),
        "--hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr",
        *(f"--dpkgopt=path-exclude={path}" for path in UNREAD),
        *(suite, str(unfinished)),
    ]
    run(command)
    unfinished.rename(tree)


def _is_debian() -> bool:
    try:
        return platform.freedesktop_os_release().get("ID") == "debian"
    except OSError:
        return False
