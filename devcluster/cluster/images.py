"""Images come as archives: a cluster without an uplink has no registry."""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cluster import pause
from cluster.errors import DevclusterError
from cluster.layout import Layout, Node
from cluster.shell import run, succeeds


def ctr(node: Node) -> list[str]:
    return ["ctr", "--address", str(node.socket), "--namespace", "k8s.io"]


def load(layout: Layout, images: Iterable[str]) -> None:
    """Import archives, or images that buildah or Docker holds, into every node."""
    if not layout.nodes:
        raise DevclusterError(f"Cluster {layout.name} has no nodes that could hold images.")
    with tempfile.TemporaryDirectory(prefix="penstock-images-") as folder:
        archives = [
            Path(image) if Path(image).is_file() else _export(image, Path(folder) / f"{number}.tar")
            for number, image in enumerate(images)
        ]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda node: _import(node, archives), layout.all_nodes()))


def load_pause(node: Node) -> None:
    _import(node, [pause.built()])


def _import(node: Node, archives: Iterable[Path]) -> None:
    """Import what the node does not hold; it remembers what it was given, as this takes seconds."""
    record = node.home / "images.json"
    held: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
    for archive in archives:
        stat = archive.stat()
        given = dict.fromkeys(
            _references(archive), f"{stat.st_ino} {stat.st_size} {stat.st_mtime_ns}"
        )
        if given and given.items() <= held.items():
            continue
        run(*ctr(node), "images", "import", archive)
        held |= given
        record.write_text(json.dumps(held))


def _references(archive: Path) -> list[str]:
    """The names of the images in an archive of Docker's format; of another's, none are known."""
    try:
        with tarfile.open(archive) as tar:
            manifest = tar.extractfile("manifest.json")
            images = json.load(manifest) if manifest else []
    except (tarfile.TarError, KeyError, ValueError):
        return []
    return [reference for image in images for reference in image.get("RepoTags") or []]


def _export(image: str, archive: Path) -> Path:
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
    return archive
