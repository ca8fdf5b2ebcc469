"""`kubectl penstock limit`: the ConcurrencyLimits of a namespace."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from penstock.cli.cluster import Cluster, Object
from penstock.cli.errors import ApiError
from penstock.concurrency.book import Book, Terms
from penstock.concurrency.limits import OF_TAG, Limit


def set_limit(cluster: Cluster, limit: Limit) -> str:
    """Apply the object of a limit; return its name."""
    name = object_name(limit.name)
    spec: Object = {"limit": limit.slots}
    if limit.decay:
        spec["slotDecayPerSecond"] = limit.decay
    if limit.name.startswith(OF_TAG):
        spec["tag"] = limit.name.removeprefix(OF_TAG)
    body = {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "ConcurrencyLimit",
        "metadata": {"name": name},
        "spec": spec,
    }
    cluster.apply(cluster.path("concurrencylimits", name), body)
    return name


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
