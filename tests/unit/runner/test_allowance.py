"""A run writes as fast as it likes for a while, and at a steady rate from then on."""

import pytest

from penstock.runner.allowance import Allowance


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_is_free(clock: Clock) -> None:
    allowance = Allowance(burst=3, per_second=10, clock=clock)

    assert [allowance.take() for _ in range(3)] == [0, 0, 0]


def test_after_a_burst_each_write_has_its_turn(clock: Clock) -> None:
    allowance = Allowance(burst=3, per_second=10, clock=clock)
    for _ in range(3):
        allowance.take()

    waits = []
    for _ in range(5):
        waits.append(allowance.take())
        clock.now += waits[-1]

    assert waits == pytest.approx([0.1] * 5)


def test_who_pauses_may_burst_again_and_no_more_than_that(clock: Clock) -> None:
    allowance = Allowance(burst=3, per_second=10, clock=clock)
    for _ in range(3):
        allowance.take()
    clock.now += 3600

    assert [allowance.take() for _ in range(4)] == pytest.approx([0, 0, 0, 0.1])
