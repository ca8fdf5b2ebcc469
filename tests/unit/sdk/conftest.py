"""What tests of the SDK share."""

from __future__ import annotations

import pytest

from .diary import Diary


@pytest.fixture
def diary() -> Diary:
    return Diary()
