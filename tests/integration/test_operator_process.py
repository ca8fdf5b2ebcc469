"""The operator as a process: its signals, probes, scope, and a line that breaks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.integration.proxy import Line
from tests.integration.world import Automaton, Operator, World, eventually


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def process(
    kubeconfig: Path, *arguments: str, log: IO[str] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    running = subprocess.Popen(
        [
            *(sys.executable, "-m", "penstock_operator.app.main"),
            *("--runner-image", "penstock-runner:test", "--http-port", str(port)),
            *("--log-format", "json", *arguments),
        ],
        env=os.environ | {"KUBECONFIG": str(kubeconfig)},
        stderr=log or subprocess.DEVNULL,  # a pipe that nobody reads would stop it once full
    )
    try:
        yield running, port
    finally:
        running.kill()
        running.wait()


def ask(port: int, path: str) -> str | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return None


def test_sigterm_gives_the_lease_back(world: World, kubeconfig: Path) -> None:
    scope = ("--namespace", world.namespace, "--lease-namespace", world.namespace)
    with process(kubeconfig, *scope) as (running, port):
        eventually(lambda: "penstock_leader 1.0" in (ask(port, "metrics") or ""), within=120)
        eventually(lambda: ask(port, "readyz") == "ok\n")
        live = ask(port, "livez")

        running.send_signal(signal.SIGTERM)
        code = running.wait(60)

    assert live == "ok\n"
    assert code == 0
    lease = world.get("leases", "penstock-operator")
    assert lease is not None
    assert not lease["spec"].get("holderIdentity")


def test_sigterm_ends_a_standby_too(world: World, kubeconfig: Path, operator: Operator) -> None:
    scope = ("--namespace", world.namespace, "--lease-namespace", world.namespace)
    with process(kubeconfig, *scope) as (running, port):
        eventually(lambda: ask(port, "readyz") == "ok\n", within=120)
        standby = ask(port, "metrics") or ""

        running.send_signal(signal.SIGTERM)
        code = running.wait(60)

    assert "penstock_leader 0.0" in standby
    assert code == 0
    assert operator.is_acting


def test_an_operator_without_namespaces_serves_all(world: World, kubeconfig: Path) -> None:
    with process(kubeconfig, "--lease-namespace", world.namespace), Automaton(world):
        world.create_pool()
        world.create_flow()
        world.create_run("one")

        status = world.wait_for_state("one", "Completed", within=120)

    assert status["attempt"] == 1


def test_a_kubeconfig_that_cannot_be_read_is_said_in_a_sentence(tmp_path: Path) -> None:
    with (
        (tmp_path / "log").open("w") as log,
        process(tmp_path / "absent", log=log) as (running, _),
    ):
        code = running.wait(120)

    said = (tmp_path / "log").read_text()
    assert code == 1
    assert "set KUBECONFIG to a readable file" in said
    assert "Traceback" not in said


def test_an_api_server_that_goes_away_for_a_while_is_waited_out(
    world: World, kubeconfig: Path, tmp_path: Path
) -> None:
    world.create_pool()
    world.create_flow()
    with Line(kubeconfig, tmp_path) as line, Operator(line.kubeconfig, world.namespace) as operator:
        operator.wait_until_acting()
        world.create_run("before")
        world.wait_for_job("before-1")
        world.start_job("before-1")
        world.report("before", attempt=1)
        world.wait_for_state("before", "Running")

        line.cut()
        world.create_run("meanwhile")
        world.remove_job("before-1")
        time.sleep(3)
        line.mend()

        world.wait_for_job("meanwhile-1", within=120)
        world.wait_for_job("before-2", within=60)
        assert operator.error is None
        assert len(world.jobs_of("meanwhile")) == 1


def test_an_operator_that_cannot_renew_its_lease_ends(
    world: World, kubeconfig: Path, tmp_path: Path
) -> None:
    with Line(kubeconfig, tmp_path) as line:
        operator = Operator(line.kubeconfig, world.namespace).start().wait_until_acting()

        line.cut()
        operator.join(within=120)

    assert type(operator.error).__name__ == "LeaseLostError"
