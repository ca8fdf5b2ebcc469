"""Objects as the API server holds them, read and written back."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from penstock_operator.model.flow import Flow
from penstock_operator.model.flowrun import FlowRun, FlowRunStatus, WaitingFor
from penstock_operator.model.meta import Condition
from penstock_operator.model.states import (
    TERMINAL_STATES,
    ConditionStatus,
    ConditionType,
    Reason,
    State,
    WaitKind,
)
from penstock_operator.model.workpool import WorkPool

REPORT = {"protocol": 1, "attempt": 2, "podName": "daily-x7k2p-2-bcdfg", "podUID": "9f"}


def stored_run(**status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "FlowRun",
        "metadata": {
            "name": "daily-x7k2p",
            "namespace": "team",
            "uid": "1c",
            "resourceVersion": "42",
            "generation": 1,
            "creationTimestamp": "2026-11-20T08:00:00Z",
            "managedFields": [{"manager": "kubectl"}],
        },
        "spec": {"flowRef": {"name": "daily"}, "parameters": {"day": None}, "cancel": False},
        "status": {"observedGeneration": -1, **status},
    }


def test_a_new_run_is_read() -> None:
    run = FlowRun.model_validate(stored_run())

    assert run.metadata.namespace == "team"
    assert run.metadata.creation_timestamp == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert run.spec.flow_ref.name == "daily"
    assert run.spec.parameters == {"day": None}
    assert run.status == FlowRunStatus(observed_generation=-1)


def test_a_report_is_read() -> None:
    execution = FlowRun.model_validate(stored_run(execution=REPORT)).status.execution

    assert execution is not None
    assert (execution.attempt, execution.pod_uid, execution.outcome) == (2, "9f", None)


def test_fields_of_a_newer_definition_are_ignored() -> None:
    """No object may stop the operator."""
    body = stored_run(shiny=True, execution=REPORT | {"keepsakes": [1]})
    body["spec"]["queue"] = "fast"

    assert FlowRun.model_validate(body).status.execution is not None


def test_a_reason_of_a_newer_operator_is_read_as_none() -> None:
    """It is met after a rollback."""
    status = FlowRun.model_validate(stored_run(state="Pending", reason="Levitating")).status

    assert (status.state, status.reason) == (State.PENDING, None)


def test_an_object_that_makes_no_sense_is_an_error_to_catch() -> None:
    with pytest.raises(ValidationError, match="entrypoint"):
        Flow.model_validate({"metadata": {"name": "daily"}, "spec": {}})


def test_a_flow_without_a_source_has_its_code_in_the_image() -> None:
    flow = Flow.model_validate({"metadata": {"name": "d"}, "spec": {"entrypoint": "d:d"}})

    assert flow.spec.source.image is not None
    assert flow.spec.work_pool_ref.name == "default"


def test_a_pool_needs_no_spec() -> None:
    pool = WorkPool.model_validate({"metadata": {"name": "default"}})

    assert pool.spec.job.ttl_seconds_after_finished == 3600


def test_what_is_read_cannot_be_changed() -> None:
    run = FlowRun.model_validate(stored_run())

    with pytest.raises(ValidationError, match="frozen"):
        run.spec.cancel = True


def test_a_status_is_written_as_the_api_server_reads_it() -> None:
    now = datetime(2026, 11, 20, 8, 0, 1, tzinfo=UTC)
    status = FlowRunStatus(
        observed_generation=1,
        state=State.PENDING,
        reason=Reason.QUOTA_EXCEEDED,
        attempt=1,
        waiting_for=WaitingFor(kind=WaitKind.QUOTA, name="pods", since=now),
        conditions=(
            Condition(
                type=ConditionType.STALLED,
                status=ConditionStatus.TRUE,
                last_transition_time=now,
                reason=Reason.QUOTA_EXCEEDED,
            ),
        ),
    )

    assert status.to_wire() == {
        "observedGeneration": 1,
        "state": "Pending",
        "reason": "QuotaExceeded",
        "attempt": 1,
        "recoveries": 0,
        "crashes": 0,
        "journalEntries": 0,
        "waitingFor": {"kind": "Quota", "name": "pods", "since": "2026-11-20T08:00:01Z"},
        "conditions": [
            {
                "type": "Stalled",
                "status": "True",
                "lastTransitionTime": "2026-11-20T08:00:01Z",
                "reason": "QuotaExceeded",
                "message": "",
            }
        ],
    }


def test_a_run_ends_in_one_of_four_states() -> None:
    assert [state for state in State if state.is_terminal] == list(TERMINAL_STATES)
    assert set(TERMINAL_STATES) == {"Completed", "Failed", "Crashed", "Cancelled"}
