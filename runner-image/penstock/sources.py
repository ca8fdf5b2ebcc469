"""Flows out of folders and repositories: ``flow.from_source(source, "flows.py:nightly")``."""

from __future__ import annotations

import atexit
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from penstock.errors import FlowLoadError
from penstock.loading import load_flow

if TYPE_CHECKING:
    from penstock.flows import Flow

_ADDRESS = re.compile(r"[a-z+]+://|[\w.-]+@[\w.-]+:|.*\.git/?$")
"""``https://…``, ``git@host:path``, or a bare repository's folder."""

_ENTRYPOINTS: WeakKeyDictionary[Flow[..., Any], str] = WeakKeyDictionary()
"""Of flows that came from a source: where they are in it, which is where an image has them."""


def flow_of_source(source: str | Path, entrypoint: str, *, ref: str | None) -> Flow[..., Any]:
    """Return the flow that the entrypoint names inside the source."""
    file, separator, function = entrypoint.rpartition(":")
    if not separator or not file.endswith(".py") or Path(file).is_absolute():
        raise FlowLoadError(
            f"The entrypoint {entrypoint!r} names no function of a file in {source}: write it as "
            "path/to/file.py:function, counted from there."
        )
    folder = _folder_of(source, ref=ref)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))  # a pod's working directory, which is searched there
    found = load_flow(f"{folder / file}:{function}")
    _ENTRYPOINTS[found] = entrypoint
    return found


def entrypoint_in_source(flow: Flow[..., Any]) -> str | None:
    """Return where a flow is in the source that it came from; ``None`` where it has none."""
    return _ENTRYPOINTS.get(flow)


def _folder_of(source: str | Path, *, ref: str | None) -> Path:
    if not isinstance(source, str | Path):
        raise TypeError(
            f"A source is a folder or the address of a Git repository, not {source!r}; of a "
            "storage object, give its url, and the branch as ref=."
        )
    if isinstance(source, str) and _ADDRESS.match(source):
        return _cloned(source, ref=ref)
    folder = Path(source).expanduser().resolve()
    if not folder.is_dir():
        raise FlowLoadError(f"There is no folder {folder}; check the source.")
    if ref is not None:
        raise FlowLoadError(f"{folder} is a folder, which has no ref; check out {ref} in it.")
    return folder


def _cloned(address: str, *, ref: str | None) -> Path:
    folder = mkdtemp(prefix="penstock-source-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    command = ["git", "clone", "--quiet", "--depth", "1", "--recurse-submodules"]
    command += ["--branch", ref] if ref else []
    try:
        done = subprocess.run(
            [*command, "--", address, folder], capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise FlowLoadError("git is not installed: a repository is cloned by it.") from error
    if done.returncode:
        raise FlowLoadError(
            f"{address} cannot be cloned; `{' '.join(command)} {address}` says:\n{done.stderr}"
        )
    return Path(folder)
