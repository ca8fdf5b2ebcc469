"""Which snapshots are deleted: those that no run will start from any more."""

from datetime import datetime, timedelta

from penstock_operator.reconcile.actions import DeleteSnapshot, Plan
from penstock_operator.reconcile.views import SnapshotView

YOUNG = timedelta(minutes=10)
"""A snapshot is made before anything names it."""


def plan_snapshots(
    snapshots: tuple[SnapshotView, ...], *, wanted: frozenset[tuple[str, str]], now: datetime
) -> Plan:
    """Plan the deletion of those whose namespace and name are not wanted: neither the current one
    of a Flow, nor pinned by an unfinished run."""
    return Plan(
        actions=tuple(
            DeleteSnapshot(namespace=each.namespace, name=each.name, uid=each.uid)
            for each in snapshots
            if (each.namespace, each.name) not in wanted and now - each.created_at > YOUNG
        )
    )
