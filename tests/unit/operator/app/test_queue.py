from __future__ import annotations

import asyncio

import pytest

from penstock_operator.app.queue import MOST_BEHIND, MOST_BESIDE_NEWS, Backlog, WorkQueue


def backlog() -> Backlog[str]:
    return Backlog(jitter=lambda: 1.0)


async def no_work(_: str) -> None:
    return None


def drain(work: Backlog[str], *, now: float) -> list[str]:
    taken = []
    while (key := work.take(now=now)) is not None:
        taken.append(key)
        work.done(key)
    return taken


def test_a_key_waits_only_once() -> None:
    work = backlog()
    for key in ("a", "b", "a", "a"):
        work.add(key)

    assert drain(work, now=0) == ["a", "b"]


def test_a_running_key_is_given_to_nobody_else() -> None:
    work = backlog()
    work.add("a")
    work.take(now=0)
    work.add("a")

    assert work.take(now=0) is None


def test_what_is_added_during_a_run_runs_once_more() -> None:
    work = backlog()
    work.add("a")
    work.take(now=0)
    work.add("a")
    work.add("a")

    work.done("a")

    assert drain(work, now=0) == ["a"]


def test_news_go_ahead_of_the_masses() -> None:
    work = backlog()
    for key in ("a", "b", "c"):
        work.add_behind(key)

    work.add("new")
    work.add("c")

    assert drain(work, now=0) == ["new", "c", "a", "b"]
    assert len(work) == 0


def test_a_date_that_is_noted_again_and_again_does_not_fill_the_memory() -> None:
    """A run that sleeps for a month is looked at at each resync."""
    work = backlog()
    for look in range(10_000):
        work.add_at("a", 1e6 + look % 7)
        work.add("a")
        drain(work, now=look)
        work.add_at("b", 2e6)

    assert len(work._timers) < 1_100
    assert work.next_due() == 2e6


def test_what_is_ready_already_is_not_put_behind() -> None:
    work = backlog()
    work.add("a")

    work.add_behind("a")

    assert drain(work, now=0) == ["a"]


def test_a_running_key_stays_with_its_worker_in_every_lane() -> None:
    work = backlog()
    work.add_behind("a")
    work.add("a")
    work.take(now=0)
    work.add("a")

    assert work.take(now=0) is None
    work.done("a")
    assert drain(work, now=0) == ["a"]


def test_a_key_waits_for_its_time() -> None:
    work = backlog()
    work.add_at("a", 5.0)

    before, after = drain(work, now=4.9), drain(work, now=5.0)

    assert (before, after) == ([], ["a"])


def test_looks_by_the_clock_let_news_go_ahead() -> None:
    work = backlog()
    work.add_at("poll", 1.0, behind=True)
    work.add_at("retry", 1.0)
    work.take(now=2.0)

    work.add("new")

    assert drain(work, now=2.0) == ["new", "poll"]


def test_it_is_known_what_ran_for_want_of_news() -> None:
    work = backlog()
    work.add_behind("mass")
    work.add("news")

    taken = [work.take(now=0), work.take(now=0)]

    assert taken == ["news", "mass"]
    assert [work.runs_behind(key) for key in ("news", "mass")] == [False, True]
    work.done("mass")
    assert not work.runs_behind("mass")


def test_the_masses_never_take_all_workers() -> None:
    work = backlog()
    for number in range(20):
        work.add_behind(f"mass-{number}")
    taken = [work.take(now=0) for _ in range(20)]

    work.add("news")

    assert taken.count(None) == 20 - MOST_BEHIND
    assert work.take(now=0) == "news"
    work.done("news")
    work.done("mass-0")
    assert work.take(now=0) == f"mass-{MOST_BEHIND}"


def test_beside_news_few_of_the_masses_run() -> None:
    work = backlog()
    for number in range(20):
        work.add_behind(f"mass-{number}")
    work.add("news")

    taken = [work.take(now=0) for _ in range(20)]

    assert taken.count(None) == 20 - 1 - MOST_BESIDE_NEWS
    work.done("news")
    assert work.take(now=0) == f"mass-{MOST_BESIDE_NEWS}"


def test_what_is_put_behind_while_it_runs_stays_behind() -> None:
    work = backlog()
    work.add("a")
    work.take(now=0)
    work.add_behind("a")
    work.done("a")

    work.add("news")

    assert drain(work, now=0) == ["news", "a"]


def test_a_look_behind_all_others_does_not_take_the_place_of_a_moment_that_counts() -> None:
    work = backlog()
    work.add_at("tick", 2.0)
    work.add_at("tick", 1.0, behind=True)
    work.take(now=1.5)
    work.done("tick")
    work.add_at("tick", 4.0)
    work.add_at("tick", 3.0, behind=True)
    for number in range(MOST_BEHIND):
        work.add_behind(f"mass-{number}")
        work.take(now=1.5)

    before, after = work.take(now=3.5), work.take(now=4.0)

    assert (before, after) == (None, "tick")


def test_the_earliest_time_holds() -> None:
    work = backlog()
    work.add_at("a", 5.0)
    work.add_at("a", 3.0)
    work.add_at("a", 9.0)

    assert work.next_due() == 3.0
    assert drain(work, now=3.0) == ["a"]
    assert drain(work, now=99.0) == []


def test_a_run_makes_later_looks_needless() -> None:
    work = backlog()
    work.add_at("a", 5.0)
    work.add("a")
    drain(work, now=1.0)

    assert work.next_due() is None
    assert drain(work, now=5.0) == []


def test_a_look_asked_for_during_the_run_is_kept() -> None:
    work = backlog()
    work.add("a")
    work.take(now=0)
    work.add_at("a", 2.0)
    work.done("a")

    assert drain(work, now=2.0) == ["a"]


def test_failures_back_off_from_a_tenth_of_a_second_to_a_minute() -> None:
    work = backlog()

    delays = [work.retry_at("a", now=0.0) for _ in range(12)]

    assert delays[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert delays[-1] == 60.0


def test_failures_of_many_keys_are_spread() -> None:
    at_least = Backlog[str](jitter=lambda: 0.0).retry_at("a", now=0.0)
    at_most = Backlog[str](jitter=lambda: 1.0).retry_at("a", now=0.0)

    assert (at_least, at_most) == pytest.approx((0.05, 0.1))


def test_a_success_forgets_the_failures() -> None:
    work = backlog()
    for _ in range(5):
        work.retry_at("a", now=0.0)
    drain(work, now=100.0)

    work.succeeded("a")

    assert work.retry_at("a", now=0.0) == pytest.approx(0.1)


def test_the_servers_wish_outweighs_a_shorter_backoff() -> None:
    assert backlog().retry_at("a", now=10.0, at_least=7.0) == 17.0


async def test_an_error_in_one_key_does_not_stop_the_others() -> None:
    done: list[str] = []
    failed: list[str] = []

    async def reconcile(key: str) -> None:
        if key == "bad":
            raise ValueError("malformed")
        done.append(key)
        if len(done) == 3:
            queue.stop()

    def on_error(key: str, error: Exception) -> float:
        failed.append(key)
        return 60.0

    queue = WorkQueue(reconcile, on_error=on_error)
    for key in ("a", "bad", "b", "c"):
        queue.add(key)

    await asyncio.wait_for(queue.run(workers=2), timeout=60)

    assert done == ["a", "b", "c"]
    assert failed == ["bad"]


async def test_one_key_never_runs_twice_at_once() -> None:
    running = 0
    most = 0
    runs = 0

    async def reconcile(key: str) -> None:
        nonlocal running, most, runs
        running += 1
        most = max(most, running)
        queue.add(key)
        await asyncio.sleep(0)
        running -= 1
        runs += 1
        if runs == 20:
            queue.stop()

    queue = WorkQueue(reconcile, on_error=lambda key, error: 0.0)
    queue.add("a")

    await asyncio.wait_for(queue.run(workers=4), timeout=60)

    assert most == 1


async def test_looks_that_await_nothing_leave_the_loop_to_others() -> None:
    looks: list[int] = []

    async def look(number: int) -> None:
        looks.append(number)

    queue = WorkQueue(look, on_error=lambda key, error: 0.0)
    for number in range(10_000):
        queue.add_behind(number)
    working = asyncio.create_task(queue.run(workers=2))

    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert 0 < len(looks) < 10
    queue.stop()
    await asyncio.wait_for(working, timeout=5)


async def test_ten_thousand_moments_take_one_heap_and_no_task_each() -> None:
    queue: WorkQueue[str] = WorkQueue(no_work, on_error=lambda key, error: 0.0)
    working = asyncio.create_task(queue.run(workers=2))
    await asyncio.sleep(0)
    before = len(asyncio.all_tasks())

    for number in range(10_000):
        queue.add_after(f"schedule-{number}", 60.0 + number, behind=False)
    await asyncio.sleep(0)

    assert len(asyncio.all_tasks()) == before
    queue.stop()
    await asyncio.wait_for(working, timeout=60)


async def test_stopping_lets_the_work_in_hand_finish() -> None:
    started, finished = asyncio.Event(), asyncio.Event()
    go_on = asyncio.Event()

    async def reconcile(key: str) -> None:
        started.set()
        await go_on.wait()
        finished.set()

    queue = WorkQueue(reconcile, on_error=lambda key, error: 0.0)
    queue.add("a")
    working = asyncio.create_task(queue.run(workers=2))
    await started.wait()
    queue.stop()
    queue.add("b")
    go_on.set()

    await asyncio.wait_for(working, timeout=60)

    assert finished.is_set()
    assert len(queue) == 1


async def test_a_failed_key_is_tried_again() -> None:
    attempts = 0

    async def reconcile(key: str) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise OSError("no answer")
        queue.stop()

    queue = WorkQueue(
        reconcile, on_error=lambda key, error: 0.0, backlog=Backlog(jitter=lambda: 0.0)
    )
    queue.add("a")

    await asyncio.wait_for(queue.run(workers=1), timeout=60)

    assert attempts == 3
