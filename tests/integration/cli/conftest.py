"""Terminals, clusters and files for the command line."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.cli.apiserver import Script, serving
from typer.testing import CliRunner

from penstock.cli.app import app
from penstock.cli.cluster import Cluster
from penstock.cli.connection import Target, connect

FLOW = '''
from penstock import flow, get_run_logger, task

@task
def double(x: int) -> int:
    return 2 * x

@flow(retries=2, retry_delay_seconds=3)
def doubled_sum(numbers: list[int], label: str = "sum") -> int:
    """Add up doubled numbers."""
    total = sum(double.map(numbers).result())
    get_run_logger().info("added up")
    print(label, total)
    return total

@flow
def broken() -> None:
    raise ValueError("the bridge is closed")

@flow
def leaver() -> None:
    raise SystemExit(7)
'''


@pytest.fixture(autouse=True)
def _log_setup_of_its_own() -> Iterator[None]:
    """A run here sends the log to the streams of this test, which the next one does not have."""
    logger = logging.getLogger("penstock")
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    yield
    logger.handlers, logger.propagate = handlers, propagate
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the person's own clusters out of the tests."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def penstock() -> Callable[..., Any]:
    """Run the command line in this process and return how it went."""
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def flow_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with flows, in the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "sums.py"
    path.write_text(FLOW)
    return path


@pytest.fixture
def script() -> Iterator[Script]:
    """What the API server answers."""
    with serving() as script:
        yield script


@pytest.fixture
def cluster(script: Script, tmp_path: Path) -> Cluster:
    """The cluster of the script."""
    return connect(Target(kubeconfig=str(script.kubeconfig(tmp_path))))
