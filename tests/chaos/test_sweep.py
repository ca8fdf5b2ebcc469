"""A flow with everything in it, struck at one request after another."""

from dataclasses import replace

import pytest
from tests.chaos.stage import Stage
from tests.chaos.sweep import REFERENCE, swept

pytestmark = pytest.mark.timeout(900)  # dozens of plays, on a machine that may have much other work


@pytest.mark.parametrize("kind", ["kill", "zombie", "cancel"])
def test_every_fault_is_survived(stage: Stage, kind: str) -> None:
    """One request in sixteen; `make chaos SWEEP=all` strikes at each."""
    played = list(swept(stage, kind=kind, first=5, every=16))

    assert [each.violations for each in played if each.violations] == []
    assert stage.faults[kind] > len(played) / 2


def test_two_operators_that_both_lead_do_no_harm(stage: Stage) -> None:
    with stage.operators.rogue():
        played = stage.play(replace(REFERENCE, seed="two-leaders"))

    assert played.violations == []
