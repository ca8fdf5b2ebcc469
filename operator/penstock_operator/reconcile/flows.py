"""The plan of a Flow: keep the snapshot that its next run starts from, and say whether it can run.

The snapshot is made when the Flow changes, so that launching a run does not cost a write for it.
"""

from datetime import datetime, timedelta

from penstock_operator.model.flow import Flow, FlowStatus
from penstock_operator.model.states import ReadyReason
from penstock_operator.model.workpool import WorkPool
from penstock_operator.reconcile.actions import CreateSnapshot, PatchFlowStatus, Plan, target_of
from penstock_operator.reconcile.code import Code, Fault, code_of, snapshot_manifest
from penstock_operator.reconcile.observed import Look, NotLooked, ObservedFlow
from penstock_operator.reconcile.readiness import readiness, usable
from penstock_operator.reconcile.settings import Settings
from penstock_operator.reconcile.usable import flow_fault
from penstock_operator.reconcile.views import Malformed

SOURCE_CHANGES, SOURCE_APPEARS = timedelta(seconds=60), timedelta(seconds=5)
"""How often a ConfigMap is looked at that a Flow has its code from, and one that is of no use."""


def plan_flow(observed: ObservedFlow, *, now: datetime, settings: Settings) -> Plan:
    """Plan what a Flow needs for its next run."""
    flow = observed.flow
    if flow.metadata.deletion_timestamp is not None:
        return Plan()
    if isinstance(flow, Malformed):
        return _plan_malformed(flow, now=now)
    if flow.spec.source.config_map is not None and isinstance(observed.source, NotLooked):
        return Plan(need=frozenset({Look.SOURCE}))
    source = None if isinstance(observed.source, NotLooked) else observed.source
    code = _launchable(code_of(flow, source=source), pool=observed.pool, settings=settings)
    verdict = (
        code
        if isinstance(code, Fault)
        else usable("Runs of this flow can start.", suspended=flow.spec.suspend)
    )
    version = code.version if isinstance(code, Code) else None
    generation = flow.metadata.generation
    status = FlowStatus(
        observed_generation=generation,
        code_version=version,
        conditions=readiness(verdict, old=flow.status.conditions, generation=generation, now=now),
    )
    again = _next_look(flow, code)
    if status == flow.status:
        return Plan(requeue_after=again)
    patch = PatchFlowStatus(target_of(flow.metadata), status)
    if isinstance(code, Code) and version != flow.status.code_version:
        manifest = snapshot_manifest(code, namespace=flow.metadata.namespace)
        return Plan(actions=(CreateSnapshot(manifest), patch), requeue_after=again)
    return Plan(actions=(patch,), requeue_after=again)


def _next_look(flow: Flow, code: Code | Fault) -> timedelta | None:
    """Return when to look at the Flow's ConfigMap again, which nothing watches."""
    if flow.spec.source.config_map is None:
        return None
    return SOURCE_CHANGES if isinstance(code, Code) else SOURCE_APPEARS


def _launchable(
    code: Code | Fault, *, pool: WorkPool | Malformed | None, settings: Settings
) -> Code | Fault:
    if isinstance(code, Fault):
        return code
    known = pool if isinstance(pool, WorkPool) else None
    return flow_fault(code, pool=known, settings=settings) or code


def _plan_malformed(flow: Malformed, *, now: datetime) -> Plan:
    generation = flow.metadata.generation
    fault = Fault(ReadyReason.MALFORMED, flow.sentence)
    conditions = readiness(fault, old=flow.conditions, generation=generation, now=now)
    if conditions == flow.conditions and flow.observed_generation == generation:
        return Plan()
    status = FlowStatus(observed_generation=generation, conditions=conditions)
    return Plan(actions=(PatchFlowStatus(target_of(flow.metadata), status),))
