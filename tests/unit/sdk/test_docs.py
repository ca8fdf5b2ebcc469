"""Every example of the page about the SDK runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from penstock.flows import FlowOptions
from penstock.tasks import TaskOptions

PAGE = (Path(__file__).parents[3] / "docs/sdk.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_runs(example: str) -> None:
    exec(compile(example, "docs/sdk.md", "exec"), {"__name__": "example"})


@pytest.mark.parametrize("options", [FlowOptions, TaskOptions], ids=["flow", "task"])
def test_every_option_is_on_the_page(options: type) -> None:
    missing = [name for name in options.__annotations__ if f"`{name}`" not in PAGE]

    assert missing == []
