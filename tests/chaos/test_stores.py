"""A few random programs whose journals are on a volume; `make chaos ARGS=--store` plays more."""

from pathlib import Path

import pytest
from tests.chaos.cluster import SPACE
from tests.chaos.emulated import emulated_stage
from tests.chaos.faults import random_faults
from tests.chaos.program import random_program
from tests.chaos.volumes import journals_in

pytestmark = pytest.mark.timeout(900)  # on a machine that may have much other work


def test_promises_hold_where_journals_are_in_a_store(tmp_path: Path) -> None:
    with emulated_stage("store", tmp_path, in_store=True) as stage:
        seeds = [f"store-{number}" for number in range(3)]
        played = [stage.play(random_program(each), random_faults(each)) for each in seeds]

        assert [each.violations for each in played] == [[], [], []]
        assert any(fact.what == "record" for each in played for fact in each.facts)
        assert (journals_in(tmp_path / "store") / "journals" / SPACE).is_dir()
