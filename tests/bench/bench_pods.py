"""How soon a pod works: from its process's start, and after the pod before it was lost."""

import time
from statistics import median

from tests.bench.figures import Figure
from tests.e2e.cluster import Cluster
from tests.e2e.namespaces import Namespace, Run

ROUNDS = 5
STARTS = """
import os, time
from pathlib import Path
from penstock import flow, task

def seconds_since_process_start():
    booted_ago = float(Path("/proc/uptime").read_text().split()[0])
    started = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return booted_ago - started / os.sysconf("SC_CLK_TCK")

@task
def first():
    after = seconds_since_process_start()
    print(f"first task after {after:.3f} s at {time.time():.3f}", flush=True)

@flow
def starts(linger: float = 0.0):
    first()
    time.sleep(linger if os.environ["PENSTOCK_ATTEMPT"] == "1" else 0)
"""


def main() -> None:
    cluster = Cluster.ensure("bench")
    namespace = Namespace(cluster, "bench-pods")
    try:
        cluster.install()
        namespace.create()
        namespace.pool()
        source = {"inline": {"files": {"flows.py": STARTS}}}
        flow = namespace.flow("starts", source=source)
        namespace.run(flow, name="warm-up").end()
        _measure(namespace, flow)
    finally:
        cluster.down()


def _measure(namespace: Namespace, flow: str) -> None:
    process, pod, loss = [], [], []
    for number in range(ROUNDS):
        created = time.time()
        run = namespace.run(flow, {"linger": 60}, name=f"run-{number}")
        since_start, at = _first_task(run, attempt=1)
        process.append(since_start)
        pod.append(at - created)
        deleted = time.time()
        namespace.kubectl("delete", "pod", run.pod(), "--wait=false", "--grace-period=1")
        loss.append(_first_task(run, attempt=2)[1] - deleted)
        run.end()
    Figure("process start to first task", median(process), "s", 0.3).print()
    Figure("run created to first task", median(pod), "s", 5).print()
    Figure(
        "lost pod to first new task, beyond a pod's start", median(loss) - median(pod), "s", 2
    ).print()


def _first_task(run: Run, *, attempt: int) -> tuple[float, float]:
    """Return what the first task printed: seconds since the process started, and the time."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        printed = run.namespace.kubectl("logs", f"job/{run.name}-{attempt}", check=False)
        for line in printed.splitlines():
            if line.startswith("first task after "):
                words = line.split()
                return float(words[3]), float(words[6])
        time.sleep(0.2)
    raise TimeoutError(f"{run.name} did not reach its first task:\n{run.namespace.report()}")


if __name__ == "__main__":
    main()
