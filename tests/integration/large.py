"""A flow of many tasks in a real runner, against a real API server: what it takes and leaves.

Used by the test of 10,000 tasks and by the benchmark of 100,000.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.integration.apiserver import GROUP, Object
from tests.integration.journals import Journal
from tests.integration.runner.processes import Place, RunnerProcess

CODE = """
import re, time
from penstock import flow, task

@task
def one(number: int) -> int:
    if number % 1000 == 0:
        time.sleep(0.1)
    if number % 2500 == 7:
        raise ValueError("ä<" * 1000)
    return number

@flow
def large(count: int) -> int:
    futures = one.map(range(count))
    for future in futures:
        future.wait()
    # Not getrusage: that counts what the process had before its exec, its parent's memory.
    status = open("/proc/self/status").read()
    print("peak", int(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1]) // 1024, flush=True)
    return len([future.result(raise_on_failure=False) for future in futures])
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What was seen from outside."""

    seconds: float
    peak_mib: int
    """The most memory that the runner ever held."""
    report_bytes: int
    """Size of the largest ``status.execution``."""
    reports_a_second: float
    """But for the first and the last, which are not kept waiting."""
    objects: int
    """JournalSegments at the end."""
    journal_bytes: int
    execution: Object
    unstored: list[str]
    """What the log says of results that the journal did not take."""


def run_large(journal: Journal, *, count: int) -> Cost:
    """Run the flow to its end as the pod of the run's first attempt."""
    with watched(journal) as reports:
        began = time.monotonic()
        runner = start_runner(journal, CODE, "flow.py:large", count=count)
        try:
            code = runner.exit_code(timeout=600)
        finally:
            runner.close()
        seconds = time.monotonic() - began
    assert code == 0, runner.output
    sizes = [len(json.dumps(execution, separators=(",", ":"))) for execution in reports]
    (peak,) = (line.split()[1] for line in runner.lines if line.startswith("peak "))
    objects = journal.objects
    return Cost(
        seconds=seconds,
        peak_mib=int(peak),
        report_bytes=max(sizes),
        reports_a_second=(len(reports) - 2) / seconds,
        objects=len(objects),
        journal_bytes=sum(len(each) for item in objects for each in item["spec"]["records"]),
        execution=journal.run["status"]["execution"],
        unstored=[line for line in runner.lines if "result_storage" in line],
    )


def start_runner(
    journal: Journal, code: str, entrypoint: str, *, attempt: int = 1, **parameters: object
) -> RunnerProcess:
    """Start the process of an attempt's pod."""
    environment = journal.environment(attempt)
    place = Place(
        folder=environment.credentials.parent / f"pod-{attempt}",
        host=environment.server_host,
        port=environment.server_port,
        credentials=environment.credentials,
        namespace=journal.namespace,
        run=journal.name,
        attempt=attempt,
        pod_name=environment.pod_name,
        pod_uid=environment.pod_uid,
    )
    launch = {"entrypoint": entrypoint, "parameters": parameters}
    return RunnerProcess(place, code=code, launch=launch)


@contextmanager
def watched(journal: Journal) -> Iterator[list[Object]]:
    """Collect the reports of a run as they are stored."""
    reports: list[Object] = []
    path = f"{GROUP}/namespaces/{journal.namespace}/flowruns"
    version = journal.api.get(path)["metadata"]["resourceVersion"]
    query = f"watch=1&fieldSelector=metadata.name={journal.name}&resourceVersion={version}"
    stream = journal.api.pool.request(
        "GET",
        f"{journal.api.url}{path}?{query}",
        headers=journal.api.headers,
        preload_content=False,
    )

    def collect() -> None:
        try:
            for line in stream:
                execution = json.loads(line)["object"].get("status", {}).get("execution")
                if execution and (not reports or reports[-1] != execution):
                    reports.append(execution)
        except Exception:
            return

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    try:
        yield reports
    finally:
        time.sleep(0.5)  # the last event
        stream.shutdown()
        thread.join()
