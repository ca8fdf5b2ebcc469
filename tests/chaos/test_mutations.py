"""What is broken on purpose is found."""

from pathlib import Path

import pytest
from tests.chaos.mutations import MUTATIONS, Mutation
from tests.chaos.stage import Stage
from tests.chaos.sweep import swept


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_it_is_caught(stage: Stage, mutation: Mutation, tmp_path: Path) -> None:
    broken = mutation.apply(tmp_path)

    plays = swept(
        stage,
        program=mutation.program,
        kind=mutation.kind,
        first=mutation.first,
        pythonpath=broken,
    )
    violations = (violation for played in plays for violation in played.violations)

    assert any(each.startswith(mutation.caught_by) for each in violations)
