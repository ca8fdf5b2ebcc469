"""What a run's report says, and that it fits whatever the run does."""

import itertools
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.drivers.answering import LARGEST_ANSWER
from penstock.drivers.inbox import Verdict
from penstock.drivers.suspension import Suspended, Wait
from penstock.engine.outcome import ErrorReport
from penstock.engine.records import Event, KeptArtifact, Published
from penstock.engine.runs import TaskRun
from penstock.runner.ownership import Claim
from penstock.runner.report import (
    LADDER,
    LIMIT,
    NO_ROOM,
    OTHERS,
    Conclusion,
    Result,
    clip,
    clip_front,
    render_report,
    stored_size,
)
from penstock.runner.tally import RECENT, Tally
from penstock.states import State, StateType

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CLAIM = Claim(1, pod_name="daily-1-abcde", pod_uid="u-1")
KINDS = st.sampled_from([*StateType])
TEXT = st.text(max_size=30)
NASTY = st.sampled_from(["<", "\x01", "\ud800", "🙂", "\u2028", "é", "a"])


def task_run(number: int, *, task: str = "clean", name: str | None = None) -> TaskRun:
    return TaskRun(
        f"run/{task}-{number}",
        name=name or f"{task}-{number}",
        task_name=task,
        flow_run=None,
        parent=None,
        tags=frozenset(),
        state=State(StateType.PENDING, timestamp=NOW),
    )


def move(tally: Tally, run: TaskRun, kind: StateType, *, message: str = "") -> None:
    tally.move(run, State(kind, message=message, timestamp=NOW))


def render(tally: Tally, **options: object) -> dict[str, object]:
    return render_report(tally, claim=CLAIM, started_at=NOW, now=NOW, **options)


def test_a_report_tells_who_reports_and_how_far_the_run_is() -> None:
    tally = Tally()
    for number, kind in enumerate([StateType.COMPLETED, StateType.RUNNING, StateType.FAILED]):
        move(tally, task_run(number), StateType.PENDING)
        move(tally, task_run(number), kind)

    report = render(tally)

    assert report == {
        "protocol": 1,
        "attempt": 1,
        "podName": "daily-1-abcde",
        "podUID": "u-1",
        "startedAt": "2026-11-20T12:00:00.000Z",
        "updatedAt": "2026-11-20T12:00:00.000Z",
        "progress": "2/3",
        "counts": {"Completed": 1, "Running": 1, "Failed": 1},
        "tasks": [
            {"name": "clean", "total": 3, "completed": 1, "running": 1, "failed": 1, "cancelled": 0}
        ],
        "recent": [
            {"name": "clean-0", "state": "Completed", "at": "2026-11-20T12:00:00.000Z"},
            {"name": "clean-1", "state": "Running", "at": "2026-11-20T12:00:00.000Z"},
            {"name": "clean-2", "state": "Failed", "at": "2026-11-20T12:00:00.000Z"},
        ],
    }


def test_a_finished_task_run_says_how_long_it_took_and_what_went_wrong() -> None:
    tally, run = Tally(), task_run(0)
    run.started_at, run.ended_at = NOW, NOW + timedelta(seconds=0.4)

    move(tally, run, StateType.FAILED, message="ValueError: no")

    (entry,) = render(tally)["recent"]
    assert (entry["durationSeconds"], entry["message"]) == (0.4, "ValueError: no")


def test_only_the_last_moves_are_kept() -> None:
    tally = Tally()
    for number in range(RECENT + 5):
        move(tally, task_run(number), StateType.COMPLETED)

    names = [entry["name"] for entry in render(tally)["recent"]]

    assert names == [f"clean-{number}" for number in range(5, RECENT + 5)]


def test_tasks_without_room_are_summed_up() -> None:
    tally = Tally()
    for number in range(60):
        move(tally, task_run(0, task=f"task-{number}"), StateType.COMPLETED)

    tasks = render(tally)["tasks"]

    assert len(tasks) == 50
    assert tasks[-1] == {
        "name": OTHERS,
        "total": 11,
        "completed": 11,
        "running": 0,
        "failed": 0,
        "cancelled": 0,
    }


def artifact(number: int, *, text: str = "", **others: object) -> KeptArtifact:
    values = {"id": UUID(int=number), "type": "markdown", "key": None, "description": text}
    times = {"created": NOW, "updated": NOW}
    return KeptArtifact(**{**values, **times, "data": text, **others})


def event(number: int, *, name: str = "", text: str = "y") -> Event:
    resource = {"penstock.resource.id": text}
    return Event(id=UUID(int=number), event=name or f"e-{number}", resource=resource, occurred=NOW)


def test_a_run_without_artifacts_and_events_says_nothing_of_them() -> None:
    assert {"artifacts", "artifactCount", "events"}.isdisjoint(render(Tally()))


def test_artifacts_are_listed_once_for_each_key_with_the_beginning_of_their_data() -> None:
    tally = Tally()
    for made in (
        artifact(1, key="report", data="# Monday", task_run_id="run/load-0"),
        artifact(2, type="progress", data=10.0),
        artifact(3, key="report", data="# " + "x" * 300, description="daily"),
        artifact(2, type="progress", data=12.5, updated=NOW + timedelta(seconds=1)),
    ):
        tally.records.add(made)

    report = render(tally)

    assert report["artifactCount"] == 3
    assert report["artifacts"] == [
        {
            "key": "report",
            "type": "markdown",
            "description": "daily",
            "at": "2026-11-20T12:00:00.000Z",
            "preview": "# " + "x" * 253 + "…",
        },
        {"type": "progress", "at": "2026-11-20T12:00:01.000Z", "preview": "12.5 %"},
    ]


def test_the_task_run_of_an_artifact_is_named_within_its_run() -> None:
    tally = Tally()
    tally.records.add(artifact(1, task_run_id="daily-x7k2p/load-0"))
    tally.records.add(artifact(2, task_run_id="load-0"))

    assert [each["taskRun"] for each in render(tally)["artifacts"]] == ["load-0", "load-0"]


def test_the_last_events_are_listed_and_all_are_counted() -> None:
    tally = Tally()
    for number in range(25):
        tally.records.add(event(number))

    events = render(tally)["events"]

    assert events["count"] == 25
    assert [each["event"] for each in events["recent"]] == [f"e-{n}" for n in range(15, 25)]
    assert events["recent"][0] == {
        "event": "e-15",
        "resource": "y",
        "at": "2026-11-20T12:00:00.000Z",
    }


def test_artifacts_give_way_before_what_explains_the_run() -> None:
    tally = Tally()
    for number in range(60):
        tally.records.add(artifact(number, key=f"{'k' * 190}-{number}", text="é" * 300))
    failure = Conclusion(
        state="Failed",
        reason="FlowFailed",
        message="m",
        finished_at=NOW,
        error=ErrorReport(type="E", message="m", traceback="t" * 8192),
    )

    report = render(tally, ending=failure)

    assert len(report["error"]["traceback"]) == 8192
    assert (report["artifactCount"], len(report["artifacts"])) == (60, 20)
    assert report["artifacts"][-1]["key"].endswith("-59")


def test_a_finished_run_leaves_nothing_behind_but_numbers() -> None:
    tally = Tally()
    for number in range(1000):
        move(tally, task_run(number), StateType.RUNNING)
        move(tally, task_run(number), StateType.COMPLETED)

    assert (tally.known, tally.finished, tally._unfinished) == (1000, 1000, {})


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5), KINDS), max_size=200))
def test_counts_add_up(moves: list[tuple[int, int, StateType]]) -> None:
    """Whatever moves: by state, by name and in all there are as many task runs."""
    tally = Tally()
    finished: set[str] = set()
    seen: set[str] = set()
    for number, task, kind in moves:
        run = task_run(number, task=f"task-{task}")
        seen.add(run.id)
        (finished.add if State(kind).is_final() else finished.discard)(run.id)
        move(tally, run, kind)

    report = render(tally)

    assert sum(report["counts"].values()) == len(seen)
    assert sum(task["total"] for task in report["tasks"]) == len(seen)
    assert report["progress"] == f"{len(finished)}/{len(seen)}"
    finals = ("completed", "failed", "cancelled")
    assert sum(task[word] for task in report["tasks"] for word in finals) == len(finished)
    assert sum(task["running"] for task in report["tasks"]) == report["counts"].get("Running", 0)
    assert all(number > 0 for number in report["counts"].values())


@given(
    letter=NASTY,
    tasks=st.integers(0, 80),
    length=st.sampled_from([0, 10, 127, 128, 129, 700, 20_000]),
    concluded=st.booleans(),
)
def test_a_report_never_exceeds_its_bounds(
    letter: str, tasks: int, length: int, concluded: bool
) -> None:
    tally = Tally()
    text = letter * length
    for number in range(tasks):
        name = f"{number}{text}"
        move(tally, task_run(number, task=name, name=name), StateType.FAILED, message=text)
        tally.records.add(artifact(number, key="k" * 200, type=text, text=text))
        tally.records.add(artifact(1000 + number, type=text, text=text, task_run_id=text))
        tally.records.add(event(number, name=text, text=text))
    conclusion = Conclusion(
        state="Failed",
        reason="FlowFailed",
        message=text,
        finished_at=NOW,
        error=ErrorReport(type=text, message=text, traceback=text),
        result=Result(text, preview=text),
    )

    report = render(tally, ending=conclusion if concluded else None, awaited=[text] * 40)

    assert stored_size(report) <= LIMIT
    assert len(report.get("awaitedSignals", ())) <= 8
    assert all(len(name) <= 128 for name in report.get("awaitedSignals", ()))
    assert len(report["tasks"]) <= 50
    assert len(report["recent"]) <= 20
    assert len(report.get("artifacts", ())) <= 50
    assert all(
        len(str(text)) <= 256 for each in report.get("artifacts", ()) for text in each.values()
    )
    assert len(report.get("events", {}).get("recent", ())) <= 10
    assert all(len(task["name"]) <= 128 for task in report["tasks"])
    assert all(len(entry.get("message", "")) <= 512 for entry in report["recent"])
    if concluded:
        assert len(report["outcome"]["message"]) <= 2048
        assert len(report["error"]["traceback"]) <= 8192
        assert len(report["error"]["type"]) <= 128


def publish(tally: Tally, key: str, value: object) -> None:
    tally.records.add(Published(id=f"value {key}", key=key, value=value, updated=NOW))


def test_a_report_shows_the_last_value_of_each_key() -> None:
    tally = Tally()
    for key, value in (("stage", "load"), ("rows", 3), ("stage", {"name": "clean", "of": None})):
        publish(tally, key, value)

    report = render(tally)

    assert list(report["values"].items()) == [("rows", 3), ("stage", {"name": "clean", "of": None})]
    assert "unshownValues" not in report


def test_values_without_room_are_counted() -> None:
    tally = Tally()
    publish(tally, "too-large", "x" * 2048)
    for number in range(60):
        publish(tally, f"row-{number}", "y" * 100)

    report = render(tally)

    assert list(report["values"])[-1] == "row-59"
    assert stored_size(report["values"]) <= 4096
    assert report["unshownValues"] == 61 - len(report["values"])


def answers(number: int, *, size: int = LARGEST_ANSWER - 2) -> list[tuple[str, Verdict]]:
    return [
        (f"signal-{each}", Verdict(state="Consumed", answer="x" * size)) for each in range(number)
    ]


def test_answers_without_room_are_told_in_a_later_report() -> None:
    settled = answers(3)

    first = render(Tally(), settled=settled)
    second = render(Tally(), settled=settled[2:])

    assert [each["name"] for each in first["signals"]] == ["signal-0", "signal-1"]
    assert [each["name"] for each in second["signals"]] == ["signal-2"]


def test_in_the_last_report_an_answer_without_room_says_so() -> None:
    ending = Conclusion(state="Completed", reason="Completed", message="", finished_at=NOW)

    report = render(Tally(), settled=answers(3), ending=ending)

    assert ["answer" in each for each in report["signals"]] == [True, True, False]
    assert report["signals"][2]["message"] == NO_ROOM


def test_the_narrowest_bounds_fit_an_answer_too() -> None:
    worst = "\x01" * 20_000
    ending = Conclusion(
        state="Failed",
        reason="FlowFailed",
        message=worst,
        finished_at=NOW,
        error=ErrorReport(type=worst, message=worst, traceback=worst),
    )
    settled = [(f"{number:0253}", verdict) for number, (_, verdict) in enumerate(answers(60))]

    awaited = [worst] * 60

    report = render(Tally(), ending=ending, settled=settled, awaited=awaited, terse=True)

    assert "answer" in report["signals"][0]
    assert stored_size(report) <= LIMIT


def test_the_narrowest_bounds_fit_the_worst_text() -> None:
    worst = "\x01" * 20_000
    conclusion = Conclusion(
        state="Failed",
        reason="FlowFailed",
        message=worst,
        finished_at=NOW,
        error=ErrorReport(type=worst, message=worst, traceback=worst),
        result=Result(worst, preview=worst),
    )

    report = render(Tally(), ending=conclusion, terse=True)

    assert stored_size(report) <= LIMIT


def test_the_bounds_grow_ever_narrower() -> None:
    for wide, narrow in itertools.pairwise(LADDER):
        for field in fields(wide):
            assert getattr(narrow, field.name) <= getattr(wide, field.name)


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("abc", 0, ""), ("a\ud800", 5, "a?")],
    ids=["fits", "too long", "no room", "no character"],
)
def test_a_text_is_cut_at_its_end(text: str, limit: int, expected: str) -> None:
    assert clip(text, limit) == expected


def test_a_traceback_is_cut_at_its_beginning() -> None:
    assert clip_front("abcdef", 4) == "…def"


@given(TEXT, st.integers(1, 40))
def test_a_cut_text_is_never_longer_than_allowed(text: str, limit: int) -> None:
    assert len(clip(text, limit)) <= limit
    assert len(clip_front(text, limit)) <= limit


def test_an_attempt_that_leaves_its_pod_says_what_the_run_waits_for() -> None:
    wait = Wait(kind="Sleep", since=NOW, until=NOW + timedelta(days=7))

    report = render(Tally(), ending=Suspended(wait, ("approved", "paid")))

    assert "outcome" not in report
    assert report["suspension"] == {
        "kind": "Sleep",
        "since": "2026-11-20T12:00:00.000Z",
        "until": "2026-11-27T12:00:00.000Z",
        "signals": ["approved", "paid"],
    }


def test_an_attempt_whose_flow_has_not_begun_repeats_how_far_the_run_had_come() -> None:
    before = Tally()
    for number in range(2):
        move(before, task_run(number), StateType.COMPLETED)
    publish(before, "stage", "loading")
    earlier = render(before)

    report = render(Tally(), earlier=earlier)
    narrow = render(Tally(), earlier=earlier, terse=True)

    same = ("progress", "counts", "tasks", "recent", "values")
    assert {field: report[field] for field in same} == {field: earlier[field] for field in same}
    assert (narrow["progress"], narrow["counts"]) == ("2/2", {"Completed": 2})
    assert narrow["tasks"] == []


def test_what_a_running_task_said_last_is_told_until_it_ends() -> None:
    tally, run = Tally(), task_run(0)
    move(tally, run, StateType.RUNNING)
    run.heartbeat = {"page": 7}
    tally.beat(run)
    running = render(tally)["recent"]
    move(tally, run, StateType.COMPLETED)
    ended = render(tally)["recent"]

    assert [each.get("message") for each in running] == ["{'page': 7}"]
    assert [each.get("message") for each in ended] == [None]
