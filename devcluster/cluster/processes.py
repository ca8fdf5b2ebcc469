"""The cluster's processes: started in its network namespace, known again by pid and start time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cluster.errors import DevclusterError
from cluster.layout import Layout


def start(layout: Layout, component: str, command: Sequence[str | Path]) -> None:
    """Start a component that outlives this program, unless it is running."""
    if running(layout, component):
        return
    layout.processes.mkdir(parents=True, exist_ok=True)
    layout.logs.mkdir(parents=True, exist_ok=True)
    words = ["nsenter", f"--net=/run/netns/{layout.netns}", *(str(word) for word in command)]
    with (layout.logs / f"{component}.log").open("ab") as log:
        child = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    record = {"pid": child.pid, "started": _start_time(child.pid), "command": words}
    (layout.processes / f"{component}.json").write_text(json.dumps(record))


def pid(layout: Layout, component: str) -> int | None:
    """The pid of a component that lives; a pid that the system has given away since is not it."""
    record = _record(layout, component)
    if record is None:
        return None
    number = int(record["pid"])
    return number if record["started"] and _start_time(number) == record["started"] else None


def running(layout: Layout, component: str) -> bool:
    return pid(layout, component) is not None


def components(layout: Layout) -> list[str]:
    if not layout.processes.is_dir():
        return []
    return sorted(path.stem for path in layout.processes.glob("*.json"))


def restart(layout: Layout, component: str) -> None:
    """Start a component again as it was started first."""
    record = _record(layout, component)
    if record is None:
        raise DevclusterError(
            f"Cluster {layout.name} has no component {component}; it has {', '.join(components(layout))}."
        )
    start(layout, component, record["command"][2:])


def kill(layout: Layout, component: str, *, how: signal.Signals = signal.SIGKILL) -> None:
    if (number := pid(layout, component)) is not None:
        os.kill(number, how)
        wait_until(lambda: not running(layout, component), seconds=10)


def stop_all(layout: Layout) -> None:
    """Ask every component to end, then make it; last come the containers' shims, by namespace."""
    for how, seconds in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0)):
        pids = [number for name in components(layout) if (number := pid(layout, name)) is not None]
        if how == signal.SIGKILL:
            pids += netns_pids(layout)
        signal_all(pids, how)
        wait_until(lambda: not any(_alive(number) for number in pids), seconds=seconds)  # noqa: B023 - called at once


def netns_pids(layout: Layout) -> list[int]:
    """All processes of the cluster's network namespace, the shims of its containers included."""
    path = Path("/run/netns") / layout.netns
    if not path.exists():
        return []
    wanted = path.stat().st_ino
    return [number for number in _all_pids() if _netns_of(number) == wanted]


def signal_all(pids: Sequence[int], how: signal.Signals) -> None:
    for number in pids:
        try:
            os.kill(number, how)
        except ProcessLookupError:
            continue


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Wait for a condition; return whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.03)
    return True


def _record(layout: Layout, component: str) -> dict[str, Any] | None:
    try:
        return json.loads((layout.processes / f"{component}.json").read_text())
    except (OSError, ValueError):
        return None


def _start_time(number: int) -> str:
    """The boot and the clock tick at which a process began, or '' when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    if fields[0] in "ZX":
        return ""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + ":" + fields[19]


def _alive(number: int) -> bool:
    return bool(_start_time(number))


def _all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _netns_of(number: int) -> int:
    try:
        return Path(f"/proc/{number}/ns/net").stat().st_ino
    except OSError:
        return -1
