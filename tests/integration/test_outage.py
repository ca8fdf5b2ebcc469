"""A minute without the API server: first it hangs, then it refuses.

The operator and the runner are real processes, and reach a real API server over a line that is cut.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.integration.apiserver import ApiServer
from tests.integration.journals import Journal
from tests.integration.large import start_runner
from tests.integration.proxy import Line
from tests.integration.world import World, eventually

TASKS = 200
CODE = """
import os, time
from penstock import flow, task

@task
def once(number: int) -> int:
    time.sleep(0.05)
    with open(os.environ["HOME"] + "/ledger", "a") as ledger:
        ledger.write(f"{number}\\n")
    return number

@flow
def steps(count: int) -> int:
    return sum(once(number) for number in range(count))
"""
HANGS_SECONDS = 30
REFUSES_SECONDS = 30


@dataclass(slots=True)
class Kubelet:
    """Starts the operator's process again whenever it ends."""

    arguments: tuple[str, ...]
    kubeconfig: Path
    exits: list[int] = field(default_factory=list)
    _stopping: bool = False
    _process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Iterator[Kubelet]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield self
        finally:
            self._stopping = True
            if self._process:
                self._process.kill()
            thread.join()

    def _run(self) -> None:
        command = [sys.executable, "-m", "penstock_operator.app.main", *self.arguments]
        environment = os.environ | {"KUBECONFIG": str(self.kubeconfig)}
        while not self._stopping:
            self._process = subprocess.Popen(
                command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            self.exits.append(self._process.wait())
            time.sleep(1)


@pytest.fixture
def line(kubeconfig: Path, tmp_path: Path) -> Iterator[Line]:
    with Line(kubeconfig, tmp_path) as line:
        yield line


def test_a_minute_without_the_api_server_loses_no_run_and_redoes_no_task(
    world: World, api: ApiServer, line: Line, release: str, tmp_path: Path
) -> None:
    scope = ("--namespace", world.namespace, "--lease-namespace", world.namespace)
    images = ("--runner-image", "penstock-runner:test", "--http-port", "0")
    kubelet = Kubelet(
        (*scope, *images, "--runner-cluster-role", f"{release}-runner"), line.kubeconfig
    )
    with kubelet.running():
        world.create_pool()
        world.create_flow()
        run = world.create_run("steps")
        world.create_run("nap")
        for name in ("steps-1", "nap-1"):
            world.wait_for_job(name, within=60)
            world.start_job(name)
        beyond = replace(api, url=line.url)
        journal = Journal(beyond, world.namespace, "steps", run["metadata"]["uid"], tmp_path)
        runner = start_runner(journal, CODE, "flow.py:steps", count=TASKS)
        ledger = tmp_path / "pod-1" / "ledger"
        try:
            eventually(lambda: ledger.exists() and len(ledger.read_text().split()) > 20, within=30)
            world.leave("nap", attempt=1, seconds=HANGS_SECONDS)
            world.wait_for_state("nap", "Suspended")

            line.hush()
            world.create_run("meanwhile")
            time.sleep(HANGS_SECONDS)
            line.cut()
            at_rest = ledger.read_text().split()
            time.sleep(REFUSES_SECONDS)
            still_at_rest = ledger.read_text().split()
            line.mend()

            code = runner.exit_code(timeout=60)
        finally:
            runner.close()
        world.complete_job("steps-1")
        status = world.wait_for_state("steps", "Completed", within=60)
        world.wait_for_job("nap-2", within=60)
        world.wait_for_job("meanwhile-1", within=60)
        ended = list(kubelet.exits)

    assert code == 0, runner.output
    assert still_at_rest == at_rest, "tasks went on without a journal"
    assert ledger.read_text().split() == [str(number) for number in range(TASKS)]
    assert (status["attempt"], status.get("recoveries", 0)) == (1, 0)
    jobs = {run: len(world.jobs_of(run)) for run in ("steps", "nap", "meanwhile")}
    assert jobs == {"steps": 1, "nap": 2, "meanwhile": 1}
    assert ended in ([], [1]), "it leaves once, with its Lease, and then waits for the server"
