"""A network namespace without an uplink, and a pair of interfaces by which the host reaches the API server."""

from __future__ import annotations

from pathlib import Path

from cluster.layout import Layout
from cluster.shell import run, succeeds


def create(layout: Layout) -> None:
    """Make what is missing of the namespace and its addresses."""
    if not exists(layout):
        run("ip", "netns", "add", layout.netns)
    if not Path(f"/sys/class/net/{layout.veth}").exists():
        run(
            "ip",
            "link",
            "add",
            layout.veth,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            layout.netns,
        )
        run("ip", "address", "add", f"{layout.host_address}/29", "dev", layout.veth)
    run("ip", "link", "set", layout.veth, "up")
    inside = ("ip", "-n", layout.netns)
    run(*inside, "link", "set", "lo", "up")
    for host in range(2, 2 + max(1, layout.nodes)):
        run(*inside, "address", "replace", f"{layout.address(host)}/29", "dev", "eth0")
    run(*inside, "link", "set", "eth0", "up")
    # Components pick their address by the default route; behind it nothing forwards.
    run(*inside, "route", "replace", "default", "via", layout.host_address)
    run("nsenter", f"--net=/run/netns/{layout.netns}", "sysctl", "-qw", "net.ipv4.ip_forward=1")


def exists(layout: Layout) -> bool:
    return (Path("/run/netns") / layout.netns).exists()


def delete(layout: Layout) -> None:
    succeeds("ip", "link", "delete", layout.veth)
    succeeds("ip", "netns", "delete", layout.netns)
