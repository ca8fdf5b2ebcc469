"""Time that a test moves: who waits for it, and what holds it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time as real
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from penstock import State, Task, concurrency, flow, rate_limit, sleep, sleep_until, task
from penstock.cache_policies import INPUTS
from penstock.clock import now
from penstock.futures import as_completed
from penstock.testing import MovingTime, isolated_home, limited, moving_time, served

START = datetime(2026, 11, 20, 8, tzinfo=UTC)
DELAYS = [60, 600, 3600]


@pytest.fixture
def time() -> Iterator[MovingTime]:
    with moving_time(START) as moving:
        yield moving


class Flaky:
    """Fails until the last of its delays is over; knows when it was tried."""

    def __init__(self, time: MovingTime) -> None:
        self.time = time
        self.tries: list[float] = []

    def run(self, _: int = 0) -> str:
        self.tries.append(self.time.elapsed)
        if self.time.elapsed < sum(DELAYS):
            raise ValueError("not yet")
        return "done"

    async def run_async(self, _: int = 0) -> str:
        return self.run()

    def task(self) -> Task[[int], str]:
        return task(retries=3, retry_delay_seconds=DELAYS)(self.run)

    def async_task(self) -> Task[[int], object]:
        return task(retries=3, retry_delay_seconds=DELAYS)(self.run_async)


def called(flaky: Flaky) -> object:
    return flow(lambda: flaky.task()(0))()


def submitted(flaky: Flaky) -> object:
    return flow(lambda: flaky.task().submit(0).result())()


def submitted_outside_flows(flaky: Flaky) -> object:
    return flaky.task().submit(0).result()


def submitted_async(flaky: Flaky) -> object:
    return flow(lambda: flaky.async_task().submit(0).result())()


def awaited(flaky: Flaky) -> object:
    @flow
    async def run() -> object:
        return await flaky.async_task()(0)  # type: ignore[misc]

    return asyncio.run(run())


def called_in_an_async_flow(flaky: Flaky) -> object:
    @flow
    async def run() -> object:
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.001)  # the loop is known to wait
        return flaky.task()(0)

    return asyncio.run(run())


def with_a_time_out(flaky: Flaky) -> object:
    return flow(lambda: flaky.task().with_options(timeout_seconds=30)(0))()


@pytest.mark.parametrize(
    "call",
    [
        called,
        submitted,
        submitted_outside_flows,
        submitted_async,
        awaited,
        called_in_an_async_flow,
        with_a_time_out,
    ],
)
def test_retry_delays_pass_at_once_and_by_exactly_their_length(
    time: MovingTime, call: Callable[[Flaky], object]
) -> None:
    flaky = Flaky(time)
    began = real.monotonic()

    assert call(flaky) == "done"
    assert flaky.tries == [0, 60, 660, 4260]
    assert real.monotonic() - began < 60


def test_a_flow_is_retried_after_its_delay(time: MovingTime) -> None:
    flaky = Flaky(time)

    flow(retries=3, retry_delay_seconds=3600)(flaky.run)()

    assert flaky.tries == [0, 3600, 7200]


@pytest.mark.parametrize("gather", ["gather", "group"])
def test_gathered_tasks_wait_side_by_side(time: MovingTime, gather: str) -> None:
    flaky = Flaky(time)

    @flow
    async def run() -> None:
        each = flaky.async_task()
        if gather == "gather":
            await asyncio.gather(*(each(number) for number in range(3)))  # type: ignore[arg-type]
        else:
            async with asyncio.TaskGroup() as group:
                for number in range(3):
                    group.create_task(each(number))  # type: ignore[arg-type]

    asyncio.run(run())

    assert flaky.tries == [at for at in (0, 60, 660, 4260) for _ in range(3)]


async def test_time_is_moved_in_a_running_loop_by_awaiting_it(time: MovingTime) -> None:
    flaky = Flaky(time)
    running = asyncio.create_task(flow(flaky.async_task().fn, retries=1, retry_delay_seconds=9)())  # type: ignore[arg-type, call-overload]

    await time.move(seconds=8)
    before = list(flaky.tries)
    await time.move(seconds=1)

    assert (before, flaky.tries) == ([0], [0, 9])
    with pytest.raises(ValueError, match="not yet"):
        await running


def test_moving_does_in_order_all_that_is_due_meanwhile(time: MovingTime) -> None:
    flaky = Flaky(time)
    future = flaky.task().submit(0)

    time.move(minutes=1)
    after_a_minute = list(flaky.tries)
    time.move(hours=2)

    assert after_a_minute == [0, 60]
    assert flaky.tries == [0, 60, 660, 4260]
    assert future.state.is_completed()
    assert time.now() == START + timedelta(hours=2, minutes=1)


def test_a_body_at_work_in_a_thread_holds_the_time(time: MovingTime) -> None:
    flaky, seen = Flaky(time), []

    @task
    def works() -> None:
        real.sleep(0.05)
        seen.append(time.elapsed)

    @flow
    def run() -> None:
        delayed = flaky.task().submit(0)
        works.submit().result()
        delayed.result()

    run()

    assert seen == [0]


def test_a_coroutine_that_waits_for_the_world_holds_the_time(time: MovingTime) -> None:
    flaky, seen = Flaky(time), []

    @task
    async def sleeps() -> None:
        await asyncio.sleep(0.02)
        await asyncio.to_thread(real.sleep, 0.02)
        seen.append(time.elapsed)

    @flow
    async def run() -> None:
        await asyncio.gather(flaky.async_task()(0), sleeps())  # type: ignore[arg-type]

    asyncio.run(run())

    assert seen == [0]


def test_the_patience_with_the_world_ends() -> None:
    with moving_time(patience=0.02) as time:
        flaky = Flaky(time)

        async def run() -> object:
            beat = asyncio.create_task(asyncio.sleep(3600))
            result = await flaky.async_task()(0)  # type: ignore[misc]
            beat.cancel()
            return result

        assert asyncio.run(run()) == "done"


def test_a_move_that_is_held_up_says_by_whom(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()
    works = task(lambda: release.wait(60), name="works")

    class Release(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            release.set()

    logger, handler = logging.getLogger("penstock.testing"), Release()
    logger.addHandler(handler)
    with moving_time(patience=0.01) as time:
        works.submit()
        time.move(seconds=1)
    logger.removeHandler(handler)

    assert "waits for what works in the threads penstock outside-" in caplog.text


def test_moving_in_a_body_is_how_long_it_takes(time: MovingTime) -> None:
    @task(timeout_seconds=10)
    def slow() -> None:
        time.move(seconds=30)

    state = slow(return_state=True)

    assert (state.name, time.elapsed) == ("TimedOut", 10)


def test_an_async_body_runs_out_of_moved_time(time: MovingTime) -> None:
    @task(timeout_seconds=10)
    async def slow() -> None:
        await time.move(seconds=30)

    state = asyncio.run(slow(return_state=True))  # type: ignore[arg-type]

    assert (state.name, time.elapsed) == ("TimedOut", 10)


def test_a_body_that_hangs_really_runs_out_of_real_time(time: MovingTime) -> None:
    release = threading.Event()

    @task(timeout_seconds=0.05, retries=1, retry_delay_seconds=60)
    def hangs() -> None:
        release.wait(60)

    state = hangs(return_state=True)
    release.set()

    assert (state.name, time.elapsed) == ("TimedOut", 60)


def test_a_wait_for_a_result_times_out_in_moved_time(time: MovingTime) -> None:
    future = Flaky(time).task().submit(0)

    with pytest.raises(TimeoutError):
        future.result(timeout=10)
    with pytest.raises(TimeoutError):
        next(as_completed([future], timeout=10))

    assert time.elapsed == 20


def test_states_carry_the_moved_time(time: MovingTime) -> None:
    seen: list[datetime] = []

    def note(_: object, __: object, state: State[object]) -> None:
        seen.append(state.timestamp)

    @task(
        retries=1,
        retry_delay_seconds=60,
        on_completion=[lambda *told: seen.append(told[2].timestamp)],
    )
    def late() -> None:
        if time.elapsed < 60:
            raise ValueError

    late()

    assert seen == [START + timedelta(seconds=60)]


def test_a_cached_result_expires_when_time_is_moved(time: MovingTime) -> None:
    runs = []

    @task(cache_policy=INPUTS, cache_expiration=timedelta(hours=1))
    def costly() -> None:
        runs.append(time.elapsed)

    costly()
    time.move(minutes=59)
    costly()
    time.move(minutes=1)
    costly()

    assert runs == [0, 3600]


def test_rates_decay_as_time_moves(time: MovingTime) -> None:
    taken = []
    with isolated_home(), limited("api", 1, decay=0.5):
        for _ in range(3):
            rate_limit("api")
            taken.append(time.elapsed)

    assert taken == pytest.approx([0, 2, 4])


def test_slots_that_a_waiting_task_holds_come_back_when_it_is_done(time: MovingTime) -> None:
    done = []

    @task(retries=1, retry_delay_seconds=2)
    def one_at_a_time(name: str) -> None:
        with concurrency("database"):
            time.move(seconds=1)
            done.append(name)

    @flow
    def run() -> None:
        one_at_a_time.map(["a", "b", "c"]).result()

    with isolated_home(), limited("database", 1):
        run()

    assert sorted(done) == ["a", "b", "c"]
    assert 3 <= time.elapsed < 5


def test_a_week_of_ticks_is_served_in_an_instant(time: MovingTime) -> None:
    runs: list[datetime] = []

    @flow
    def report() -> None:
        runs.append(now())

    with served(report.to_deployment("report", cron="0 6 * * mon-fri")):
        time.move(weeks=1)

    days = [21 + 2, 24, 25, 26, 27]
    assert runs == [START.replace(day=day, hour=6) for day in days]


def test_what_still_waits_at_the_end_goes_on_in_real_time() -> None:
    runs: list[int] = []

    @task(retries=1, retry_delay_seconds=0.01)
    def twice() -> None:
        runs.append(1)
        if len(runs) < 2:
            raise ValueError

    with moving_time():
        future = twice.submit()

    future.result()
    assert len(runs) == 2


def test_a_test_that_submits_outside_of_flows_leaves_no_thread_behind() -> None:
    before = threading.active_count()

    for _ in range(3):
        with moving_time() as time:
            flaky = Flaky(time)
            flaky.task().submit(0).result()
            flaky.async_task().submit(0).result()

    deadline = real.monotonic() + 10
    while threading.active_count() > before and real.monotonic() < deadline:
        real.sleep(0.001)
    assert threading.active_count() <= before


@pytest.mark.parametrize("how", ["called", "submitted", "awaited"])
def test_a_sleep_passes_at_once(time: MovingTime, how: str) -> None:
    @flow
    def sleeps() -> None:
        sleep(3600)
        sleep_until(START + timedelta(hours=2))

    @flow
    def submits() -> None:
        naps = [task(lambda: sleep(7200), name="nap").submit() for _ in range(2)]
        for nap in naps:
            nap.result()

    @flow
    async def awaits() -> None:
        await asyncio.gather(sleep(7200), sleep(3600))

    if how == "awaited":
        asyncio.run(awaits())
    else:
        (sleeps if how == "called" else submits)()

    assert time.elapsed == 7200


def test_time_that_begins_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a time zone"), moving_time(datetime(2026, 1, 1)):  # noqa: DTZ001
        pass


def test_time_is_not_moved_back(time: MovingTime) -> None:
    with pytest.raises(ValueError, match="ahead only"):
        time.move(seconds=-1)


def test_who_is_outside_of_the_block_keeps_the_system_s_time() -> None:
    with moving_time(START):
        inside = now()

    assert inside == START
    assert abs(now() - datetime.now(UTC)) < timedelta(seconds=5)
