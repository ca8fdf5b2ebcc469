"""What the unit tests of the SDK share as well."""

from __future__ import annotations

import pytest
from tests.unit.sdk.diary import Diary


@pytest.fixture
def diary() -> Diary:
    return Diary()
