"""Images come by archive: a cluster without an uplink has no registry."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import tarfile
import tempfile
from pathlib import Path

from cluster.errors import DevclusterError
from cluster.layout import Layout, Node, cache_root
from cluster.locks import exclusive
from cluster.shell import run, succeeds

PAUSE = "localhost/pause:1"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_PAUSE_SOURCE = """
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


def ctr(node: Node) -> list[str]:
    return ["ctr", "--address", str(node.socket), "--namespace", "k8s.io"]


def load(layout: Layout, image: str) -> None:
    """Import an archive, or an image that buildah or Docker holds, into every node."""
    if Path(image).is_file():
        _import(layout, Path(image))
        return
    with tempfile.TemporaryDirectory(prefix="penstock-image-") as folder:
        archive = Path(folder) / "image.tar"
        _export(image, archive)
        _import(layout, archive)


def load_pause(node: Node) -> None:
    if PAUSE not in run(*ctr(node), "images", "list", "-q").split():
        run(*ctr(node), "images", "import", _pause_archive())


def _import(layout: Layout, archive: Path) -> None:
    for node in layout.all_nodes():
        run(*ctr(node), "images", "import", archive)


def _export(image: str, archive: Path) -> None:
    if shutil.which("buildah") and succeeds(
        "buildah", "--storage-driver", "vfs", "inspect", "--type", "image", image
    ):
        run(
            "buildah", "--storage-driver", "vfs", "push", image, f"docker-archive:{archive}:{image}"
        )
    elif shutil.which("docker") and succeeds("docker", "image", "inspect", image):
        run("docker", "save", "--output", archive, image)
    else:
        raise DevclusterError(
            f"{image} is neither a file nor an image that buildah (storage driver vfs) or Docker"
            " holds; build it first."
        )


def _pause_archive() -> Path:
    """Build the image of the container that holds a pod's namespaces: one static program."""
    archive = cache_root() / f"pause-{hashlib.sha256(_PAUSE_SOURCE.encode()).hexdigest()[:12]}.tar"
    cache_root().mkdir(parents=True, exist_ok=True)
    with exclusive(archive.with_suffix(".lock"), what="builds the pause image"):
        if not archive.exists():
            with tempfile.TemporaryDirectory(prefix="penstock-pause-") as folder:
                program = Path(folder) / "pause"
                run("gcc", "-static", "-Os", "-x", "c", "-o", program, "-", text=_PAUSE_SOURCE)
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
        [{"Config": f"{digest}.json", "RepoTags": [PAUSE], "Layers": [f"{diff}.tar"]}]
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
