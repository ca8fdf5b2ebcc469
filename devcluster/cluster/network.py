"""A network namespace without an uplink, and a cable from the host to the API server in it."""

from __future__ import annotations

from pathlib import Path

from cluster.layout import Layout
from cluster.shell import run, succeeds


def create(layout: Layout) -> None:
    """Make what is missing of the namespace and its addresses."""
    if not layout.netns_path.exists():
        run("ip", "netns", "add", layout.netns)
    if not Path(f"/sys/class/net/{layout.veth}").exists():
        ends = (layout.veth, "type", "veth", "peer", "name", "eth0", "netns", layout.netns)
        run("ip", "link", "add", *ends)
        run("ip", "address", "add", f"{layout.host_address}/29", "dev", layout.veth)
    run("ip", "link", "set", layout.veth, "up")
    inside = ("ip", "-n", layout.netns)
    run(*inside, "link", "set", "lo", "up")
    for host in range(2, 2 + max(1, layout.nodes)):
        run(*inside, "address", "replace", f"{layout.address(host)}/29", "dev", "eth0")
    run(*inside, "link", "set", "eth0", "up")
    # Components pick their address by the default route; behind it nothing forwards.
    run(*inside, "route", "replace", "default", "via", layout.host_address)
    forward = "echo 1 >/proc/sys/net/ipv4/ip_forward"
    run("nsenter", f"--net={layout.netns_path}", "sh", "-c", forward)


def stands(layout: Layout) -> bool:
    """Tell whether the cable is there; of a namespace, a file of its name may be all that is."""
    return succeeds("ip", "-n", layout.netns, "link", "show", "eth0")


def delete(layout: Layout) -> None:
    """Remove the namespace; both ends of the cable go first, as the kernel is slow to do it."""
    if layout.netns_path.exists():
        succeeds("ip", "-n", layout.netns, "link", "delete", "eth0")
        succeeds("ip", "netns", "delete", layout.netns)
