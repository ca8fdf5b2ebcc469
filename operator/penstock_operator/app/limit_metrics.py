"""How each ConcurrencyLimit stands, for Prometheus: read off the cache when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from penstock_operator.kube.caches import Caches
from penstock_operator.reconcile import reading
from penstock_operator.reconcile.views import LimitView

_LIMIT = ["namespace", "limit"]


def limits_of(caches: Caches) -> Iterator[LimitView]:
    """Return all limits that can be read."""
    for raw in caches.limits:
        limit = reading.read_limit(raw)
        if isinstance(limit, LimitView):
            yield limit


class LimitCollector:
    """Makes series of limits."""

    def __init__(self, limits: Callable[[], Iterable[LimitView]]) -> None:
        self._limits = limits

    def describe(self) -> Iterator[Metric]:
        return iter(_families())

    def collect(self) -> Iterator[Metric]:
        families = slots, active, waiting = _families()
        now = datetime.now(UTC)
        for limit in self._limits():
            names = [limit.metadata.namespace, limit.metadata.name]
            book, terms = limit.book, limit.terms
            slots.add_metric(names, terms.limit)
            active.add_metric(names, book.held + book.filled_by(now, terms=terms))
            waiting.add_metric(names, len(book.waiting))
        yield from families


def _families() -> tuple[GaugeMetricFamily, ...]:
    return (
        GaugeMetricFamily("penstock_limit_slots", "Slots of the ConcurrencyLimit.", labels=_LIMIT),
        GaugeMetricFamily(
            "penstock_limit_active_slots",
            "Slots that are held, or were taken by rate and have not come back.",
            labels=_LIMIT,
        ),
        GaugeMetricFamily(
            "penstock_limit_waiting", "Processes and runs that stand in its line.", labels=_LIMIT
        ),
    )
