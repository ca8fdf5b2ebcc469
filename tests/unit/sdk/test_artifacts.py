"""Artifacts and events are kept in the record of the run that makes them."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from penstock import flow, task
from penstock.artifacts import (
    Artifact,
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from penstock.errors import MissingContextError, PenstockError
from penstock.events import Event, emit_event
from penstock.execution import RunContext

from .diary import run


@pytest.fixture(autouse=True)
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENSTOCK_HOME", raising=False)


def _records(body: Any) -> list[Any]:
    context = RunContext("daily-1")
    outcome = run(flow(body), context=context)
    assert outcome.state.is_completed(), outcome
    return context.records


def test_each_kind_of_artifact_is_kept_with_its_data() -> None:
    def body() -> None:
        create_markdown_artifact("# Good", key="report", description="daily")
        create_table_artifact([{"a": 1}])
        create_link_artifact("https://example.org", "here")
        create_link_artifact("https://example.org")
        create_image_artifact("https://example.org/x.png")

    assert [(each.type, each.data) for each in _records(body)] == [
        ("markdown", "# Good"),
        ("table", [{"a": 1}]),
        ("link", "[here](https://example.org)"),
        ("link", "[https://example.org](https://example.org)"),
        ("image", "https://example.org/x.png"),
    ]


def test_a_progress_is_updated_under_its_id() -> None:
    def body() -> None:
        made = create_progress_artifact(0, key="load", description="loading")
        assert update_progress_artifact(made, 50) == made
        update_progress_artifact(made, 100, description="loaded")

    first, *later = _records(body)

    assert [(each.data, each.description) for each in later] == [(50, "loading"), (100, "loaded")]
    assert {(each.id, each.key) for each in later} == {(first.id, "load")}


def test_tasks_keep_their_artifacts_in_the_record_of_their_flow_run() -> None:
    @task
    def step() -> None:
        create_markdown_artifact("# Step")

    def body() -> None:
        step()
        step.submit().result()

    assert [each.data for each in _records(body)] == ["# Step", "# Step"]


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

    _records(body)
    kept = {
        kind: json.loads((tmp_path / "runs/daily-1" / f"{kind}.jsonl").read_text())
        for kind in ("artifacts", "events")
    }

    assert (kept["artifacts"]["data"], kept["artifacts"]["key"]) == ([["2026-11-21"]], "days")
    assert kept["artifacts"]["taskRun"] == "daily-1/step-0"
    assert kept["events"]["payload"] == {"rows": 2}
    assert kept["events"]["flowRun"] == "daily-1"


def test_the_log_tells_of_artifacts_and_events(caplog: pytest.LogCaptureFixture) -> None:
    def body() -> None:
        create_progress_artifact(12.5, key="load")
        emit_event("order.shipped", {"prefect.resource.id": "order-7"})

    with caplog.at_level("INFO", logger="penstock"):
        _records(body)

    said = [record.getMessage() for record in caplog.records]
    assert "Artifact load (progress): 12.5 %" in said
    assert "Event order.shipped of order-7" in said


def test_an_event_is_returned_and_kept() -> None:
    returned: list[Event] = []

    def body() -> None:
        returned.append(emit_event("x", {"penstock.resource.id": "y"}, related=[{"a": "b"}]))

    assert _records(body) == returned
    assert returned[0].related == ({"a": "b"},)


def test_what_makes_no_sense_is_refused() -> None:
    def body() -> None:
        made = create_markdown_artifact("text")
        with pytest.raises(ValueError, match="lowercase letters"):
            create_markdown_artifact("text", key="Not A Key")
        with pytest.raises(ValueError, match="between 0 and 100"):
            create_progress_artifact(101)
        with pytest.raises(PenstockError, match="create it first"):
            update_progress_artifact(made, 1)
        with pytest.raises(PenstockError, match="create it first"):
            update_progress_artifact(uuid4(), 1)
        with pytest.raises(ValueError, match=r"needs a label penstock\.resource\.id"):
            emit_event("x", {"name": "y"})

    (only,) = _records(body)
    assert isinstance(only, Artifact)


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
