"""The examples for git: applied by one tool, looked after by the operator, healed by another tool.

Whoever keeps objects in git compares them with what is in the cluster, waits until they are
current, and takes away what git has no more. None of that may meet the operator's own writes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml
from tests.integration.world import Operator, World, eventually

EXAMPLES = Path(__file__).parents[2] / "examples"
PLURALS = {"Flow": "flows", "WorkPool": "workpools", "Schedule": "schedules"}

Object = dict[str, Any]
Kubectl = Callable[..., CompletedProcess[str]]


@pytest.fixture
def kubectl(world: World) -> Kubectl:
    """Run kubectl in the namespace of the test."""
    return lambda *arguments: world.api.kubectl("-n", world.namespace, *arguments)


def _apply(kubectl: Kubectl, folder: Path) -> list[str]:
    done = kubectl("apply", "-k", str(folder))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _objects(world: World, kubectl: Kubectl, folder: Path) -> list[Object]:
    """Return the objects of a folder as they are in the cluster."""
    wanted = yaml.safe_load_all(kubectl("kustomize", str(folder)).stdout)
    found = [world.get(PLURALS[each["kind"]], each["metadata"]["name"]) for each in wanted]
    return [each for each in found if each is not None]


def _schedule(world: World) -> Object:
    found = world.get("schedules", "report-nightly")
    assert found is not None
    return found


def _kstatus(obj: Object) -> str:
    """Compute the status as Flux and kpt do."""
    status = obj.get("status") or {}
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or ()}
    if (
        status.get("observedGeneration", obj["metadata"]["generation"])
        != (obj["metadata"]["generation"])
    ):
        return "InProgress"
    if conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    return "InProgress" if conditions.get("Ready", "True") != "True" else "Current"


@pytest.mark.parametrize("folder", ["schedules/base", "pools"])
def test_what_git_holds_stays_as_it_is_while_the_operator_works(
    world: World, operator: Operator, kubectl: Kubectl, folder: str
) -> None:
    created = _apply(kubectl, EXAMPLES / folder)
    kinds = ",".join({kind.lower() for kind in PLURALS if kind != "Schedule" or "sch" in folder})
    done = kubectl("wait", "--for=condition=Ready", "--timeout=60s", kinds, "--all")
    again = _apply(kubectl, EXAMPLES / folder)
    difference = kubectl("diff", "-k", str(EXAMPLES / folder))
    healed = kubectl(
        *("apply", "--server-side", "--dry-run=server", "--field-manager=healer"),
        *("-o", "yaml", "-k", str(EXAMPLES / folder)),
    )

    assert done.returncode == 0, done.stderr
    assert all(line.endswith(" created") for line in created)
    assert all(line.endswith(" unchanged") for line in again)
    assert (difference.returncode, difference.stdout) == (0, "")
    assert healed.returncode == 0, healed.stderr
    for obj in _objects(world, kubectl, EXAMPLES / folder):
        assert _kstatus(obj) == "Current"
        assert obj["metadata"]["generation"] == 1
        for manager in obj["metadata"]["managedFields"]:
            if manager["manager"] == "penstock-operator":
                assert manager["subresource"] == "status"
                assert set(manager["fieldsV1"]) == {"f:status"}


def test_a_backfill_begins_and_ends_by_what_is_merged(
    world: World, operator: Operator, kubectl: Kubectl
) -> None:
    _apply(kubectl, EXAMPLES / "schedules/base")
    _apply(kubectl, EXAMPLES / "schedules/backfill")
    first = eventually(lambda: world.get("flowruns", "report-nightly-20260110013000"), within=60)
    assert kubectl("diff", "-k", str(EXAMPLES / "schedules/backfill")).returncode == 0

    _apply(kubectl, EXAMPLES / "schedules/base")
    eventually(lambda: not _schedule(world)["status"].get("backfills"), within=60)

    assert first["spec"]["parameters"] == {"day": "2026-01-10"}
    assert first["metadata"]["labels"]["penstock.dev/backfill"] == "january"
    assert "ownerReferences" not in first["metadata"]
    assert world.get("flowruns", first["metadata"]["name"]) is not None


def test_what_waits_for_another_object_is_failed_until_it_is_there(
    world: World, operator: Operator, kubectl: Kubectl
) -> None:
    """Flux and Argo CD apply in any order: a Schedule may come before its Flow."""
    schedules = EXAMPLES / "schedules/base/schedules.yaml"
    assert kubectl("apply", "-f", str(schedules)).returncode == 0

    eventually(lambda: _kstatus(_schedule(world)) == "Failed", within=60)
    _apply(kubectl, EXAMPLES / "schedules/base")

    eventually(lambda: _kstatus(_schedule(world)) == "Current", within=60)
