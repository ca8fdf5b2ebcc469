"""What the chaos tests break on purpose is there to be broken."""

from pathlib import Path

import pytest
from tests.chaos.invariants import INVARIANTS
from tests.chaos.mutations import MUTATIONS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_fits_the_code(mutation: Mutation) -> None:
    source = Path("runner-image/penstock", mutation.file).read_text()

    assert source.count(mutation.old) == 1, "Say in tests/chaos/mutations.py how it reads now."
    compile(source.replace(mutation.old, mutation.new), mutation.file, "exec")


def test_each_is_to_be_caught_by_an_invariant_that_there_is() -> None:
    known = {each.__name__ for each in INVARIANTS}

    assert {mutation.caught_by for mutation in MUTATIONS} <= known
