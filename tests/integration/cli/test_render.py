"""From a flow in a file to a Flow in YAML."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.cli.render import cluster_entrypoint, object_name, without_derived_titles

Penstock = Callable[..., Any]


def test_a_flow_is_rendered_with_its_schema_and_its_retries(
    penstock: Penstock, flow_file: Path
) -> None:
    done = penstock("render", "sums.py:doubled_sum", "--image", "registry.example/sums:1")

    flow = yaml.safe_load(done.stdout)
    schema = flow["spec"].pop("parameterSchema")
    assert done.exit_code == 0
    assert flow == {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "Flow",
        "metadata": {
            "name": "doubled-sum",
            "annotations": {"kubernetes.io/description": "Add up doubled numbers."},
        },
        "spec": {
            "entrypoint": "sums.py:doubled_sum",
            "image": "registry.example/sums:1",
            "retries": 2,
            "retryDelaySeconds": 3,
        },
    }
    assert list(schema["properties"]) == ["numbers", "label"]
    assert schema["required"] == ["numbers"]


def test_the_options_stand_in_the_object(penstock: Penstock, flow_file: Path) -> None:
    done = penstock(
        *("render", "sums.py:broken", "--image", "i", "--name", "b", "-n", "team-a"),
        *("--queue", "urgent", "--concurrency-limit", "1", "--collision-strategy", "CancelNew"),
        *("--pool", "large", "--entrypoint", "flows/sums.py:broken", "-o", "json"),
    )

    flow = json.loads(done.stdout)
    assert flow["metadata"] == {"name": "b", "namespace": "team-a"}
    assert flow["spec"]["workPoolRef"] == {"name": "large"}
    assert flow["spec"]["queue"] == "urgent"
    assert flow["spec"]["concurrency"] == {"limit": 1, "strategy": "CancelNew"}
    assert flow["spec"]["entrypoint"] == "flows/sums.py:broken"


def test_an_inline_source_reads_in_yaml_as_it_does_in_the_file(
    penstock: Penstock, flow_file: Path
) -> None:
    done = penstock("render", "sums.py:doubled_sum", "--inline")

    spec = yaml.safe_load(done.stdout)["spec"]
    assert spec["source"] == {"inline": {"files": {"sums.py": flow_file.read_text()}}}
    assert "          def double(x: int) -> int:\n              return 2 * x\n" in done.stdout


def test_titles_that_say_no_more_than_the_name_are_left_out() -> None:
    schema = {
        "properties": {
            "wet_from": {"title": "Wet From", "type": "number"},
            "day": {"title": "Day of the report"},
            "title": {"title": "Title", "anyOf": [{"properties": {"a": {"title": "A"}}}]},
        }
    }

    assert without_derived_titles(schema) == {
        "properties": {
            "wet_from": {"type": "number"},
            "day": {"title": "Day of the report"},
            "title": {"anyOf": [{"properties": {"a": {}}}]},
        }
    }


def test_what_the_file_prints_does_not_end_up_in_the_yaml(
    penstock: Penstock, flow_file: Path
) -> None:
    flow_file.write_text("print('hello: [')\n" + flow_file.read_text())

    done = penstock("render", "sums.py:broken", "--image", "i")

    assert yaml.safe_load(done.stdout)["metadata"]["name"] == "broken"
    assert "hello: [" in done.stderr


def test_the_place_of_the_code_must_be_said(penstock: Penstock, flow_file: Path) -> None:
    done = penstock("render", "sums.py:broken")

    assert done.exit_code == 2
    assert "--image REFERENCE" in done.stderr
    assert "--inline" in done.stderr


def test_a_flow_that_does_not_exist_is_a_sentence(penstock: Penstock, flow_file: Path) -> None:
    done = penstock("render", "sums.py:trebled", "--inline")

    assert done.exit_code == 2
    assert "trebled" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("dockerfile", "typed", "expected"),
    [
        pytest.param(None, "etl/daily.py:daily", "etl/daily.py:daily", id="none"),
        pytest.param("Dockerfile", "etl/daily.py:daily", "etl/daily.py:daily", id="at the top"),
        pytest.param("etl/Dockerfile", "etl/daily.py:daily", "daily.py:daily", id="beside it"),
        pytest.param("etl/Containerfile", "./etl/daily.py:daily", "daily.py:daily", id="podman's"),
        pytest.param(None, "etl.daily:daily", "etl.daily:daily", id="a module"),
    ],
)
def test_the_entrypoint_counts_from_where_images_are_built(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dockerfile: str | None,
    typed: str,
    expected: str,
) -> None:
    (tmp_path / "etl").mkdir()
    if dockerfile:
        (tmp_path / dockerfile).touch()
    monkeypatch.chdir(tmp_path)

    assert cluster_entrypoint(typed) == expected


def test_a_flow_outside_the_working_directory_is_named_by_its_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    assert cluster_entrypoint(f"{tmp_path}/daily.py:daily") == "daily.py:daily"


@pytest.mark.parametrize(
    ("text", "name"),
    [("My Flow!", "my-flow"), ("_private_", "private"), ("x" * 60, "x" * 52)],
)
def test_names_become_what_kubernetes_allows(text: str, name: str) -> None:
    assert object_name(text) == name


def test_schedules_are_rendered_behind_the_flow(penstock: Penstock, flow_file: Path) -> None:
    done = penstock(
        *("render", "sums.py:doubled_sum", "--image", "i", "--name", "nightly", "-n", "team-a"),
        *("--cron", "30 2 * * *", "--tz", "Europe/Zurich"),
    )

    flow, schedule = yaml.safe_load_all(done.stdout)
    assert flow["kind"] == "Flow"
    assert schedule == {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "Schedule",
        "metadata": {"name": "nightly", "namespace": "team-a"},
        "spec": {
            "flowRef": {"name": "nightly"},
            "cron": "30 2 * * *",
            "timeZone": "Europe/Zurich",
        },
    }


def test_a_rule_that_cannot_be_read_is_said_before_anything_is_written(
    penstock: Penstock, flow_file: Path
) -> None:
    done = penstock("render", "sums.py:doubled_sum", "--image", "i", "--cron", "soon")

    assert (done.exit_code, done.stdout) == (2, "")
    assert "'soon' is no cron line" in done.stderr


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        pytest.param(["--tz", "Europe/Zurich"], "--cron", id="a zone without a rule"),
        pytest.param(
            ["--tz", "Europe/Zurich", "--interval", "60"], "--cron", id="a zone of an interval"
        ),
        pytest.param(
            ["--collision-strategy", "CancelNew"], "--concurrency-limit", id="a strategy alone"
        ),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    penstock: Penstock, flow_file: Path, words: list[str], missing: str
) -> None:
    done = penstock("render", "sums.py:doubled_sum", "--image", "i", *words)

    assert (done.exit_code, done.stdout) == (2, "")
    assert missing in done.stderr


@pytest.mark.parametrize(
    ("name", "told"),
    [
        pytest.param("Foo_Bar", "such as foo-bar.", id="letters and signs"),
        pytest.param("x" * 53, f"such as {'x' * 52}.", id="too long"),
        pytest.param("___", "begins and ends with a letter or digit.", id="nothing to keep"),
    ],
)
def test_a_name_that_no_flow_can_have_is_refused_with_one_that_it_can(
    penstock: Penstock, flow_file: Path, name: str, told: str
) -> None:
    done = penstock("render", "sums.py:doubled_sum", "--image", "i", "--name", name)

    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr.replace("\n", " ")
