"""What goes on in a process decides whether it can be left, and nothing goes on afterwards."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from penstock.drivers.activity import Activity


class Waiter:
    """A flow's body that waits in the engine until it is woken, and then goes on."""

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        self._woken = threading.Event()
        self._waits = threading.Event()
        self.went_on = threading.Event()
        threading.Thread(target=self._wait, daemon=True).start()
        self._waits.wait(60)

    def wake(self) -> None:
        self._woken.set()

    def _wait(self) -> None:
        with self._activity.parked():
            self._waits.set()
            self._woken.wait()
        self.went_on.set()


def test_what_wakes_up_while_the_process_is_left_stays_where_it_is() -> None:
    """It could take the signal that the run is about to be said to wait for."""
    activity = Activity()
    waiter = Waiter(activity)

    left = activity.leave_if_quiet()
    waiter.wake()

    assert left
    assert not waiter.went_on.wait(0.05)


def test_what_wakes_up_in_a_process_that_goes_on_goes_on() -> None:
    activity = Activity()
    waiter = Waiter(activity)
    activity.begin()

    left = activity.leave_if_quiet()
    waiter.wake()

    assert not left
    assert waiter.went_on.wait(60)


def test_what_stayed_goes_on_if_the_process_is_not_left_after_all() -> None:
    activity = Activity()
    waiter = Waiter(activity)
    activity.leave_if_quiet()
    waiter.wake()

    activity.go_on()

    assert waiter.went_on.wait(60)


@pytest.mark.parametrize("busy", [False, True])
def test_a_loop_is_left_between_two_of_its_steps(*, busy: bool) -> None:
    activity = Activity()
    went_on, waits = threading.Event(), threading.Event()
    waker: list[Callable[[], object]] = []

    async def body() -> None:
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        others = [asyncio.create_task(asyncio.sleep(300))] if busy else []
        with activity.parked_in_loop():
            waker.append(lambda: loop.call_soon_threadsafe(woken.set))
            waits.set()
            await woken.wait()
        went_on.set()
        for other in others:
            other.cancel()

    threading.Thread(target=asyncio.run, args=(body(),), daemon=True).start()
    waits.wait(60)

    assert activity.leave_if_quiet() is not busy
    waker[0]()
    assert went_on.wait(60 if busy else 0.05) is busy
