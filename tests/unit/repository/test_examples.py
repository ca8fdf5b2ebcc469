"""The examples agree with themselves, and run in process as they do in a pod."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"


def _version() -> str:
    namespace: dict[str, str] = {}
    exec((ROOT / "runner-image/penstock/_version.py").read_text(), namespace)
    return namespace["__version__"]


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


def test_the_inline_source_of_hello_is_its_file() -> None:
    """Who reads flow.py sees what the cluster runs."""
    flow = yaml.safe_load((EXAMPLES / "hello/flow.yaml").read_text())

    assert flow["spec"]["source"]["inline"]["files"] == {
        "flow.py": (EXAMPLES / "hello/flow.py").read_text()
    }


def test_the_images_in_the_examples_are_of_this_version() -> None:
    """The images that `make images` builds carry the version as their tag."""
    flow = yaml.safe_load((EXAMPLES / "weather/flow.yaml").read_text())

    assert flow["spec"]["image"] == f"localhost/penstock-example-weather:{_version()}"
    dockerfile = (EXAMPLES / "weather/Dockerfile").read_text()
    assert f"ARG RUNNER=localhost/penstock-runner:{_version()}" in dockerfile


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


@pytest.mark.parametrize("example", ["hello", "weather"])
def test_an_example_is_what_render_writes(example: str) -> None:
    """Only where the source lives may differ."""
    written = yaml.safe_load((EXAMPLES / example / "flow.yaml").read_text())
    entrypoint = str(EXAMPLES / example / f"flow.py:{example}")
    rendered = _python("-m", "penstock.cli.main", "render", entrypoint, "--image", "any")

    spec = yaml.safe_load(rendered)["spec"]
    assert written["spec"]["parameterSchema"] == spec["parameterSchema"]
    assert written["spec"]["entrypoint"].rpartition(":")[2] == example
