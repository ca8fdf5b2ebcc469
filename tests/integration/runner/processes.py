"""A real runner process with a snapshot of a flow, pointed at some API server."""

import json
import os
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Place:
    """What the operator and the kubelet give a pod."""

    folder: Path
    host: str
    port: int
    credentials: Path
    namespace: str = "default"
    run: str = "daily"
    attempt: int = 1
    pod_name: str = "daily-1-bcdfg"
    pod_uid: str = "u-1"
    grace_seconds: int = 30


class RunnerProcess:
    """`python -m penstock.runner`, its standard output line by line, and its exit code."""

    def __init__(self, place: Place, *, code: str, launch: dict[str, object], **env: str) -> None:
        snapshot = place.folder / "snapshot"
        (snapshot / "src").mkdir(parents=True)
        (snapshot / "src" / "flow.py").write_text(code)
        (snapshot / "launch.json").write_text(json.dumps(launch))
        self.lines: list[str] = []
        self._output: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "penstock.runner"],
            env=environment_of(place, snapshot) | env,
            cwd=place.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def output(self) -> str:
        """All that was read so far."""
        return "\n".join(self.lines)

    def wait_for_line(self, part: str, *, timeout: float = 90) -> str:
        """Read until a line with this part comes."""
        while (line := self._output.get(timeout=timeout)) is not None:
            self.lines.append(line)
            if part in line:
                return line
        raise AssertionError(f"{part!r} was never written:\n{self.output}")

    def exit_code(self, *, timeout: float = 90) -> int:
        """Wait for the end and read the rest."""
        code = self.process.wait(timeout)
        while (line := self._output.get(timeout=timeout)) is not None:
            self.lines.append(line)
        self._output.put(None)
        return code

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        self.process.send_signal(number)

    def close(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._output.put(line.rstrip("\n"))
        self._output.put(None)


def environment_of(place: Place, snapshot: Path) -> dict[str, str]:
    """Return what the operator puts into a pod's environment."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),  # this checkout's code, not another's
        "HOME": str(place.folder),
        "PENSTOCK_NAMESPACE": place.namespace,
        "PENSTOCK_RUN": place.run,
        "PENSTOCK_FLOW": "daily",
        "PENSTOCK_ATTEMPT": str(place.attempt),
        "PENSTOCK_POD_NAME": place.pod_name,
        "PENSTOCK_POD_UID": place.pod_uid,
        "PENSTOCK_GRACE_SECONDS": str(place.grace_seconds),
        "PENSTOCK_CREDENTIALS_DIR": str(place.credentials),
        "PENSTOCK_SNAPSHOT_DIR": str(snapshot),
        "KUBERNETES_SERVICE_HOST": place.host,
        "KUBERNETES_SERVICE_PORT": str(place.port),
    }
