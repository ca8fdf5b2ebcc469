"""Artifacts and events are kept in the record of the run that makes them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from penstock import flow, task
from penstock.artifacts import (
    Artifact,
    KeptArtifact,
    TableArtifact,
    acreate_image_artifact,
    acreate_link_artifact,
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from penstock.engine.keeping import EVENTS
from penstock.errors import MissingContextError, PenstockError
from penstock.events import Event, emit_event
from penstock.execution import RunContext

from .diary import Diary, run


@pytest.fixture(autouse=True)
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENSTOCK_HOME", raising=False)


def _run(body: Any, *, context: RunContext | None = None) -> RunContext:
    context = context or RunContext("daily-1")
    outcome = run(flow(body), context=context)
    assert outcome.state.is_completed(), outcome
    return context


def _artifacts(body: Any) -> list[KeptArtifact]:
    return _run(body).records.artifacts


def test_each_kind_of_artifact_is_kept_with_its_data() -> None:
    def body() -> None:
        create_markdown_artifact("# Good", key="report", description="daily")
        create_table_artifact([{"a": 1, "b": float("nan"), "c": date(2026, 11, 21)}])
        create_link_artifact("https://example.org", "here")
        create_link_artifact("https://example.org")
        create_image_artifact("https://example.org/x.png")
        create_progress_artifact(5)
        Artifact(type="numbers", data={"a": [1]}).create()

    assert [(each.type, each.data) for each in _artifacts(body)] == [
        ("markdown", "# Good"),
        ("table", '[{"a": 1, "b": null, "c": "2026-11-21"}]'),
        ("link", "[here](https://example.org)"),
        ("link", "[https://example.org](https://example.org)"),
        ("image", "https://example.org/x.png"),
        ("progress", 5.0),
        ("numbers", '{"a": [1]}'),
    ]


async def test_the_async_twins_keep_the_same() -> None:
    @flow
    async def body() -> list[str]:
        made = [
            await acreate_markdown_artifact("# Good"),
            await acreate_table_artifact([[1]]),
            await acreate_link_artifact("https://example.org", "here"),
            await acreate_image_artifact("https://example.org/x.png"),
            await acreate_progress_artifact(5, key="load"),
        ]
        assert await aupdate_progress_artifact(made[-1], 6) == made[-1]
        latest, is_new = await Artifact.aget_or_create("load")
        assert not is_new
        assert latest == await Artifact.aget("load")
        return [latest.type or "", str(latest.data)]

    assert await body() == ["progress", "6.0"]


async def test_what_a_create_returns_can_be_awaited_as_in_prefect_s_async_code() -> None:
    @flow
    async def body() -> bool:
        made = create_progress_artifact(0)
        return await made == made == await update_progress_artifact(made, 1)

    assert await body()


def test_a_progress_is_updated_under_its_id() -> None:
    def body() -> None:
        made = create_progress_artifact(0, key="load", description="loading")
        first = Artifact.get("load")
        assert first is not None
        assert not first.is_update
        assert update_progress_artifact(made, 50) == made
        second = Artifact.get("load")
        assert second is not None
        assert (second.data, second.description, second.is_update) == (50, "loading", True)
        update_progress_artifact(made, 100, description="loaded")

    (last,) = _artifacts(body)

    assert (last.data, last.description, last.key) == (100, "loaded", "load")
    assert last.created < last.updated


def test_an_artifact_is_got_by_its_key_or_made() -> None:
    def body() -> None:
        assert Artifact.get("report") is None
        create_markdown_artifact("one", key="report")
        create_markdown_artifact("two", key="report")
        create_markdown_artifact("other")
        assert [each and each.data for each in (Artifact.get("report"), Artifact.get())] == [
            "two",
            "other",
        ]
        assert Artifact.get_or_create("report")[1] is False
        made, is_new = TableArtifact.get_or_create("rows", "all rows", table=[[1]])
        assert (made.type, made.description, made.data, is_new) == ("table", "all rows", "[[1]]", 1)

    _run(body)


def test_earlier_runs_artifacts_are_got_where_there_is_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[KeptArtifact | None] = []

    def body() -> None:
        create_markdown_artifact("# Monday", key="report")
        kept.append(Artifact.get("report"))

    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))
    _run(body)

    assert Artifact.get("report") == kept[0]
    assert Artifact.get("Report/../x") is None
    monkeypatch.delenv("PENSTOCK_HOME")
    assert Artifact.get("report") is None


def test_tasks_keep_their_artifacts_in_the_record_of_their_flow_run() -> None:
    @task
    def step() -> None:
        create_markdown_artifact("# Step")

    def body() -> None:
        step()
        step.submit().result()

    kept = _artifacts(body)
    assert [(each.data, each.flow_run_id, each.task_run_id) for each in kept] == [
        ("# Step", "daily-1", "daily-1/step-0"),
        ("# Step", "daily-1", "daily-1/step-1"),
    ]


def test_with_a_home_the_record_is_kept_in_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))

    @task
    def step() -> None:
        create_table_artifact([[date(2026, 11, 21)]], key="days")

    def body() -> None:
        step()
        emit_event("day.done", {"penstock.resource.id": "monday"}, payload={"rows": 2})

    _run(body)
    kept = {
        kind: json.loads((tmp_path / "runs/daily-1" / f"{kind}.jsonl").read_text())
        for kind in ("artifacts", "events")
    }

    assert (kept["artifacts"]["data"], kept["artifacts"]["key"]) == ('[["2026-11-21"]]', "days")
    assert kept["artifacts"]["task_run_id"] == "daily-1/step-0"
    assert kept["events"]["payload"] == {"rows": 2}
    assert kept["events"]["flow_run_id"] == "daily-1"


def test_the_log_tells_of_artifacts_and_events(caplog: pytest.LogCaptureFixture) -> None:
    def body() -> None:
        create_progress_artifact(12.5, key="load")
        emit_event("order.shipped", {"prefect.resource.id": "order-7"})

    with caplog.at_level("INFO", logger="penstock"):
        _run(body)

    said = [record.getMessage() for record in caplog.records]
    assert "Artifact load (progress): 12.5 %" in said
    assert "Event order.shipped of order-7" in said


def test_an_event_is_returned_and_kept() -> None:
    returned: list[Event] = []
    owner = {"penstock.resource.id": "ann", "penstock.resource.role": "owner"}

    def body() -> None:
        returned.append(
            emit_event("x", {"penstock.resource.id": "y"}, related=[owner], payload={"n": {1}})
        )

    assert _run(body).records.events == returned
    (event,) = returned
    assert (event.related, event.payload, event.flow_run_id) == ((owner,), {"n": "{1}"}, "daily-1")
    assert event.involved_resources == [{"penstock.resource.id": "y"}, owner]


def test_an_event_follows_one_that_came_shortly_before() -> None:
    thing = {"penstock.resource.id": "y"}

    def body() -> None:
        noon = datetime(2026, 11, 21, 12)  # noqa: DTZ001 - without a zone on purpose
        first = emit_event("a", thing, occurred=noon)
        soon = emit_event("b", thing, occurred=first.occurred + timedelta(minutes=4), follows=first)
        late = emit_event("c", thing, occurred=first.occurred + timedelta(minutes=6), follows=first)
        assert (soon.follows, late.follows) == (first.id, None)
        assert first.occurred.tzinfo is UTC

    _run(body)


def test_memory_holds_the_latest_events() -> None:
    def body() -> None:
        for number in range(EVENTS + 3):
            emit_event(f"e-{number}", {"penstock.resource.id": "y"})

    events = _run(body).records.events

    assert (len(events), events[0].event) == (EVENTS, "e-3")


def test_reporters_that_want_to_hear_of_records() -> None:
    class Listener(Diary):
        heard: ClassVar[list[Any]] = []

        def record_kept(self, record: Any) -> None:
            self.heard.append(record)
            raise OSError("a reporter that breaks")

    def body() -> None:
        create_markdown_artifact("# One")
        emit_event("x", {"penstock.resource.id": "y"})

    context = RunContext("daily-1")
    outcome = run(flow(body), context=context, reporter=Listener())

    assert outcome.state.is_completed()
    assert Listener.heard == [*context.records.artifacts, *context.records.events]


def test_what_makes_no_sense_is_refused() -> None:
    def body() -> None:
        made = create_markdown_artifact("text")
        for key in ("Not A Key", "not_a_key", "", "k" * 201):
            with pytest.raises(ValueError, match="only lowercase letters"):
                create_markdown_artifact("text", key=key)
        with pytest.raises(PenstockError, match="create it first"):
            update_progress_artifact(made, 1)
        with pytest.raises(PenstockError, match="create it first"):
            update_progress_artifact(uuid4(), 1)
        with pytest.raises(ValueError, match=r"needs a label penstock\.resource\.id"):
            emit_event("x", {"name": "y"})
        with pytest.raises(ValueError, match=r"needs a label penstock\.resource\.role"):
            emit_event("x", {"penstock.resource.id": "y"}, related=[{"penstock.resource.id": "z"}])

    context = _run(body)

    assert (len(context.records.artifacts), context.records.events) == (1, [])


@pytest.mark.parametrize(("given", "kept"), [(101, 100.0), (-1, 0.0)])
def test_a_progress_outside_its_bounds_is_brought_inside_and_said(
    given: float, kept: float, caplog: pytest.LogCaptureFixture
) -> None:
    (only,) = _artifacts(lambda: create_progress_artifact(given) and None)

    assert only.data == kept
    assert f"{given} is taken as {kept:g}" in caplog.text


def test_outside_a_run_there_is_no_record() -> None:
    with pytest.raises(MissingContextError, match="inside a flow or task"):
        create_markdown_artifact("text")
    with pytest.raises(MissingContextError, match="inside a flow or task"):
        emit_event("x", {"penstock.resource.id": "y"})


def test_a_task_outside_a_flow_keeps_its_record_in_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))

    @task
    def step() -> None:
        update_progress_artifact(create_progress_artifact(0), 100)

    step()

    lines = (tmp_path / "runs/step-0/artifacts.jsonl").read_text().splitlines()
    assert [json.loads(line)["data"] for line in lines] == [0, 100]
