"""Whose run it is, judged from the run alone."""

from typing import Any

import pytest

from penstock.runner.ownership import Claim, Lost, Owned, Reported, judge

CLAIM = Claim(2, pod_name="daily-2-abcde", pod_uid="mine")


def run(*, cancel: bool = False, **status: Any) -> dict[str, Any]:
    return {"spec": {"cancel": cancel}, "status": {"state": "Running", "attempt": 2} | status}


def execution(attempt: int, uid: str, **more: Any) -> dict[str, Any]:
    return {"attempt": attempt, "podUID": uid, "podName": f"pod-of-{uid}"} | more


@pytest.mark.parametrize(
    "mine",
    [
        run(),
        run(execution=execution(2, "mine")),
        run(execution=execution(1, "theirs", outcome={"state": "Failed"})),
    ],
    ids=["nobody claimed it", "claimed by this pod", "claimed by a pod of an older attempt"],
)
def test_a_run_is_ours_while_nobody_else_claimed_the_attempt(mine: dict[str, Any]) -> None:
    assert judge(mine, CLAIM) == Owned(run=mine, cancelled=False, suspended=False)


def test_a_run_that_the_operator_suspends_is_ours_to_suspend() -> None:
    leaving = run(reason="SuspendRequested")

    assert judge(leaving, CLAIM) == Owned(run=leaving, cancelled=False, suspended=True)


def test_a_cancelled_run_is_ours_to_cancel() -> None:
    cancelled = run(cancel=True)

    assert judge(cancelled, CLAIM) == Owned(run=cancelled, cancelled=True, suspended=False)


@pytest.mark.parametrize(
    ("theirs", "sentence"),
    [
        (run(attempt=3), "attempt 3"),
        (run(attempt=None), "attempt None"),
        ({"status": {}}, "attempt None"),
        (run(execution=execution(2, "theirs")), "pod-of-theirs claimed"),
        (run(state="Failed"), "Failed already"),
    ],
    ids=["newer attempt", "no attempt", "no status", "claimed by another pod", "finished"],
)
def test_a_run_is_lost_when(theirs: dict[str, Any], sentence: str) -> None:
    verdict = judge(theirs, CLAIM)

    assert isinstance(verdict, Lost)
    assert sentence in verdict.sentence


@pytest.mark.parametrize("state", ["Running", "Completed"])
def test_an_outcome_of_our_own_is_stored_whatever_came_after(state: str) -> None:
    done = run(state=state, execution=execution(2, "mine", outcome={"state": "Completed"}))

    assert judge(done, CLAIM) == Reported()
