"""Serving flows, by a time that is moved from tick to tick."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

import penstock.serving
from penstock import flow, rate_limit, runtime, task
from penstock.errors import ParameterError
from penstock.schedules import Interval, RRule, ScheduleError
from penstock.serving import Deployment, Server, deployment_of, due_ticks, run_id
from penstock.testing import isolated_home, limited, moving_time, served

START = datetime(2026, 11, 20, 8, tzinfo=UTC)


def serve(
    *deployments: Deployment, seconds: float, limit: int = 5, start: datetime = START
) -> None:
    with moving_time(start) as time, served(*deployments, limit=limit):
        time.move(seconds=seconds)


def test_runs_start_when_they_are_due_with_their_parameters() -> None:
    seen = []

    @flow
    def load(day: int) -> None:
        seen.append((day, runtime.flow_run.id))

    serve(
        deployment_of(load, "My load", interval=20, parameters={"day": "3"}),
        seconds=60,
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

    deployment = deployment_of(load, "My load", interval=20, parameters={"day": "3"})
    with moving_time(START) as time:
        late = START + timedelta(seconds=25)
        Server([deployment], limit=5).start_due(after=START, until=late)
        time.move(seconds=0)

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
        seconds=10,
        limit=20,
    )

    assert (seen.count("one"), seen.count("two")) == (1, 10)


def test_a_run_that_fails_leaves_the_rest_alone() -> None:
    seen = []

    @flow
    def broken() -> None:
        seen.append(1)
        raise SystemExit(1)

    serve(deployment_of(broken, "broken", interval=5), seconds=15)

    assert len(seen) == 3


def test_no_more_runs_than_the_limit_go_on_at_once(caplog: pytest.LogCaptureFixture) -> None:
    started = []

    @flow
    def slow() -> None:
        started.append(1)
        rate_limit("gate", strict=True)

    with (
        isolated_home(),
        limited("gate", 1, decay=0.05),
        caplog.at_level(logging.WARNING, "penstock"),
    ):
        rate_limit("gate")
        serve(deployment_of(slow, "slow", interval=1), seconds=4, limit=2)

    assert len(started) == 2
    assert "Skipped the run of slow at 2026-11-20 08:00:03+00:00: 2 runs go on" in caplog.text


def test_what_was_slept_through_runs_once_and_is_said(caplog: pytest.LogCaptureFixture) -> None:
    seen = []

    @flow
    def hourly() -> None:
        seen.append(runtime.flow_run.id)

    with caplog.at_level(logging.WARNING, "penstock"), moving_time(START) as time:
        server = Server([deployment_of(hourly, "h", interval=20)], limit=5)
        server.start_due(after=START, until=START + timedelta(seconds=3620))
        time.move(seconds=0)

    assert seen == ["h-20261120090020"]
    assert "Missed 180 runs of h" in caplog.text


def test_stopping_cancels_the_runs_that_go_on_and_waits_for_them() -> None:
    ends = []

    @task(retries=1, retry_delay_seconds=3600)
    def pause() -> None:
        raise ValueError

    @flow
    def endless() -> None:
        try:
            pause()
        finally:
            ends.append("cleaned up")

    serve(deployment_of(endless, "endless", interval=5), seconds=5)

    assert ends == ["cleaned up"]


def test_a_schedule_that_ends_ends_the_serving() -> None:
    runs: list[int] = []

    @flow
    def never() -> None:
        runs.append(1)

    over = RRule("FREQ=DAILY;UNTIL=20210101")
    penstock.serving.serve(deployment_of(never, "never", schedule=over))

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

    serve(deployment_of(tagged, "t", interval=20, tags=["a", "b"]), seconds=20)

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
