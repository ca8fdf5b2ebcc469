"""`kubectl penstock limit`: the ConcurrencyLimits of a namespace."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from penstock.cli.cluster import Cluster, Object
from penstock.cli.errors import ApiError
from penstock.concurrency.book import Book, Terms
from penstock.concurrency.limits import OF_TAG


def set_limit(cluster: Cluster, limit: str, slots: int, *, decay: float | None) -> str:
    """Apply the object of a limit, with the decay that it has if none is given; return its name."""
    name = object_name(limit)
    decay_before = _decay_of(cluster, name)
    spec: Object = {"limit": slots}
    if decay is None:
        decay = decay_before
    if decay:
        spec["slotDecayPerSecond"] = decay
    elif decay_before:  # perhaps written by another tool, from whom an apply takes nothing away
        cluster.merge(
            cluster.path("concurrencylimits", name), {"spec": {"slotDecayPerSecond": None}}
        )
    if limit.startswith(OF_TAG):
        spec["tag"] = limit.removeprefix(OF_TAG)
    body = {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "ConcurrencyLimit",
        "metadata": {"name": name},
        "spec": spec,
    }
    cluster.apply(cluster.path("concurrencylimits", name), body)
    return name


def _decay_of(cluster: Cluster, name: str) -> float | None:
    try:
        spec: Object = cluster.get(cluster.path("concurrencylimits", name))["spec"]
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return None
    return spec.get("slotDecayPerSecond")


def limit_rows(cluster: Cluster) -> list[dict[str, Any]]:
    """Return how each limit of the namespace stands."""
    return [_row(item) for item in cluster.items(cluster.path("concurrencylimits"))]


def _row(item: Object) -> dict[str, Any]:
    terms, book = Terms.read(item["spec"]), Book.read(item.get("status") or {})
    return {
        "name": item["metadata"]["name"],
        "limit": terms.limit,
        "taken": book.held + round(book.filled_by(datetime.now(UTC), terms=terms), 3),
        "waiting": len(book.waiting),
        "decay": terms.decay,
    }


def delete_limit(cluster: Cluster, name: str) -> bool:
    """Delete the object of a limit; tell whether there was one."""
    try:
        cluster.delete(cluster.path("concurrencylimits", object_name(name)))
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return False
    return True


def object_name(name: str) -> str:
    """Return the name of a limit's object: that of a tag's has no colon."""
    return name.replace(OF_TAG, "tag-", 1) if name.startswith(OF_TAG) else name
