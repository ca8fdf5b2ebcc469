"""The plan of a WorkPool: let the runners of its namespace report, and say if it can launch."""

from datetime import datetime

from penstock_operator.model.states import ReadyReason
from penstock_operator.model.workpool import WorkPool, WorkPoolStatus
from penstock_operator.reconcile.actions import (
    Action,
    EnsureRoleBinding,
    EnsureServiceAccount,
    PatchPoolStatus,
    Plan,
    target_of,
)
from penstock_operator.reconcile.code import Fault
from penstock_operator.reconcile.manifests import role_binding_manifest, service_account_manifest
from penstock_operator.reconcile.names import RUNNER_ACCOUNT
from penstock_operator.reconcile.observed import (
    Look,
    Malformed,
    NotLooked,
    ObservedPool,
    RunnerAccess,
)
from penstock_operator.reconcile.readiness import readiness, usable
from penstock_operator.reconcile.settings import Settings
from penstock_operator.reconcile.usable import pool_fault
from penstock_operator.reconcile.wire import text


def plan_pool(observed: ObservedPool, *, now: datetime, settings: Settings) -> Plan:
    """Plan what a WorkPool needs to launch runs. Its status is written after its accounts exist:
    runs wait for that."""
    pool = observed.pool
    if pool.metadata.deletion_timestamp is not None:
        return Plan()
    if isinstance(observed.access, NotLooked):
        return Plan(need=frozenset({Look.ACCESS}))
    granted = _granted(pool, access=observed.access, settings=settings)
    verdict = (
        Fault(ReadyReason.MALFORMED, pool.sentence)
        if isinstance(pool, Malformed)
        else (pool_fault(pool) or usable("Runs can be launched.", suspended=pool.spec.suspend))
    )
    old = pool if isinstance(pool, Malformed) else pool.status
    generation = pool.metadata.generation
    status = WorkPoolStatus(
        observed_generation=generation,
        conditions=readiness(verdict, old=old.conditions, generation=generation, now=now),
    )
    if status.conditions == old.conditions and old.observed_generation == generation:
        return Plan(actions=granted)
    return Plan(actions=(*granted, PatchPoolStatus(target_of(pool.metadata), status)))


def _granted(
    pool: WorkPool | Malformed, *, access: RunnerAccess, settings: Settings
) -> tuple[Action, ...]:
    namespace, role = pool.metadata.namespace, settings.runner_cluster_role
    account = own_account(pool)
    actions: list[Action] = []
    if account is None and RUNNER_ACCOUNT not in access.service_accounts:
        manifest = service_account_manifest(RUNNER_ACCOUNT, namespace=namespace)
        actions.append(EnsureServiceAccount(manifest))
    name = binding_name(pool)
    subject = account or RUNNER_ACCOUNT
    bound = next((each for each in access.bindings if each.name == name), None)
    if bound is None or bound.role != role or subject not in bound.service_accounts:
        manifest = role_binding_manifest(name, namespace=namespace, account=subject, role=role)
        replace = bound is not None and bound.role != role
        actions.append(EnsureRoleBinding(manifest, replace=replace))
    return tuple(actions)


def own_account(pool: WorkPool | Malformed) -> str | None:
    """Return the ServiceAccount that the pool's template names; it belongs to other hands."""
    if isinstance(pool, Malformed) or pool.spec.pod_template is None:
        return None
    account = text(pool.spec.pod_template.spec, "serviceAccountName")
    return account if account not in ("", RUNNER_ACCOUNT) else None


def binding_name(pool: WorkPool | Malformed) -> str:
    """Name the RoleBinding: one for all pools with the runner's account, else the pool's own."""
    own = own_account(pool)
    return RUNNER_ACCOUNT if own is None else f"{RUNNER_ACCOUNT}-{pool.metadata.name}"
