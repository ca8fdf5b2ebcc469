"""``flow.deploy`` prints the Flow, applies it, and says what to do where it cannot."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from tests.integration.cli.apiserver import of, serving

import penstock
from penstock import flow
from penstock.deploying import DeployError
from penstock.loading import load_flow
from penstock.schedules import Cron, Interval

PATH = "/apis/penstock.dev/v1alpha1/namespaces/default/flows/nightly"


def test_a_deployed_flow_is_printed_and_applied(
    flow_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed = load_flow("sums.py:doubled_sum")
    with serving() as script:
        monkeypatch.setenv("KUBECONFIG", str(script.kubeconfig(flow_file.parent)))
        script.on(PATH, of({}))
        manifest = deployed.deploy(
            "nightly",
            image="x:1",
            work_pool_name="big",
            work_queue_name="urgent",
            concurrency_limit=2,
            parameters={"label": "all"},
        )

    assert yaml.safe_load(capsys.readouterr().out) == manifest
    assert manifest["spec"]["entrypoint"] == "sums.py:doubled_sum"
    assert manifest["spec"]["parameters"] == {"label": "all"}
    assert manifest["spec"]["workPoolRef"] == {"name": "big"}
    assert manifest["spec"]["queue"] == "urgent"
    assert manifest["spec"]["concurrency"] == {"limit": 2, "strategy": "Enqueue"}


def test_several_flows_are_deployed_at_once(
    flow_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums, broken = load_flow("sums.py:doubled_sum"), load_flow("sums.py:broken")
    with serving() as script:
        monkeypatch.setenv("KUBECONFIG", str(script.kubeconfig(flow_file.parent)))
        script.on(PATH, of({}))
        script.on(PATH.replace("nightly", "broken"), of({}))
        made = penstock.deploy(
            sums.to_deployment("nightly", parameters={"numbers": [1]}),
            broken.to_deployment(),
            image="x:1",
        )

    assert [each["metadata"]["name"] for each in made] == ["nightly", "broken"]
    assert [path for _, path, _ in script.seen] == [PATH, PATH.replace("nightly", "broken")]
    assert made[0]["spec"]["parameters"] == {"numbers": [1]}


def test_what_is_no_deployment_is_refused() -> None:
    with pytest.raises(TypeError, match="deploy takes deployments"):
        penstock.deploy(image="x:1")


def test_a_flow_from_a_folder_is_deployed_with_its_place_in_it(
    flow_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image of the folder has the file at the same place."""
    (flow_file.parent / "etl").mkdir()
    flow_file.rename(flow_file.parent / "etl/loads.py")
    deployed = flow.from_source(flow_file.parent, "etl/loads.py:doubled_sum")
    with serving() as script:
        monkeypatch.setenv("KUBECONFIG", str(script.kubeconfig(flow_file.parent)))
        script.on(PATH, of({}))
        manifest = deployed.deploy("nightly", image="x:1")

    assert manifest["spec"]["entrypoint"] == "etl/loads.py:doubled_sum"


def test_without_a_cluster_the_command_to_use_instead_is_named(flow_file: Path) -> None:
    deployed = load_flow("sums.py:doubled_sum")

    with pytest.raises(DeployError, match=r"render .*sums.py:doubled_sum --image x:1 --name n \|"):
        deployed.deploy("n", image="x:1")
    with pytest.raises(DeployError, match=r"--concurrency-limit 1 --collision-strategy Enqueue"):
        deployed.deploy("n", image="x:1", concurrency_limit=1)


def test_schedules_are_applied_with_the_flow(
    flow_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed = load_flow("sums.py:doubled_sum")
    paths = [PATH.replace("flows/", "schedules/") + tail for tail in ("-1", "-2")]
    with serving() as script:
        monkeypatch.setenv("KUBECONFIG", str(script.kubeconfig(flow_file.parent)))
        for path in (PATH, *paths):
            script.on(path, of({}))
        deployed.deploy(
            "nightly",
            image="x:1",
            cron="0 6 * * mon-fri",
            schedule=Interval(90, datetime(2026, 1, 1, tzinfo=UTC)),
        )

    _, *schedules = yaml.safe_load_all(capsys.readouterr().out)
    assert [path for _, path, _ in script.seen] == [PATH, *paths]
    assert [each["spec"] for each in schedules] == [
        {"flowRef": {"name": "nightly"}, "cron": "0 6 * * mon-fri", "timeZone": "UTC"},
        {
            "flowRef": {"name": "nightly"},
            "interval": {"seconds": 90, "anchor": "2026-01-01T00:00:00Z"},
        },
    ]


def test_what_no_schedule_object_can_say_is_refused(flow_file: Path) -> None:
    deployed = load_flow("sums.py:doubled_sum")

    with pytest.raises(DeployError, match="recurrence rule"):
        deployed.deploy(image="x:1", schedule=Cron("0 0 13 * fri", day_or=False))
    with pytest.raises(DeployError, match="whole seconds"):
        deployed.deploy(image="x:1", interval=1.5)
    with pytest.raises(TypeError, match="has no option crno; it has cron"):
        deployed.deploy(image="x:1", crno="@daily")  # type: ignore[call-arg]


def test_a_parameter_that_the_flow_lacks_is_named(flow_file: Path) -> None:
    with pytest.raises(DeployError, match="has no parameter lable; it has numbers, label"):
        load_flow("sums.py:doubled_sum").deploy(image="x:1", parameters={"lable": 1})


def test_a_flow_that_is_in_no_file_cannot_be_deployed() -> None:
    with pytest.raises(DeployError, match="not at the top of a file"):
        flow(lambda: None).deploy(image="x:1")
