"""The manifests of the pages are taken by the API server as they stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.world import World

DOCS = Path(__file__).parents[3] / "docs"
PLURALS = {
    "Flow": "flows",
    "FlowRun": "flowruns",
    "WorkPool": "workpools",
    "Schedule": "schedules",
    "ConcurrencyLimit": "concurrencylimits",
    "Signal": "signals",
}


def manifests() -> Iterator[Any]:
    """Yield each object of ours that a page shows in full."""
    for page in sorted(DOCS.glob("*.md")):
        blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        for number, block in enumerate(blocks):
            for each in yaml.safe_load_all(block):
                if isinstance(each, dict) and each.get("kind") in PLURALS:
                    yield pytest.param(each, id=f"{page.stem}-{number}-{each['kind']}")


@pytest.mark.parametrize("manifest", list(manifests()))
def test_a_manifest_of_a_page_is_taken(world: World, manifest: dict[str, Any]) -> None:
    path = world.path(PLURALS[manifest["kind"]])

    made = world.api.create(path, manifest, dryRun="All")

    assert made["metadata"]["namespace"] == world.namespace
