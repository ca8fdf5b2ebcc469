"""The examples agree with themselves."""

from pathlib import Path

import pytest
import yaml

from penstock.loading import load_flow
from penstock.testing import answered

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"


def _version() -> str:
    namespace: dict[str, str] = {}
    exec((ROOT / "runner-image/penstock/_version.py").read_text(), namespace)
    return namespace["__version__"]


@pytest.mark.parametrize("example", ["hello", "approval", "orders", "pools", "schedules/base"])
def test_the_inline_source_is_the_file(example: str) -> None:
    """Who reads flow.py sees what the cluster runs."""
    flow = yaml.safe_load((EXAMPLES / example / "flow.yaml").read_text())

    assert flow["spec"]["source"]["inline"]["files"] == {
        "flow.py": (EXAMPLES / example / "flow.py").read_text()
    }


def test_an_example_is_applied_with_the_smallest_pool() -> None:
    """A kustomization takes no file from outside of its folder."""
    pool = (EXAMPLES / "pool.yaml").read_text()

    assert (EXAMPLES / "schedules/base/pool.yaml").read_text() == pool


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        ({"approved": True}, "app-1.0.0.tar.gz released, approved by ada"),
        ({"approved": False, "comment": "too late"}, "was rejected by ada: too late"),
    ],
    ids=["approved", "rejected"],
)
def test_the_approval_example_goes_by_the_answer(answer: dict[str, object], end: str) -> None:
    release = load_flow(f"{EXAMPLES}/approval/flow.py:release")
    with answered("approval", answer, sender="ada"):
        result = release()

    assert str(result).endswith(end)


def test_the_ledger_in_the_cluster_is_the_file() -> None:
    source, deployment, _ = yaml.safe_load_all((EXAMPLES / "orders/ledger.yaml").read_text())

    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert source["data"] == {"ledger.py": (EXAMPLES / "orders/ledger.py").read_text()}
    assert container["image"] == f"localhost/penstock-runner:{_version()}"


def test_the_images_in_the_examples_are_of_this_version() -> None:
    """The images that `make images` builds carry the version as their tag."""
    flow = yaml.safe_load((EXAMPLES / "weather/flow.yaml").read_text())

    assert flow["spec"]["image"] == f"localhost/penstock-example-weather:{_version()}"
    dockerfile = (EXAMPLES / "weather/Dockerfile").read_text()
    assert f"ARG RUNNER=localhost/penstock-runner:{_version()}" in dockerfile
