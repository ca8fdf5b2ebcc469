"""How each WorkPool stands, for Prometheus: read off the slots when somebody asks.

A series is there for each pool that exists and each queue that it lists, so what runs say in their
specs adds none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from penstock_operator.app.admission import Admission
from penstock_operator.kube.caches import Caches, Name
from penstock_operator.model.states import ConditionStatus, ConditionType
from penstock_operator.reconcile import reading
from penstock_operator.reconcile.pools import use_by_queue
from penstock_operator.reconcile.views import Malformed

_POOL = ["namespace", "pool"]
_QUEUE = [*_POOL, "queue"]


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """One pool, at this moment."""

    namespace: str
    name: str
    is_ready: bool
    limit: int | None
    """spec.concurrency."""
    oldest_wait_seconds: float = 0.0
    by_queue: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """How many runs hold a slot, and how many wait, by queue."""


def pool_figures(caches: Caches, admission: Admission) -> Iterator[PoolFigures]:
    """Return how all pools stand now."""
    for raw in caches.pools:
        pool = reading.read_pool(raw)
        namespace, name = pool.metadata.namespace, pool.metadata.name
        if isinstance(pool, Malformed):
            yield PoolFigures(namespace, name, is_ready=False, limit=None)
            continue
        use = admission.use_of(Name(namespace, name))
        since = use.waiting_since
        yield PoolFigures(
            namespace,
            name,
            is_ready=any(
                each.type == ConditionType.READY and each.status == ConditionStatus.TRUE
                for each in pool.status.conditions
            ),
            limit=pool.spec.concurrency,
            oldest_wait_seconds=(datetime.now(UTC) - since).total_seconds() if since else 0.0,
            by_queue=use_by_queue(pool, use),
        )


class PoolCollector:
    """Makes series of figures."""

    def __init__(self, figures: Callable[[], Iterable[PoolFigures]]) -> None:
        self._figures = figures

    def describe(self) -> Iterator[Metric]:
        return iter(_families())

    def collect(self) -> Iterator[Metric]:
        families = active, queued, oldest, limit, ready = _families()
        for pool in self._figures():
            names = [pool.namespace, pool.name]
            oldest.add_metric(names, pool.oldest_wait_seconds)
            ready.add_metric(names, float(pool.is_ready))
            if pool.limit is not None:
                limit.add_metric(names, pool.limit)
            for queue, (at_work, waiting) in pool.by_queue.items():
                active.add_metric([*names, queue], at_work)
                queued.add_metric([*names, queue], waiting)
        yield from families


def _families() -> tuple[GaugeMetricFamily, ...]:
    return (
        GaugeMetricFamily(
            "penstock_pool_active_runs", "Runs that hold a slot of the pool.", labels=_QUEUE
        ),
        GaugeMetricFamily(
            "penstock_pool_queued_runs", "Runs that wait for a slot of the pool.", labels=_QUEUE
        ),
        GaugeMetricFamily(
            "penstock_pool_oldest_wait_seconds",
            "For how long the oldest of the runs that wait has existed; 0 if none waits.",
            labels=_POOL,
        ),
        GaugeMetricFamily(
            "penstock_pool_concurrency", "The pool's limit, where it has one.", labels=_POOL
        ),
        GaugeMetricFamily(
            "penstock_pool_ready", "1 if the pool can launch runs, else 0.", labels=_POOL
        ),
    )
