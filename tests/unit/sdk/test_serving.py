"""Serving flows in the foreground, by a clock that jumps from tick to tick."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

import penstock.serving
from penstock import flow, runtime, task
from penstock.errors import ParameterError
from penstock.schedules import Cron, Interval, ScheduleError
from penstock.serving import Deployment, deployment_of, due_ticks, run_id

START = datetime(2026, 11, 20, 8, tzinfo=UTC)


class MovedClock:
    """Time passes when somebody waits; after some waits somebody presses Ctrl-C."""

    def __init__(self, *, waits: int, oversleep: float = 0.0, start: datetime = START) -> None:
        self._now = start
        self._waits = waits
        self._oversleep = oversleep
        self.between: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return self._now

    def wait(self, seconds: float) -> bool:
        self.between()
        if self._waits == 0:
            return True
        self._waits -= 1
        self._now += timedelta(seconds=seconds + self._oversleep)
        return False

    def stop(self) -> None:
        self._waits = 0


def serve(*deployments: Deployment, clock: MovedClock, limit: int = 5) -> None:
    penstock.serving.serve(*deployments, clock=clock, limit=limit)


def test_runs_start_when_they_are_due_with_their_parameters() -> None:
    seen = []

    @flow
    def load(day: int) -> None:
        seen.append((day, runtime.flow_run.id))

    serve(
        deployment_of(load, "My load", interval=20, parameters={"day": "3"}),
        clock=MovedClock(waits=3),
    )

    assert sorted(seen) == [
        (3, "my-load-20261120080020"),
        (3, "my-load-20261120080040"),
        (3, "my-load-20261120080100"),
    ]


def test_a_run_knows_its_deployment_and_when_it_was_due() -> None:
    seen = []

    @flow(version="7")
    def load(day: int) -> None:
        told = runtime.deployment
        due = runtime.flow_run.scheduled_start_time
        seen.append((told.id, told.name, told.version, told.parameters, due))

    serve(
        deployment_of(load, "My load", interval=20, parameters={"day": "3"}),
        clock=MovedClock(waits=1, oversleep=5),
    )

    due = START + timedelta(seconds=20)
    assert seen == [("My load", "My load", "7", {"day": "3"}, due)]


def test_several_flows_are_served_by_one_call() -> None:
    seen = []

    @flow
    def one() -> None:
        seen.append("one")

    @flow
    async def two() -> None:
        seen.append("two")

    serve(
        one.to_deployment("one", interval=10),
        two.to_deployment("two", cron="* * * * * *"),
        clock=MovedClock(waits=10),
        limit=20,
    )

    assert (seen.count("one"), seen.count("two")) == (1, 10)


def test_a_run_that_fails_leaves_the_rest_alone() -> None:
    seen = []

    @flow
    def broken() -> None:
        seen.append(1)
        raise SystemExit(1)

    serve(deployment_of(broken, "broken", interval=5), clock=MovedClock(waits=3))

    assert len(seen) == 3


def test_no_more_runs_than_the_limit_go_on_at_once(caplog: pytest.LogCaptureFixture) -> None:
    release, started = threading.Event(), []

    @flow
    def slow() -> None:
        started.append(1)
        release.wait(10)

    clock = MovedClock(waits=4)
    clock.between = lambda: release.set() if clock.now() >= START + timedelta(seconds=20) else None
    with caplog.at_level(logging.WARNING, "penstock"):
        serve(deployment_of(slow, "slow", interval=5), clock=clock, limit=2)

    assert len(started) == 2
    assert "Skipped the run of slow at 2026-11-20 08:00:15+00:00: 2 runs go on" in caplog.text


def test_what_was_slept_through_runs_once_and_is_said(caplog: pytest.LogCaptureFixture) -> None:
    seen = []

    @flow
    def hourly() -> None:
        seen.append(runtime.flow_run.id)

    with caplog.at_level(logging.WARNING, "penstock"):
        serve(deployment_of(hourly, "h", interval=20), clock=MovedClock(waits=1, oversleep=3600))

    assert seen == ["h-20261120090020"]
    assert "Missed 180 runs of h" in caplog.text


def test_stopping_cancels_the_runs_that_go_on_and_waits_for_them() -> None:
    begun, ends = threading.Event(), []

    @task
    def pause() -> None: ...

    @flow
    def endless() -> None:
        begun.set()
        try:
            while True:
                pause()
        finally:
            ends.append("cleaned up")

    clock = MovedClock(waits=1)
    server = penstock.serving._Server(
        [deployment_of(endless, "endless", interval=5)], limit=1, clock=clock
    )

    def stop_once_begun() -> None:
        if clock.now() > START and begun.wait(10):
            server.stop()

    clock.between = stop_once_begun
    server.run()

    assert ends == ["cleaned up"]


def test_a_schedule_that_ends_ends_the_serving() -> None:
    runs: list[int] = []

    @flow
    def never() -> None:
        runs.append(1)

    serve(deployment_of(never, "never", schedule=Cron("0 0 30 2 *")), clock=MovedClock(waits=0))

    assert runs == []


def test_ticks_that_are_barely_late_all_run() -> None:
    deployment = deployment_of(flow(lambda: None), "each", interval=1)

    missed, due = due_ticks(deployment, after=START, until=START + timedelta(seconds=2.5))

    assert (len(missed), len(due)) == (1, 1)
    assert run_id(deployment, due[0]) == "each-20261120080002"


@flow
def daily(day: int = 0) -> None: ...


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: daily.serve("x"), ScheduleError, "Nothing says when daily is to run"),
        (lambda: daily.serve("x"), ScheduleError, "for a single run call the flow"),
        (lambda: daily.serve("x", cron="nonsense"), ScheduleError, "five fields"),
        (lambda: daily.serve("x", schedule="0 6 * * *"), ScheduleError, "is no schedule"),  # type: ignore[arg-type] # on purpose
        (lambda: daily.serve("x", interval=9, parameters={"day": "x"}), ParameterError, "day:"),
        (lambda: daily.serve("x", interval=9, parameters={"dya": 1}), ParameterError, "dya"),
        (lambda: daily.serve("x", interval=9, limit=0), ValueError, "at least 1"),
        (lambda: daily.serve(crons="0 6 * * *"), TypeError, "no option crons; it has cron, "),  # type: ignore[call-arg] # on purpose
        (lambda: penstock.serve(), TypeError, "to_deployment"),
        (lambda: penstock.serve(daily), TypeError, "to_deployment"),  # type: ignore[arg-type] # on purpose
    ],
)
def test_misuse_is_refused_before_anything_runs(
    call: Callable[[], object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        call()


def test_all_kinds_of_schedules_can_be_given_at_once() -> None:
    made = daily.to_deployment(
        "x",
        cron=["0 6 * * *", "0 7 * * *"],
        interval=9,
        rrule="FREQ=DAILY",
        schedules=[Interval(8)],
    )

    assert [type(each).__name__ for each in made.schedules] == [
        *("Cron", "Cron", "Interval", "RRule", "Interval"),
    ]


def test_the_runs_of_a_deployment_and_their_tasks_have_its_tags() -> None:
    """Prefect 3.8: the tags of `to_deployment` are those of its flow runs."""
    seen = []

    @task
    def step() -> list[str]:
        return runtime.task_run.tags

    @flow
    def tagged() -> None:
        seen.append((runtime.flow_run.tags, step()))

    serve(deployment_of(tagged, "t", interval=20, tags=["a", "b"]), clock=MovedClock(waits=1))

    assert seen == [(["a", "b"], ["a", "b"])]


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda f: f.serve("x", webserver=True), "serve has no option webserver: a"),
        (lambda f: f.to_deployment("x", triggers=[]), "no option triggers: no event starts"),
        (
            lambda f: f.deploy("x", image="i", build=False),
            "no option build: build the image",
        ),
        (lambda f: penstock.serve(pause_on_shutdown=False), "no option pause_on_shutdown"),
    ],
)
def test_an_option_of_prefect_s_says_what_to_use(
    ask: Callable[[object], object], words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        ask(flow(lambda: None))
