from __future__ import annotations

import json
import logging

from penstock_operator.app.logs import JsonFormatter, TextFormatter


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
