"""What objects are called that are made of what people call things."""

from __future__ import annotations

import pytest

from penstock.object_names import nearest_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("daily_load", "daily-load", id="an underscore"),
        pytest.param(" Täglich (neu)! ", "t-glich-neu", id="what no name may have"),
        pytest.param("a" * 51 + "_bc", "a" * 51, id="no hyphen at the end where it is cut"),
        pytest.param("???", "", id="nothing is left"),
    ],
)
def test_a_name_is_the_nearest_that_an_object_can_have(text: str, name: str) -> None:
    assert nearest_name(text) == name
