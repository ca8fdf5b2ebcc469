"""The examples agree with themselves."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"


def _version() -> str:
    namespace: dict[str, str] = {}
    exec((ROOT / "runner-image/penstock/_version.py").read_text(), namespace)
    return namespace["__version__"]


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
