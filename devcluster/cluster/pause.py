"""The image of the container that holds a pod's namespaces: one static program, built here."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
import tempfile
from pathlib import Path

from cluster.layout import cache_root
from cluster.locks import exclusive
from cluster.shell import run

REFERENCE = "localhost/pause:1"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_SOURCE = """
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void leave(int signal) { (void)signal; _exit(0); }
static void reap(int signal) { (void)signal; while (waitpid(-1, 0, WNOHANG) > 0) {} }
int main(void) {
  signal(SIGINT, leave); signal(SIGTERM, leave); signal(SIGCHLD, reap);
  for (;;) pause();
}
"""


def built() -> Path:
    """Return the path of the image's archive, made once."""
    archive = cache_root() / f"pause-{hashlib.sha256(_SOURCE.encode()).hexdigest()[:12]}.tar"
    cache_root().mkdir(parents=True, exist_ok=True)
    with exclusive(archive.with_suffix(".lock"), what="builds the pause image"):
        if not archive.exists():
            with tempfile.TemporaryDirectory(prefix="penstock-pause-") as folder:
                program = Path(folder) / "pause"
                run("gcc", "-static", "-Os", "-x", "c", "-o", program, "-", text=_SOURCE)
                _write_archive(archive, program)
    return archive


def _write_archive(archive: Path, program: Path) -> None:
    layer = _tar({"pause": program.read_bytes()}, mode=0o755)
    diff = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff}"]},
        }
    ).encode()
    digest = hashlib.sha256(config).hexdigest()
    index = json.dumps(
        [{"Config": f"{digest}.json", "RepoTags": [REFERENCE], "Layers": [f"{diff}.tar"]}]
    ).encode()
    partial = archive.with_suffix(".partial")
    partial.write_bytes(
        _tar({f"{digest}.json": config, f"{diff}.tar": layer, "manifest.json": index}, mode=0o644)
    )
    partial.rename(archive)


def _tar(files: dict[str, bytes], *, mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
