"""What every launch is made of: the fence, the snapshot that it starts from, and the Job."""

from penstock_operator.model.flowrun import FlowRunStatus
from penstock_operator.reconcile.actions import Action, CreateJob, CreateSnapshot
from penstock_operator.reconcile.admission import Ready
from penstock_operator.reconcile.case import RunCase
from penstock_operator.reconcile.code import Code, snapshot_manifest
from penstock_operator.reconcile.manifests import job_manifest
from penstock_operator.reconcile.names import KUEUE, job_name
from penstock_operator.reconcile.pods import Launch
from penstock_operator.reconcile.status import Standing, status_with


def fenced(case: RunCase, standing: Standing, **changes: object) -> FlowRunStatus:
    """Return the status that makes the next attempt the current one."""
    attempt = case.status.attempt + 1
    return status_with(
        standing,
        run=case.run,
        now=case.now,
        attempt=attempt,
        job_name=job_name(case.name, attempt=attempt),
        started_at=case.started_at,
        **changes,
    )


def create_job(case: RunCase, ready: Ready, *, attempt: int) -> Action:
    """Start an attempt's pod."""
    launch = Launch(
        case.run,
        attempt,
        ready.code,
        ready.pool,
        ready.image,
        journals_are_full=case.observed.journals_are_full,
        job_labels=_labels_for_kueue(case, ready),
    )
    return CreateJob(
        manifest=job_manifest(launch),
        owner_uid=case.run.metadata.uid,
        run_created_at=case.run.metadata.creation_timestamp if attempt == 1 else None,
    )


def _labels_for_kueue(case: RunCase, ready: Ready) -> dict[str, str]:
    """Collect what the pool, the flow and the run say to Kueue; the nearest to the run counts."""
    flow = case.observed.flow
    carriers = (ready.pool.metadata, flow.metadata if flow is not None else None, case.run.metadata)
    return {
        name: value
        for each in carriers
        if each is not None
        for name, value in each.labels.items()
        if name.startswith(KUEUE)
    }


def create_snapshot(case: RunCase, code: Code) -> Action:
    """Keep what the run's launches start from."""
    return CreateSnapshot(snapshot_manifest(code, namespace=case.run.metadata.namespace))


def lost_snapshot(case: RunCase, code: Code) -> tuple[Action, ...]:
    """Put the snapshot back that somebody has deleted."""
    return (create_snapshot(case, code),) if case.observed.snapshot is None else ()
