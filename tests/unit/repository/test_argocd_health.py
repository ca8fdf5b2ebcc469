"""The health check for Argo CD says of our objects what our own conditions mean."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa.lua51 import LuaRuntime  # type: ignore[import-untyped] # the version of Argo CD's

from penstock_operator.model.states import ReadyReason
from penstock_operator.reconcile.code import Fault
from penstock_operator.reconcile.readiness import readiness

CONFIG_MAP = Path(__file__).parents[3] / "examples/gitops/argocd-cm.yaml"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
READY = (ReadyReason.READY, "Runs are created when they are due.")
ENDED = {"Succeeded": "True", "Reconciling": "False", "Stalled": "False"}
ACTIVE = {"Succeeded": "Unknown", "Reconciling": "True", "Stalled": "False"}
FAILED = {"Succeeded": "False", "Reconciling": "False", "Stalled": "True"}


def health(
    conditions: list[dict[str, Any]], *, observed: int | None = 3, suspend: bool = False
) -> tuple[str, str | None]:
    """Run the script as Argo CD does: the object is a global, and no library is there."""
    (script,) = yaml.safe_load(
        yaml.safe_load(CONFIG_MAP.read_text())["data"]["resource.customizations"]
    ).values()
    status: dict[str, Any] = {"conditions": conditions}
    if observed is not None:
        status["observedGeneration"] = observed
    lua = LuaRuntime(unpack_returned_tuples=True)
    lua.globals().obj = lua.table_from(
        {"metadata": {"generation": 3}, "spec": {"suspend": suspend}, "status": status},
        recursive=True,
    )
    answer = lua.execute(script["health.lua"])
    return answer.status, answer.message


def _written(verdict: Any) -> list[dict[str, Any]]:
    conditions = readiness(verdict, old=(), generation=3, now=NOW)
    return [each.to_wire() for each in conditions]


def _of_run(states: dict[str, str]) -> list[dict[str, Any]]:
    return [{"type": each, "status": state, "message": "m"} for each, state in states.items()]


def test_what_is_ready_is_healthy() -> None:
    assert health(_written(READY)) == ("Healthy", "Runs are created when they are due.")


def test_what_a_person_must_mend_is_degraded_with_the_sentence() -> None:
    fault = Fault(ReadyReason.FLOW_NOT_FOUND, "There is no Flow daily in its namespace.")

    assert health(_written(fault)) == ("Degraded", "There is no Flow daily in its namespace.")


def test_what_is_suspended_on_purpose_is_suspended() -> None:
    assert health(_written(READY), suspend=True)[0] == "Suspended"


@pytest.mark.parametrize("observed", [-1, 2])
def test_what_the_operator_has_not_seen_goes_on(observed: int) -> None:
    assert health(_written(READY), observed=observed)[0] == "Progressing"


def test_a_kind_that_nobody_reconciles_is_healthy() -> None:
    assert health([], observed=None) == ("Healthy", None)


@pytest.mark.parametrize(
    ("states", "wanted"),
    [(ENDED, "Healthy"), (ACTIVE, "Progressing"), (FAILED, "Degraded")],
    ids=["completed", "active", "failed"],
)
def test_a_run_is_what_became_of_it(states: dict[str, str], wanted: str) -> None:
    assert health(_of_run(states))[0] == wanted
