"""The mounts that containerd, the kubelets and the service proxy see: the machine's, but for the
folders into which they write by fixed paths.

The mounts of containers and volumes are made in here as well. They vanish with the last process,
however it ended, so that nothing is ever left to unmount and no clean-up can delete through one.
"""

from __future__ import annotations

from pathlib import Path

from cluster import processes
from cluster.errors import DevclusterError
from cluster.layout import Layout, cache_root
from cluster.shell import succeeds

# Mounted over: shim sockets, runc's state, CNI's results, device plugins, logs of pods, locks.
# The cluster's own folder and its binaries stay in view, wherever they are. Canonical names would
# lead `mount` from the open folders back to their paths, which are hidden by then: hence -c.
_SCRIPT = """
set -e
state=$1 cache=$2
mount --make-rslave /
exec 3<"$state" 4<"$cache"
for folder in /run /var/lib /var/log; do mount -t tmpfs -o mode=755 penstock "$folder"; done
mkdir -p "$state" "$cache" /run/netns
mount -c --bind /proc/self/fd/3 "$state"
mount -c --bind /proc/self/fd/4 "$cache"
exec 3<&- 4<&-
mount --bind "$state/pod-logs" /var/log
mount --make-rshared /
touch "$state/sandboxed"
exec sleep infinity
"""


def start(layout: Layout) -> None:
    """Start the process that holds the mounts, and wait until they are made."""
    if processes.running(layout, "sandbox"):
        return
    (layout.state / "pod-logs").mkdir(exist_ok=True)
    made = layout.state / "sandboxed"
    made.unlink(missing_ok=True)
    command: list[str | Path] = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        _SCRIPT,
        "sh",
        layout.state,
        cache_root(),
    ]
    processes.start(layout, "sandbox", command)
    processes.wait_until(
        lambda: made.exists() or not processes.running(layout, "sandbox"), seconds=10
    )
    if not made.exists():
        said = (layout.logs / "sandbox.log").read_text().strip()
        raise DevclusterError(
            f"This machine does not let mounts be made ({said}); a container has to be privileged."
        )


def unmount(layout: Layout) -> None:
    """Unmount what somebody else has mounted in the cluster's folder, before it is deleted."""
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].replace("\\040", " ") for line in table]
    for point in reversed(points):
        if point.startswith(f"{layout.state}/"):
            succeeds("umount", "--lazy", point)
