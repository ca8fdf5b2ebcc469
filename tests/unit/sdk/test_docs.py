"""The page about the SDK is complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.flows import FlowOptions
from penstock.tasks import TaskOptions

PAGE = (Path(__file__).parents[3] / "docs/sdk.md").read_text()


@pytest.mark.parametrize("options", [FlowOptions, TaskOptions], ids=["flow", "task"])
def test_every_option_is_on_the_page(options: type) -> None:
    missing = [name for name in options.__annotations__ if f"`{name}`" not in PAGE]

    assert missing == []
