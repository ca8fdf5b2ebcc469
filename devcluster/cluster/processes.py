"""The cluster's processes: started in its namespaces, known again by pid, start time and a mark."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import DevclusterError
from cluster.layout import Layout

_MARK = "PENSTOCK_DEVCLUSTER"
"""Variable in the environment of every process of a cluster, and of what these start in turn."""


@dataclass(frozen=True, slots=True)
class Record:
    """How a component was started, so that it can be found and started again."""

    pid: int
    started: str
    command: tuple[str, ...]
    sandboxed: bool


def start(
    layout: Layout, component: str, command: Sequence[str | Path], *, sandboxed: bool = False
) -> None:
    """Start a component that outlives this program, unless it is running.

    Sandboxed, it shares the mounts of the component ``sandbox`` in place of the machine's.
    """
    if running(layout, component):
        return
    words = tuple(str(word) for word in command)
    with (layout.logs / f"{component}.log").open("ab") as log:
        child = subprocess.Popen(
            [*_entrance(layout, sandboxed=sandboxed), *words],
            env={**os.environ, _MARK: layout.name},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    record = {"started": _start_time(child.pid), "command": words, "sandboxed": sandboxed}
    _record_path(layout, component).write_text(json.dumps({"pid": child.pid, **record}))


def restart(layout: Layout, component: str) -> None:
    """Start a component again as it was started first."""
    record = _record(layout, component)
    if record is None:
        raise unknown(layout, component)
    start(layout, component, record.command, sandboxed=record.sandboxed)


def pid(layout: Layout, component: str) -> int | None:
    """The pid of a component that lives; a pid that the system has given away since is not it."""
    record = _record(layout, component)
    return record.pid if record and record.started == _start_time(record.pid) != "" else None


def running(layout: Layout, component: str) -> bool:
    return pid(layout, component) is not None


def components(layout: Layout) -> list[str]:
    return sorted(path.stem for path in layout.processes.glob("*.json"))


def unknown(layout: Layout, component: str) -> DevclusterError:
    return DevclusterError(
        f"Cluster {layout.name} has no component {component};"
        f" it has {', '.join(components(layout))}."
    )


def kill(layout: Layout, component: str) -> None:
    """End a component at once; what it has started itself, such as containers, goes on."""
    number = pid(layout, component)
    if number is None:
        raise DevclusterError(f"{component} is not running in cluster {layout.name}.")
    os.kill(number, signal.SIGKILL)
    wait_until(lambda: not running(layout, component), seconds=10)


def kill_all(layout: Layout, *, others: Callable[[], Iterable[int]]) -> None:
    """Kill whatever belongs to the cluster, its containers (``others``) included.

    What is about to end may still start something, hence the loop.
    """

    def gone() -> bool:
        pids = {number for number in (*_belonging(layout), *others()) if _start_time(number)}
        for number in pids:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return not pids

    if not wait_until(gone, seconds=15):
        raise DevclusterError(
            f"Processes of cluster {layout.name} do not end although they were killed; see"
            f" `ps -e` for those in state D, and run devcluster/devcluster down --name"
            f" {layout.name} again when the machine has got over it."
        )


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Wait for a condition; return whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.03)
    return True


def _entrance(layout: Layout, *, sandboxed: bool) -> list[str]:
    entrance = ["nsenter", f"--net={layout.netns_path}"]
    if sandboxed:
        entrance.append(f"--mount=/proc/{pid(layout, 'sandbox')}/ns/mnt")
    return entrance


def _belonging(layout: Layout) -> list[int]:
    """The processes that carry the cluster's mark or live in its network namespace."""
    mark = f"{_MARK}={layout.name}".encode()
    namespace = _namespace(layout.netns_path)
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal()
        if mark in _environment(entry) or (namespace and _namespace(entry / "ns/net") == namespace)
    ]


def _environment(entry: Path) -> list[bytes]:
    try:
        return (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _namespace(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _record_path(layout: Layout, component: str) -> Path:
    return layout.processes / f"{component}.json"


def _record(layout: Layout, component: str) -> Record | None:
    try:
        found = json.loads(_record_path(layout, component).read_text())
    except (OSError, ValueError):
        return None
    return Record(
        found["pid"], found["started"], tuple(found["command"]), bool(found.get("sandboxed"))
    )


def _start_time(number: int) -> str:
    """The boot and the clock tick at which a process began, or '' when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    if fields[0] in "ZX":
        return ""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + ":" + fields[19]
