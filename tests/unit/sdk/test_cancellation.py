"""Cancelling raises once, a BaseException, at the flow's next engine call."""

from __future__ import annotations

import asyncio
import threading

from penstock import flow, task
from penstock.errors import CancelledRun
from penstock.execution import RunContext

from .diary import Diary, run


@task
def step(value: int = 0) -> int:
    return value


def test_cancel_raises_at_the_next_engine_call() -> None:
    context = RunContext("r")
    reached: list[str] = []

    @flow
    def cancelled() -> None:
        context.request_cancel(message="Somebody cancelled it.")
        reached.append("before")
        step()
        reached.append("after")

    outcome = run(cancelled, context=context)

    assert (outcome.state.name, outcome.reason) == ("Cancelled", "CancelRequested")
    assert outcome.message == "Somebody cancelled it."
    assert reached == ["before"]


def test_cancel_passes_through_except_exception_and_raises_once() -> None:
    context = RunContext("r")
    cleaned: list[int] = []

    @flow
    def cancelled() -> None:
        context.request_cancel()
        try:
            step()
        except Exception:
            cleaned.append(-1)
        finally:
            cleaned.append(step(1))
            cleaned.append(step.submit(2).result())

    outcome = run(cancelled, context=context)

    assert outcome.state.is_cancelled()
    assert cleaned == [1, 2]


def test_cancel_wakes_a_flow_that_waits_for_a_task() -> None:
    context = RunContext("r")
    started, task_may_end = threading.Event(), threading.Event()

    @task
    def held() -> None:
        started.set()
        task_may_end.wait(60)

    @flow
    def waits() -> None:
        try:
            held.submit().result()
        finally:
            task_may_end.set()

    threading.Thread(target=lambda: (started.wait(60), context.request_cancel())).start()
    outcome = run(waits, context=context)

    assert outcome.state.is_cancelled()


def test_cancel_wakes_a_flow_whose_body_has_ended() -> None:
    context = RunContext("r")
    task_may_end = threading.Event()

    @task
    def held() -> None:
        context.request_cancel()
        task_may_end.wait(60)

    @task
    def wait_for_cancel() -> None:
        try:
            held.submit().result()
        finally:
            task_may_end.set()

    @flow
    def ends_early() -> None:
        wait_for_cancel.submit()

    assert run(ends_early, context=context).state.is_cancelled()


def test_cancel_wakes_a_task_that_waits_out_a_retry() -> None:
    context = RunContext("r")

    @task(retries=1, retry_delay_seconds=60)
    def fails() -> None:
        threading.Timer(0.01, context.request_cancel).start()
        raise ValueError

    for calls in (lambda: fails(), lambda: fails.submit().result()):
        assert run(flow(calls, name="f"), context=context).state.is_cancelled()
        context = RunContext("r")


def test_no_queued_task_starts_after_a_cancel(diary: Diary) -> None:
    from penstock.task_runners import ThreadPoolTaskRunner

    context = RunContext("r")

    @task
    def cancels(number: int) -> None:
        if number == 0:
            context.request_cancel()

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def many() -> None:
        cancels.map(range(5)).result()

    run(many, context=context, reporter=diary)

    assert [state for name, state in diary.entries if name != "r" and state == "Running"] == [
        "Running"
    ]


def test_an_async_flow_is_cancelled_at_an_engine_wait() -> None:
    context = RunContext("r")
    cleaned: list[int] = []

    @task
    async def held() -> None:
        context.request_cancel()
        while not cleaned:
            await asyncio.sleep(0.001)

    @flow
    async def waits() -> None:
        try:
            await held.submit()
        except CancelledRun:
            cleaned.append(await step_async(1))
            raise

    outcome = run(waits, context=context)

    assert outcome.state.is_cancelled()
    assert cleaned == [1]


@task
async def step_async(value: int) -> int:
    return value


def test_a_cancel_before_the_start_is_met_at_the_first_engine_call() -> None:
    context = RunContext("r")
    context.request_cancel()

    assert run(flow(lambda: step(), name="f"), context=context).state.is_cancelled()


def test_cancelling_a_sub_flow_cancels_its_parent() -> None:
    context = RunContext("r")

    @flow
    def child() -> None:
        context.request_cancel()
        step()

    @flow
    def parent() -> None:
        child()

    assert run(parent, context=context).state.is_cancelled()


def test_a_running_task_is_abandoned_when_the_grace_is_over(diary: Diary) -> None:
    context = RunContext("r", cancel_grace_seconds=0.01)
    body_may_end = threading.Event()

    @task
    def stuck() -> None:
        context.request_cancel()
        body_may_end.wait(60)

    outcome = run(flow(lambda: stuck.submit().result(), name="f"), context=context, reporter=diary)
    body_may_end.set()

    assert outcome.state.is_cancelled()
    assert diary.states_of("stuck-0") == ["Pending", "Running", "Cancelled"]
