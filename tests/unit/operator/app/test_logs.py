from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from penstock_operator.app.logs import JsonFormatter, TextFormatter, note_loop_error


def record(*, key: str | None = None) -> logging.LogRecord:
    made = logging.LogRecord("penstock", logging.WARNING, "x.py", 1, "Put %s.", ("back",), None)
    made.created = 1_795_000_000.25
    if key:
        made.key = key
    return made


def test_a_line_for_people_says_what_it_is_about() -> None:
    line = TextFormatter().format(record(key="FlowRun team/one"))

    assert line == "2026-11-18T11:06:40.250Z WARNING [FlowRun team/one] Put back."


def test_a_line_for_machines_is_one_object() -> None:
    line = json.loads(JsonFormatter().format(record(key="FlowRun team/one")))

    assert line == {
        "time": "2026-11-18T11:06:40.250+00:00",
        "level": "WARNING",
        "logger": "penstock",
        "message": "Put back.",
        "key": "FlowRun team/one",
    }


@asynccontextmanager
async def _connection() -> AsyncIterator[None]:
    try:
        yield
    finally:
        await asyncio.sleep(0)


async def _stream() -> AsyncIterator[int]:
    async with _connection():
        yield 1


def test_a_stream_that_ends_with_the_loop_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    left = []

    async def leave_a_stream() -> None:
        asyncio.get_running_loop().set_exception_handler(note_loop_error)
        left.append(_stream())
        await anext(left[0])

    asyncio.run(leave_a_stream())

    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


def test_whatever_else_goes_wrong_in_the_loop_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(note_loop_error)
        loop.call_exception_handler({"message": "A task was lost."})

    asyncio.run(fail())

    assert "A task was lost." in caplog.text
