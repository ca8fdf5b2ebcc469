"""The fixtures that pytest finds wherever Penstock is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]

TESTS = """
import asyncio
import os
import socket

import pytest

from penstock import flow, task
from penstock.testing import NoNetworkError

tries = []

@task(retries=2, retry_delay_seconds=[60, 3600])
async def fails():
    tries.append(1)
    raise ValueError

def test_time(penstock_time):
    state = asyncio.run(fails(return_state=True))
    assert (state.name, penstock_time.elapsed) == ("Failed", 3660)

async def test_time_in_a_running_loop(penstock_time):
    state = await fails(return_state=True)
    assert (state.name, penstock_time.elapsed) == ("Failed", 3660)

def test_home(penstock_home):
    assert os.environ["PENSTOCK_HOME"] == str(penstock_home)
    assert list(penstock_home.iterdir()) == []

def test_no_network(penstock_no_network):
    with pytest.raises(NoNetworkError):
        socket.create_connection(("127.0.0.1", 9))

@pytest.mark.penstock_network("localhost")
def test_allowed(penstock_no_network):
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 9))

def test_round_trips(penstock_round_trips):
    value = object()
    assert flow(lambda: task(lambda: [1.5])() == [1.5])()
    assert os.environ["PENSTOCK_ROUNDTRIP"] == "1"
"""


def test_the_fixtures_work_in_a_strict_session(tmp_path: Path) -> None:
    (tmp_path / "test_flows.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nfilterwarnings = error\n"
        "addopts = --strict-markers\nasyncio_default_fixture_loop_scope = function\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_asyncio.plugin"]
    ended = subprocess.run(
        [*command, "-p", "penstock.testing.plugin", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "6 passed" in ended.stdout, ended.stdout


def test_the_plugin_imports_nothing_before_a_test_asks() -> None:
    program = (
        "import sys, penstock.testing.plugin\n"
        "print(sorted(name for name in sys.modules if name.startswith('penstock')))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert ended.stdout.strip() == str(
        ["penstock", "penstock._version", "penstock.testing", "penstock.testing.plugin"]
    )


def test_pytest_is_told_of_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["entry-points"]["pytest11"] == {"penstock": "penstock.testing.plugin"}
