"""The package as a whole: its public names, what importing it costs, which rules are short."""

from __future__ import annotations

from pathlib import Path

import pytest

import penstock
from penstock.engine import caching, final, retry


def test_every_public_name_exists() -> None:
    for name in penstock.__all__:
        assert getattr(penstock, name) is not None
    assert set(penstock.__all__) <= set(dir(penstock))


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        penstock.nothing  # noqa: B018 - raises


@pytest.mark.parametrize("rule", [retry, caching, final], ids=["retry", "cache", "final-state"])
def test_a_rule_stands_in_one_short_module(rule: object) -> None:
    path = Path(rule.__file__)  # type: ignore[attr-defined] # a module

    assert len(path.read_text().splitlines()) < 150
