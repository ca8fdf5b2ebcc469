"""What is broken on purpose is found."""

from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from tests.chaos.mutations import MUTATIONS, Mutation
from tests.chaos.stage import Stage
from tests.chaos.sweep import struck

pytestmark = pytest.mark.timeout(900)  # dozens of plays, on a machine that may have much other work
TURNS = 3
"""What a fault breaks depends on what happens beside it: one turn may meet nothing."""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_it_is_caught(stage: Stage, mutation: Mutation, tmp_path: Path) -> None:
    broken = mutation.apply(tmp_path)

    plays = chain.from_iterable(
        struck(
            stage,
            replace(mutation.program, seed=f"{mutation.program.seed}-{turn}"),
            requests=mutation.requests,
            kind=mutation.kind,
            lasting=mutation.lasting,
            pythonpath=broken,
        )
        for turn in range(TURNS)
    )
    violations = (violation for played in plays for violation in played.violations)

    assert any(each.startswith(mutation.caught_by) for each in violations)
