"""The run of a moment: its name, labels and parameters say which it is for."""

from datetime import UTC

from pydantic import JsonValue

from penstock_operator.model.schedule import Schedule, Start
from penstock_operator.model.schema import API_VERSION
from penstock_operator.reconcile.actions import CreateRun
from penstock_operator.reconcile.names import (
    BACKFILL_LABEL,
    FLOW_LABEL,
    MANAGED_BY,
    MOMENT_ANNOTATION,
    SCHEDULE_LABEL,
)
from penstock_operator.reconcile.scheduling.nominal import with_moment
from penstock_operator.reconcile.scheduling.rules import due_at, run_name


def create_run(schedule: Schedule, start: Start) -> CreateRun:
    """Make the run that was decided on; whoever makes it later makes the same."""
    meta, spec, moment = schedule.metadata, schedule.spec, start.at
    labels: dict[str, JsonValue] = {
        **MANAGED_BY,
        FLOW_LABEL: spec.flow_ref.name,
        SCHEDULE_LABEL: meta.name,
    }
    if start.backfill:
        labels[BACKFILL_LABEL] = start.backfill
    run: dict[str, JsonValue] = {"flowRef": {"name": spec.flow_ref.name}}
    if spec.parameters:
        run["parameters"] = with_moment(spec.parameters, moment, zone=spec.time_zone)
    return CreateRun(
        manifest={
            "apiVersion": API_VERSION,
            "kind": "FlowRun",
            "metadata": {
                "name": run_name(meta.name, moment),
                "namespace": meta.namespace,
                "labels": labels,
                "annotations": {MOMENT_ANNOTATION: f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"},
            },
            "spec": run,
        },
        due_at=None if start.backfill else due_at(moment, schedule=schedule),
    )
