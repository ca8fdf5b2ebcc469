"""The plan of a WorkPool: let the runners of its namespace report, and say if it can launch."""

from datetime import datetime, timedelta
from typing import Any

from penstock_operator.model.states import ReadyReason
from penstock_operator.model.workpool import QueueStatus, WorkPool, WorkPoolStatus
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
from penstock_operator.reconcile.names import DEFAULT_QUEUE, RUNNER_ACCOUNT
from penstock_operator.reconcile.observed import (
    Look,
    NotLooked,
    ObservedPool,
    PoolUse,
    RunnerAccess,
)
from penstock_operator.reconcile.readiness import readiness, usable
from penstock_operator.reconcile.settings import Settings
from penstock_operator.reconcile.text import quote
from penstock_operator.reconcile.usable import pool_fault
from penstock_operator.reconcile.views import Malformed
from penstock_operator.reconcile.wire import text


def plan_pool(observed: ObservedPool, *, now: datetime, settings: Settings) -> Plan:
    """Plan what a WorkPool needs to launch runs. Its status is written after its accounts exist:
    runs wait for that."""
    pool = observed.pool
    if pool.metadata.deletion_timestamp is not None:
        return Plan()
    unread = isinstance(observed.unreadable, NotLooked) and _has_untried_template(pool)
    if isinstance(observed.access, NotLooked) or unread:
        return Plan(need=frozenset({Look.ACCESS, *((Look.TEMPLATE,) if unread else ())}))
    granted = _granted(pool, access=observed.access, settings=settings)
    verdict = (
        Fault(ReadyReason.MALFORMED, pool.sentence)
        if isinstance(pool, Malformed)
        else (
            pool_fault(pool) or _reading_fault(observed.unreadable) or _usable(pool, observed.use)
        )
    )
    old = pool if isinstance(pool, Malformed) else pool.status
    generation = pool.metadata.generation
    status = WorkPoolStatus(
        observed_generation=generation,
        conditions=readiness(verdict, old=old.conditions, generation=generation, now=now),
        **_use(pool, observed.use, now=now),
    )
    if not _is_news(status, old=old):
        return Plan(actions=granted)
    return Plan(actions=(*granted, PatchPoolStatus(target_of(pool.metadata), status)))


def _usable(pool: WorkPool, use: PoolUse) -> tuple[ReadyReason, str]:
    """Say that runs can be launched, and what keeps from starting those that were."""
    reason, words = usable("Runs can be launched.", suspended=bool(pool.spec.suspend))
    if _tells_its_use(pool) and use.not_started:
        counts = ", ".join(f"{count} {each}" for each, count in use.not_started.items())
        words += f" Not started yet, though they hold a slot: {counts}."
    return reason, words


def _has_untried_template(pool: WorkPool | Malformed) -> bool:
    """Tell whether the API server is to be asked: the template is new, or it was at fault."""
    if isinstance(pool, Malformed) or pool.spec.pod_template is None:
        return False
    was_at_fault = any(
        each.reason == ReadyReason.INVALID_POD_TEMPLATE for each in pool.status.conditions
    )
    return was_at_fault or pool.status.observed_generation != pool.metadata.generation


def _reading_fault(unreadable: str | NotLooked) -> Fault | None:
    if isinstance(unreadable, NotLooked) or not unreadable:
        return None
    words = f"The API server cannot read spec.podTemplate: {quote(unreadable)}. Mend that field."
    return Fault(ReadyReason.INVALID_POD_TEMPLATE, words)


def _tells_its_use(pool: WorkPool) -> bool:
    """Only where that is limited: it costs writes."""
    return pool.spec.concurrency is not None or bool(pool.spec.queues)


def _use(pool: WorkPool | Malformed, use: PoolUse, *, now: datetime) -> dict[str, Any]:
    """Say how many are at work and wait."""
    if isinstance(pool, Malformed) or not _tells_its_use(pool):
        return {}
    shown = use_by_queue(pool, use)
    since = use.waiting_since
    # The API server's clock, which says when a run was created, may be ahead of ours.
    wait = max(timedelta(), now - since) if since is not None else None
    return {
        "active": sum(active for active, _ in shown.values()),
        "queued": sum(queued for _, queued in shown.values()),
        "oldest_wait_seconds": int(wait.total_seconds()) if wait is not None else None,
        "queues": tuple(
            QueueStatus(name=name, active=active, queued=queued)
            for name, (active, queued) in shown.items()
        ),
    }


def use_by_queue(pool: WorkPool, use: PoolUse) -> dict[str, tuple[int, int]]:
    """Return how many runs are at work and wait in each queue that the pool lists; those that were
    launched in others count to the one named default."""
    listed = {DEFAULT_QUEUE, *(each.name for each in pool.spec.queues)}
    shown = dict.fromkeys(sorted(listed), (0, 0))
    for queue, (active, queued) in use.by_queue.items():
        name = queue if queue in listed else DEFAULT_QUEUE
        shown[name] = (shown[name][0] + active, shown[name][1] + queued)
    return shown


def _is_news(status: WorkPoolStatus, *, old: WorkPoolStatus | Malformed) -> bool:
    if isinstance(old, Malformed):
        return (status.conditions, status.observed_generation) != (
            old.conditions,
            old.observed_generation,
        )
    # How long somebody waits is told when something else is: it changes with the clock.
    return status != old.model_copy(update={"oldest_wait_seconds": status.oldest_wait_seconds})


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
