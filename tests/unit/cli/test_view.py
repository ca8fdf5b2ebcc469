"""What a run looks like on a terminal and in a pipe."""

import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from penstock.cli.moments import human_duration
from penstock.cli.view import RunView, plain_line, waiting_words
from penstock.cli.watch import Frame

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TASKS = [
    {"name": "extract", "total": 1, "completed": 1, "running": 0, "failed": 0},
    {"name": "clean", "total": 4, "completed": 1, "running": 1, "failed": 1, "cancelled": 1},
]


def run(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "daily-x7k2p", "creationTimestamp": "2026-11-20T12:00:00Z"},
        "spec": {"flowRef": {"name": "daily"}},
        "status": status,
    }


def running(**more: Any) -> dict[str, Any]:
    execution = {"attempt": 1, "progress": "3/5", "tasks": TASKS}
    started = {"startedAt": "2026-11-20T12:00:00Z", "attempt": 1, "execution": execution}
    return run(**{"state": "Running", **started, **more})


def drawn(
    run: dict[str, Any],
    *,
    after: float = 4,
    trouble: str = "",
    width: int = 100,
    rows: int | None = None,
) -> list[str]:
    console = Console(width=width, height=40, color_system=None, record=True, quiet=False)
    with console.capture() as capture:
        now = START + timedelta(seconds=after)
        console.print(RunView().render(run, now=now, trouble=trouble, rows=rows))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_running_run_shows_its_tasks_by_name() -> None:
    lines = drawn(running())

    assert lines[0][2:] == "daily-x7k2p  daily  Running  3/5  4s"
    assert lines[1] == "  extract  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  1/1"
    assert (
        lines[2]
        == "  clean    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  3/4  1 running 1 failed 1 cancelled"
    )


def test_a_run_says_for_which_signal_it_waits_in_its_pod() -> None:
    waiting = running(execution={"attempt": 1, "tasks": [], "awaitedSignals": ["approval"]})

    assert drawn(waiting)[-1].strip() == "waits for the signal approval"
    assert plain_line(waiting).endswith("waits for the signal approval")


def test_on_a_narrow_terminal_the_bar_gives_way_to_names_and_numbers() -> None:
    lines = drawn(running(execution={"attempt": 1, "tasks": TASKS[:1]}), width=30)

    assert lines[1] == "  extract  ━━━━━━━━━━━  1/1"


def test_the_last_column_stays_free_for_what_the_terminal_echoes() -> None:
    """An echo of Ctrl-C that wraps would push the drawing up by a line."""
    file = io.StringIO()
    console = Console(file=file, width=60, color_system=None, force_terminal=True)

    with Frame(running).shown_on(console):
        pass

    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", line) for line in file.getvalue().split("\n")]
    assert max(map(len, lines)) == 59


def many_tasks(**status: Any) -> dict[str, Any]:
    tasks = [{**TASKS[0], "name": f"t{number}", "running": number == 3} for number in range(9)]
    return running(execution={"attempt": 1, "tasks": tasks}, **status)


def test_of_more_tasks_than_rows_those_that_run_and_the_latest_are_shown() -> None:
    names = [line.split()[0] for line in drawn(many_tasks(), rows=5)[1:]]

    assert names == ["t3", "t6", "t7", "t8", "…"]


def test_in_the_end_all_tasks_are_shown() -> None:
    assert len(drawn(many_tasks(state="Completed"), rows=5)) == 10


def test_a_suspended_run_has_a_sign_of_its_own() -> None:
    assert drawn(running(state="Suspended"))[0].startswith("‖ daily-x7k2p  daily  Suspended")


def test_the_bar_is_divided_as_the_task_runs_are() -> None:
    console = Console(width=100, color_system="standard", force_terminal=True)
    with console.capture() as capture:
        console.print(RunView().render(running(), now=START))

    line = capture.get().splitlines()[2]

    assert "\x1b[32m━━━━━━━━\x1b[0m\x1b[31m━━━━━━━━\x1b[0m\x1b[33m━━━━━━━━\x1b[0m" in line


def test_a_later_attempt_is_named_and_the_report_of_an_earlier_one_is_void() -> None:
    lines = drawn(running(attempt=2, state="Pending"))

    assert [line[2:] for line in lines] == ["daily-x7k2p  daily  Pending  attempt 2  4s"]


def test_a_run_that_waits_says_for_what_and_until_when() -> None:
    waiting = {"kind": "Image", "until": "2026-11-20T12:05:00Z"}
    lines = drawn(run(state="Pending", message="No image x:1.", waitingFor=waiting))

    assert lines[1] == "  No image x:1. It gives up in 4m 56s."


def test_a_run_that_sleeps_says_when_it_goes_on() -> None:
    waiting = {"kind": "Sleep", "until": "2026-11-27T12:00:00Z"}
    lines = drawn(run(state="Suspended", message="The flow sleeps.", waitingFor=waiting))

    assert lines[1].startswith("  The flow sleeps. It goes on in 6d 23h")


def test_a_failed_run_shows_what_failed_and_the_traceback() -> None:
    execution = {
        "attempt": 1,
        "recent": [{"name": "clean-3", "state": "Failed", "message": "ValueError: no rows"}],
        "error": {"traceback": "Traceback …\nValueError: no rows\n"},
    }
    lines = drawn(running(state="Failed", message="The flow failed.", execution=execution))

    assert lines[0].startswith("✘ daily-x7k2p")
    assert lines[1:] == [
        "  clean-3 Failed: ValueError: no rows",
        "  The flow failed.",
        "  Traceback …",
        "  ValueError: no rows",
    ]


def test_a_running_task_is_shown_with_what_it_said_last() -> None:
    moves = [{"name": "crawl-0", "state": "Running", "message": "{'page': 7}"}]
    lines = drawn(running(execution={"attempt": 1, "recent": moves}))

    assert lines[-1] == "  crawl-0: {'page': 7}"


def test_a_cancelled_run_needs_no_traceback() -> None:
    execution = {"attempt": 1, "error": {"traceback": "CancelledRun: The run was cancelled."}}
    lines = drawn(running(state="Cancelled", message="It was cancelled.", execution=execution))

    assert lines[1:] == ["  It was cancelled."]


def test_trouble_with_the_connection_shows_until_it_has_passed() -> None:
    assert (
        "The API server does not answer."
        in drawn(running(), trouble="The API server does not answer.")[-1]
    )


def test_a_run_that_nobody_takes_up_says_where_to_look() -> None:
    assert waiting_words(run(), now=START + timedelta(seconds=1)) == ""
    assert "No operator" in waiting_words(run(), now=START + timedelta(seconds=6))


def test_square_brackets_are_not_taken_for_markup() -> None:
    message = "Failed [red]with[/red] brackets [x]."

    assert f"  {message}" in drawn(running(state="Failed", message=message))


@pytest.mark.parametrize(
    ("status", "line"),
    [
        pytest.param({}, "daily-x7k2p  Scheduled", id="new"),
        pytest.param(
            running()["status"],
            "daily-x7k2p  Running  3/5  extract 1/1, clean 3/4 (1 failed, 1 cancelled)",
            id="running",
        ),
        pytest.param(
            {"state": "Completed", "attempt": 2, "message": "The flow completed."},
            "daily-x7k2p  Completed  attempt 2  The flow completed.",
            id="ended",
        ),
    ],
)
def test_a_line_for_pipes_holds_all_of_it(status: dict[str, Any], line: str) -> None:
    assert plain_line(run(**status)) == line


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0s"), (4.9, "4s"), (60, "1m"), (200, "3m 20s"), (7500, "2h 5m"), (273600, "3d 4h")],
)
def test_durations_have_two_units_at_most(seconds: float, words: str) -> None:
    assert human_duration(seconds) == words


def test_a_run_says_who_has_started_it_and_what_it_goes_on_from() -> None:
    related = running()
    related["spec"] |= {"parentRef": {"name": "weekly"}, "continuedFrom": {"name": "daily-old"}}

    assert drawn(related)[0].endswith("4s  child of weekly, after daily-old")
