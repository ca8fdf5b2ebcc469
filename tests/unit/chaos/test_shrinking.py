"""Programs that fail are made smaller, and what is left is known by its name."""

from collections.abc import Sequence

from tests.chaos.faults import Planned
from tests.chaos.program import Call, Program, Sleep, SubFlow
from tests.chaos.shrinking import Parts, parts_of, shrunk, without

PROGRAM = Program("0", (Call("a"), SubFlow("sub", (Call("b"), Call("c"))), Sleep("s", 1.0)))
FAULTS = (Planned(3, "kill", carried_out=True), Planned(5, "lose", carried_out=False))


def test_every_statement_and_every_fault_is_a_part() -> None:
    assert parts_of(PROGRAM, FAULTS) == ("f0", "f1", "s0", "s1", "s2", "s3", "s4")


def test_what_is_left_out_of_a_sub_flow_changes_no_other_name() -> None:
    program, faults = without(PROGRAM, FAULTS, ["s2", "s4", "f0"])

    assert program.body == (Call("a"), SubFlow("sub", (Call("c"),)))
    assert faults == FAULTS[1:]


def test_with_its_call_a_sub_flow_goes_as_a_whole() -> None:
    program, _ = without(PROGRAM, FAULTS, ["s1"])

    assert program.body == (Call("a"), Sleep("s", 1.0))


def test_only_what_the_failure_needs_is_left() -> None:
    parts = [f"s{number}" for number in range(23)]
    needed = {"s4", "s17"}

    def which_fail(tried: Sequence[Parts]) -> list[bool]:
        return [not needed & left_out for left_out in tried]

    assert set(parts) - shrunk(parts, which_fail=which_fail) == needed


def test_what_needs_nothing_is_shrunk_to_nothing() -> None:
    assert shrunk(["f0", "s0"], which_fail=lambda tried: [True] * len(tried)) == {"f0", "s0"}


def test_what_fails_no_more_is_left_as_it_is() -> None:
    assert shrunk(["f0", "s0"], which_fail=lambda tried: [False] * len(tried)) == frozenset()
