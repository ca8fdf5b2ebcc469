"""Development clusters as a person uses them, and what one may leave behind on this machine."""

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEVCLUSTER = Path(__file__).parents[2] / "devcluster" / "devcluster"
STATES = Path("/var/lib/penstock-devcluster")


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has run to its end."""

    code: int
    output: str
    errors: str


def start(*words: str) -> subprocess.Popen[str]:
    """Start a command in a process group of its own, as a terminal would."""
    return subprocess.Popen(
        [DEVCLUSTER, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def run(*words: str) -> Ended:
    return ended(start(*words))


def interrupt(process: subprocess.Popen[str], how: signal.Signals) -> Ended:
    """Signal a command and all that runs in its group, as Ctrl-C does, and wait for its end."""
    os.killpg(process.pid, how)
    return ended(process)


def ended(process: subprocess.Popen[str]) -> Ended:
    output, errors = process.communicate(timeout=120)
    return Ended(process.returncode, output.strip(), errors.strip())


@dataclass(frozen=True, slots=True)
class Devcluster:
    """One cluster by its name; nothing is up until `up`."""

    name: str

    def up(self, *options: str) -> None:
        self.said("up", *options)

    def starting(self, *options: str) -> subprocess.Popen[str]:
        return start("up", "--name", self.name, *options)

    def down(self) -> None:
        self.said("down")

    def said(self, verb: str, *options: str) -> str:
        """Return what a command prints, which has to succeed."""
        done = run(verb, "--name", self.name, *options)
        assert done.code == 0, done.errors
        return done.output

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.said("status", "-o", "json"))
        return found

    def kubectl(self, *arguments: str) -> str:
        tool = Path(run("path").output) / "kubectl"
        done = subprocess.run(
            [tool, "--kubeconfig", self.said("kubeconfig"), *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def processes(self) -> set[int]:
        """Return the processes that name its folder or live in its control group."""
        marks = (f"{STATES}/{self.name}/", f"/penstock-{self.name}/")
        return {
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdecimal()
            if any(mark in _text(entry / part) for mark in marks for part in ("cmdline", "cgroup"))
        }

    def remains(self) -> list[str]:
        """List all that it has on this machine outside of the cache of binaries."""
        mounts = _text(Path("/proc/self/mountinfo")).splitlines()
        return [
            *(f"process {pid}" for pid in self.processes()),
            *(mount for mount in mounts if f"{STATES}/{self.name}/" in mount),
            *(mount for mount in mounts if f"/run/netns/penstock-{self.name} " in mount),
            *map(str, Path("/run/netns").glob(f"penstock-{self.name}")),
            *map(str, Path("/sys/fs/cgroup").glob(f"penstock-{self.name}")),
            *map(str, Path("/sys/fs/cgroup").glob(f"*/penstock-{self.name}")),
            *map(str, Path("/run/lock").glob(f"*-{self.name}")),
            *map(str, STATES.glob(self.name)),
            *(f"interface {name}" for name in _ownerless_interfaces()),
        ]


def _ownerless_interfaces() -> list[str]:
    """List the ends of cables whose cluster nobody remembers."""
    interfaces = {path.name for path in Path("/sys/class/net").glob("penstock[0-9]*")}
    records = [_text(path) for path in STATES.glob("*/cluster.json")]
    owned = {f"penstock{json.loads(record)['index']}" for record in records if record}
    return sorted(interfaces - owned)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:  # it has gone meanwhile
        return ""
