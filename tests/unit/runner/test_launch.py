"""What to run: the snapshot of the flow, overlaid with the run's parameters."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock.runner.launch import Launch, LaunchError, read_launch, scheduled_time


def snapshot(folder: Path, **launch: object) -> Path:
    (folder / "launch.json").write_text(json.dumps(launch))
    return folder


def test_the_run_s_parameters_take_the_place_of_the_flow_s(tmp_path: Path) -> None:
    folder = snapshot(
        tmp_path,
        entrypoint="flow.py:daily",
        parameters={"day": "today", "limits": {"rows": 1}},
        retries=2,
        retryDelaySeconds=5,
        timeoutSeconds=60,
        sourceKind="inline",
    )

    launch = read_launch(folder, run={"spec": {"parameters": {"limits": {"columns": 2}}}})

    assert launch == Launch(
        entrypoint="flow.py:daily",
        parameters={"day": "today", "limits": {"columns": 2}},
        retries=2,
        retry_delay_seconds=5,
    )


def test_a_snapshot_may_say_nothing_but_the_entrypoint(tmp_path: Path) -> None:
    folder = snapshot(tmp_path, entrypoint="flow.py:daily", parameters=None)

    launch = read_launch(folder, run={})

    assert launch == Launch("flow.py:daily", {}, retries=None, retry_delay_seconds=None)


@pytest.mark.parametrize("text", [None, "", "[]", "{}", "3"])
def test_a_snapshot_that_says_nothing_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "launch.json").write_text(text)

    with pytest.raises(LaunchError, match=r"launch\.json does not say what to run"):
        read_launch(tmp_path, run={})


@pytest.mark.parametrize(
    ("annotation", "moment"),
    [
        ("2026-11-21T06:00:00Z", datetime(2026, 11, 21, 6, tzinfo=UTC)),
        ("soon", None),
        (None, None),
    ],
)
def test_the_moment_that_a_run_is_for_comes_from_its_annotation(
    annotation: str | None, moment: datetime | None
) -> None:
    metadata = {"annotations": {"penstock.dev/scheduled-time": annotation} if annotation else None}

    assert scheduled_time({"metadata": metadata}) == moment
