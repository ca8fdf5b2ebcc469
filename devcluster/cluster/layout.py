"""Where everything of a cluster is kept, and what it is called."""

from __future__ import annotations

import json
import os
import re
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import DevclusterError
from cluster.locks import MACHINE, exclusive
from cluster.shell import run

STATE_ROOT = Path("/var/lib/penstock-devcluster")
SOURCE = Path(__file__).resolve().parent.parent
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")
_SUBNETS = 4096


def cache_root() -> Path:
    """The folder for what is built once; outside the repository, shared by all checkouts."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("PENSTOCK_CACHE") or Path(base) / "penstock") / "devcluster"


@dataclass(frozen=True, slots=True)
class Layout:
    """The names, addresses and paths of one cluster; all follow from its name and its subnet."""

    name: str
    index: int
    nodes: int

    @property
    def state(self) -> Path:
        return STATE_ROOT / self.name

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def processes(self) -> Path:
        return self.state / "processes"

    @property
    def audit_log(self) -> Path:
        return self.logs / "audit.log"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "admin.kubeconfig"

    @property
    def complete(self) -> Path:
        """The file that tells a cluster which has come up from one that was broken off."""
        return self.state / "complete"

    @property
    def lock(self) -> Path:
        return MACHINE / f"penstock-devcluster-{self.name}"

    @property
    def netns(self) -> str:
        return f"penstock-{self.name}"

    @property
    def netns_path(self) -> Path:
        return Path("/run/netns") / self.netns

    @property
    def cgroup(self) -> str:
        return f"penstock-{self.name}"

    @property
    def veth(self) -> str:
        return f"penstock{self.index}"

    @property
    def host_address(self) -> str:
        return self.address(1)

    @property
    def api_address(self) -> str:
        return self.address(2)

    @property
    def api_url(self) -> str:
        return f"https://{self.api_address}:6443"

    def address(self, host: int) -> str:
        """An address of the cluster's /29; link-local ones are refused by the API server."""
        number = self.index * 8 + host
        return f"100.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"

    def node(self, number: int) -> Node:
        return Node(layout=self, number=number)

    def all_nodes(self) -> list[Node]:
        return [self.node(number) for number in range(1, self.nodes + 1)]

    def save(self) -> None:
        record = {"name": self.name, "index": self.index, "nodes": self.nodes}
        partial = self.state / "cluster.json.partial"
        partial.write_text(json.dumps(record))
        partial.rename(self.state / "cluster.json")


@dataclass(frozen=True, slots=True)
class Node:
    """One kubelet with a containerd of its own."""

    layout: Layout
    number: int

    @property
    def name(self) -> str:
        return f"node-{self.number}"

    @property
    def home(self) -> Path:
        return self.layout.state / self.name

    @property
    def socket(self) -> Path:
        return self.home / "containerd.sock"

    @property
    def address(self) -> str:
        return self.layout.address(1 + self.number)

    @property
    def pod_subnet(self) -> str:
        return f"10.244.{self.number}.0/24"

    @property
    def cgroup(self) -> str:
        return f"{self.layout.cgroup}/{self.name}"

    @property
    def kubelet_port(self) -> int:
        return 10240 + self.number * 10

    @property
    def health_port(self) -> int:
        return 10248 + (self.number - 1) * 10


def checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise DevclusterError(
            f"{name!r} cannot name a cluster; use up to 30 lower-case letters, digits and hyphens."
        )
    return name


def saved(name: str) -> Layout | None:
    """The layout of a cluster that was brought up, or begun to be."""
    try:
        record = json.loads((STATE_ROOT / name / "cluster.json").read_text())
        return Layout(name=name, index=int(record["index"]), nodes=int(record["nodes"]))
    except (OSError, ValueError, KeyError):
        return None


def names() -> list[str]:
    if not STATE_ROOT.is_dir():
        return []
    return sorted(path.name for path in STATE_ROOT.iterdir() if path.is_dir())


def reserve(name: str, *, nodes: int) -> Layout:
    """Choose a free subnet and record the cluster; two that come up at once get two."""
    with _state_root():
        taken = {layout.index for other in names() if (layout := saved(other))}
        taken |= {int(path.name[8:]) for path in Path("/sys/class/net").glob("penstock[0-9]*")}
        index = next(number for number in range(_SUBNETS) if number not in taken)
        layout = Layout(name=name, index=index, nodes=nodes)
        for folder in (layout.logs, layout.processes, layout.pki):
            folder.mkdir(parents=True)
        layout.save()
        return layout


def forget(layout: Layout) -> None:
    """Remove the cluster's folder, and the one of all clusters with the last of them."""
    run("rm", "-rf", "--one-file-system", layout.state)
    with _state_root(), suppress(OSError):
        STATE_ROOT.rmdir()


def _state_root() -> AbstractContextManager[None]:
    return exclusive(MACHINE / "penstock-devcluster", what="comes up or goes down")
