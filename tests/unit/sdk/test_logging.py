"""Logs name the run that wrote them, and never touch the root logger."""

from __future__ import annotations

import asyncio
import io
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from penstock import flow, get_run_logger, task
from penstock.errors import MissingContextError
from penstock.logging import configure

SCRIPT = """
from penstock import flow, get_run_logger, task

@task
def step(x):
    get_run_logger().info("working on %s", x)

@task(retries=1)
def fail():
    raise ValueError("broken")

@flow
def example():
    step(1)
    fail.submit().result(raise_on_failure=False)

{setup}
example()
"""


def _stderr_of(setup: str) -> str:
    program = [sys.executable, "-c", SCRIPT.format(setup=setup)]
    return subprocess.run(program, check=True, capture_output=True, text=True, timeout=30).stderr


def test_a_script_shows_its_log_without_any_setup() -> None:
    lines = _stderr_of(setup="").splitlines()

    assert any(line.endswith("INFO    step-0 | working on 1") for line in lines)
    assert any("WARNING fail-0 | AwaitingRetry: Attempt 1 failed" in line for line in lines)
    assert any("ERROR   fail-0 | Failed: ValueError: broken" in line for line in lines)


def test_a_program_that_set_up_logging_keeps_its_own_format() -> None:
    setup = "import logging; logging.basicConfig(level='INFO', format='MINE %(message)s')"

    lines = _stderr_of(setup).splitlines()

    assert "MINE working on 1" in lines
    assert all(line.startswith("MINE ") for line in lines)


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
