"""Programs of the chaos tests: drawn from seeds, compiled, interpreted."""

from tests.chaos.model import expected_of
from tests.chaos.program import (
    AnswerUpdate,
    AwaitSignal,
    Block,
    Call,
    Child,
    Program,
    SubFlow,
    random_program,
)
from tests.chaos.source import source_of

SEEDS = [f"unit-{number}" for number in range(50)]


def test_a_seed_makes_one_program() -> None:
    again = [random_program(seed) for seed in SEEDS]

    assert [random_program(seed) for seed in SEEDS] == again
    assert len({program.body for program in again}) == len(SEEDS)


def test_programs_are_python_that_compiles() -> None:
    for seed in SEEDS:
        compile(source_of(random_program(seed)), seed, "exec")


def test_programs_end_both_ways() -> None:
    states = {expected_of(random_program(seed)).state for seed in SEEDS}

    assert states == {"Completed", "Failed"}


def test_a_flow_that_fails_twice_tries_its_failing_call_anew_and_no_other() -> None:
    body = (Call("c", fails=1, retries=1), Call("f", flow_fails=2))

    expected = expected_of(Program("0", body, retries=2))

    assert expected.state == "Completed"
    assert expected.calls == {
        "c": [frozenset({((1,), 1), ((1,), 2)})],
        "f": [frozenset({((1,), 1), ((2,), 1), ((3,), 1)})],
    }


def test_a_sub_flow_that_fails_for_good_is_begun_anew_by_the_retry_of_its_flow() -> None:
    sub = SubFlow("sub", (Call("c"), Call("f", flow_fails=2)), retries=1)

    expected = expected_of(Program("0", (sub,), retries=1))

    assert expected.state == "Failed"
    assert expected.calls["c"] == [frozenset({((1, 1), 1)})]
    assert expected.calls["f"] == [
        frozenset({((1, 1), 1), ((1, 2), 1), ((2, 1), 1), ((2, 2), 1)}),
    ]


def test_what_was_undone_is_done_again_by_the_next_attempt_of_the_flow() -> None:
    body = (Block("t", ("b",), fails=True), Block("u", ("k",)), Call("f", flow_fails=1))

    expected = expected_of(Program("0", body, retries=1))

    assert expected.calls["b"] == [frozenset({((1,), 1), ((2,), 1)})]
    assert expected.calls["k"] == [frozenset({((1,), 1)})]
    assert (expected.undone, expected.committed) == ({"b"}, {"k"})


def test_an_update_is_answered_by_what_its_step_did() -> None:
    expected = expected_of(Program("0", (AnswerUpdate("u", "a"),)))

    assert (expected.waits, expected.answers) == ({"u": "ask"}, {"u": "a"})
    assert expected.calls["a"] == [frozenset({((1,), 1)})]


def test_a_child_that_fails_is_run_again_by_the_next_attempt_and_no_other_one() -> None:
    body = (Child("k"), Child("bad", fails=True), Call("f", flow_fails=1))

    expected = expected_of(Program("0", body, retries=1))

    assert expected.children == {"k": 1, "bad": 2}


def test_equal_calls_are_calls_of_their_own() -> None:
    expected = expected_of(Program("0", (Call("c", times=2), AwaitSignal("w", "go"))))

    assert expected.calls["c"] == [frozenset({((1,), 1)})] * 2
    assert expected.waits == {"w": "go"}
