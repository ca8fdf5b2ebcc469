"""The examples run in process as they do in a pod, and their objects are what render writes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

EXAMPLES = Path(__file__).parents[3] / "examples"


def _python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_hello_greets_everybody_in_process() -> None:
    path = str(EXAMPLES / "hello/flow.py")

    printed = _python("-c", f"import runpy; runpy.run_path({path!r})['hello'](seconds=0.001)")

    assert printed.splitlines()[0] == "Hello, Ada Lovelace!"
    assert len(printed.splitlines()) == 5


def test_weather_prints_its_table_in_process() -> None:
    """The figures are facts about the data: 2014 was the wettest of the four years."""
    printed = _python(str(EXAMPLES / "weather/flow.py")).splitlines()

    assert [line[:4] for line in printed] == ["year", "2012", "2013", "2014", "2015"]
    assert "<- wettest" in printed[3]


def test_orders_undoes_the_second_in_process() -> None:
    printed = _python(str(EXAMPLES / "orders/flow.py")).splitlines()

    assert printed[:3] == ["reserve order-1", "charge order-1", "ship order-1"]
    assert [line.split()[0] for line in printed[3:]] == ["reserve", "charge", "refund", "put-back"]


@pytest.mark.parametrize(
    ("example", "flow"),
    [
        ("hello", "hello"),
        ("weather", "weather"),
        ("orders", "fulfil"),
        ("pools", "crunch"),
        ("schedules/base", "report"),
    ],
)
def test_an_example_is_what_render_writes(example: str, flow: str) -> None:
    """Only where the source lives may differ."""
    written = yaml.safe_load((EXAMPLES / example / "flow.yaml").read_text())
    entrypoint = str(EXAMPLES / example / f"flow.py:{flow}")
    rendered = _python("-m", "penstock.cli.main", "render", entrypoint, "--image", "any")

    spec = yaml.safe_load(rendered)["spec"]
    assert written["spec"]["parameterSchema"] == spec["parameterSchema"]
    assert written["spec"]["entrypoint"].rpartition(":")[2] == flow
