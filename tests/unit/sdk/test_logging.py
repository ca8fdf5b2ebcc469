"""Logs name the run that wrote them, and never touch the root logger."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator

import pytest

from penstock import flow, get_run_logger, task
from penstock.errors import MissingContextError
from penstock.logging import configure, disable_run_logger, get_logger


def test_the_root_logger_is_left_alone() -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)

    flow(lambda: None)()

    assert (list(root.handlers), root.level) == before


def test_a_run_logger_belongs_into_a_run() -> None:
    with pytest.raises(MissingContextError, match="inside a flow or task"):
        get_run_logger()


def test_a_record_names_flow_run_and_task_run(caplog: pytest.LogCaptureFixture) -> None:
    @task
    def step() -> None:
        get_run_logger().warning("here", extra={"mine": 1})

    @flow(flow_run_name="nightly")
    def logs() -> None:
        step()

    logs()
    record = next(record for record in caplog.records if record.message == "here")

    assert (record.flow_run_name, record.task_run_name, record.mine) == (  # type: ignore[attr-defined] # extra fields
        "nightly",
        "step-0",
        1,
    )


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    logger = logging.getLogger("penstock")
    before = (list(logger.handlers), logger.level, logger.propagate)
    stream = io.StringIO()
    configure(stream=stream)
    yield stream
    logger.handlers, logger.propagate = list(before[0]), before[2]
    logger.setLevel(before[1])


def test_prints_are_logged_where_asked(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    @task
    def inherits() -> None:
        print("of", "the task", sep=" ")

    @task(log_prints=False)
    def refuses() -> None:
        print("plain")

    @flow(log_prints=True)
    def prints() -> None:
        print("of the flow")
        inherits.submit().wait()
        refuses()
        print("elsewhere", file=io.StringIO())

    prints()
    print("after")

    assert " | of the flow" in stream.getvalue()
    assert "inherits-0 | of the task" in stream.getvalue()
    assert "elsewhere" not in stream.getvalue()
    assert capsys.readouterr().out == "plain\nafter\n"


def test_prints_of_an_async_body_are_logged(stream: io.StringIO) -> None:
    @flow(log_prints=True)
    async def prints() -> None:
        await asyncio.sleep(0)
        print("async")

    asyncio.run(prints())

    assert " | async" in stream.getvalue()


def test_a_log_that_cannot_be_written_does_not_swallow_the_run(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """logging complains on stderr, by print; were that logged too, it would never end."""

    @flow(log_prints=True)
    def prints() -> int:
        print("lost")
        return 1

    stream.close()

    assert prints() == 1
    assert "Logging error" in capsys.readouterr().err


def test_a_logger_is_one_below_penstock() -> None:
    """Prefect 3.8: get_logger("etl") is the logger prefect.etl."""
    assert get_logger().name == "penstock"
    assert get_logger("etl").name == get_logger("penstock.etl").name == "penstock.etl"


def test_the_function_of_a_task_that_logs_can_be_called_with_its_logs_disabled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Prefect 3.8: without disable_run_logger it raises MissingContextError, as here."""

    @task
    def step() -> int:
        get_run_logger().error("never seen")
        return 1

    with disable_run_logger():
        assert step.fn() == 1
        assert step() == 1
    with pytest.raises(MissingContextError):
        step.fn()

    assert caplog.records == []
    step()
    assert [record.message for record in caplog.records][:1] == ["never seen"]
