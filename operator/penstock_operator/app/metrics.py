"""What the operator counts, for Prometheus. No series carries a run's name."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from penstock_operator.app.limit_metrics import LimitCollector
from penstock_operator.app.pool_metrics import PoolCollector, PoolFigures
from penstock_operator.reconcile.views import LimitView

_RECONCILE_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)
_LAUNCH_BUCKETS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15, 60, 300, 1800)


class Metrics:
    """The series of one operator, in a registry of its own so that tests can run several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.runs = Counter(
            "penstock_runs",
            "Runs that reached a terminal state.",
            ["state"],
            registry=self.registry,
        )
        self.launches = Counter(
            "penstock_run_launches", "Jobs created for runs.", registry=self.registry
        )
        self.recoveries = Counter(
            "penstock_run_recoveries",
            "Runs launched again after a loss.",
            ["cause"],
            registry=self.registry,
        )
        self.wakes = Counter(
            "penstock_run_wakes",
            "Runs launched again after a wait without a pod.",
            ["cause"],
            registry=self.registry,
        )
        self.unstored = Counter(
            "penstock_unstored_results",
            "Results that no store took, of attempts that are over.",
            registry=self.registry,
        )
        self.signals = Counter(
            "penstock_signals",
            "Signals by what became of them.",
            ["state"],
            registry=self.registry,
        )
        self.reconcile_seconds = Histogram(
            "penstock_reconcile_seconds",
            "Time one reconcile took, its API calls included.",
            ["kind"],
            buckets=_RECONCILE_BUCKETS,
            registry=self.registry,
        )
        self.reconcile_errors = Counter(
            "penstock_reconcile_errors",
            "Reconciles that failed and were put back with backoff.",
            ["kind"],
            registry=self.registry,
        )
        self.api_writes = Counter(
            "penstock_api_writes",
            "Writes that the API server took from this operator, Lease renewals apart.",
            ["verb", "resource"],
            registry=self.registry,
        )
        self.watch_repairs = Counter(
            "penstock_watch_repairs",
            "Objects that a resync found changed or gone without an event.",
            ["kind"],
            registry=self.registry,
        )
        self.launch_delay = Histogram(
            "penstock_launch_delay_seconds",
            "From a run's creation to the creation of its first Job.",
            buckets=_LAUNCH_BUCKETS,
            registry=self.registry,
        )
        self.skipped_ticks = Counter(
            "penstock_schedule_skipped_ticks",
            "Moments of Schedules that got no run.",
            ["reason"],
            registry=self.registry,
        )
        self.schedule_lag = Histogram(
            "penstock_schedule_lag_seconds",
            "From when a run of a Schedule was due to its creation.",
            buckets=_LAUNCH_BUCKETS,
            registry=self.registry,
        )
        self.leader = Gauge(
            "penstock_leader", "1 on the operator that holds the Lease.", registry=self.registry
        )
        self._queue_depth = Gauge(
            "penstock_queue_depth", "Keys that wait for a worker.", registry=self.registry
        )
        self._unfinished_runs = Gauge(
            "penstock_unfinished_runs", "Runs that have not ended.", registry=self.registry
        )

        self._suspended_runs = Gauge(
            "penstock_suspended_runs", "Runs that wait without a pod.", registry=self.registry
        )

    def watch_sizes(
        self,
        *,
        queue_depth: Callable[[], float],
        unfinished_runs: Callable[[], float],
        suspended_runs: Callable[[], float],
    ) -> None:
        """Take these figures at the time of each scrape."""
        self._queue_depth.set_function(queue_depth)
        self._unfinished_runs.set_function(unfinished_runs)
        self._suspended_runs.set_function(suspended_runs)

    def watch_pools(self, figures: Callable[[], Iterable[PoolFigures]]) -> None:
        """Take how the WorkPools stand at the time of each scrape."""
        self.registry.register(PoolCollector(figures))

    def watch_limits(self, limits: Callable[[], Iterable[LimitView]]) -> None:
        """Take how the ConcurrencyLimits stand at the time of each scrape."""
        self.registry.register(LimitCollector(limits))

    def text(self) -> bytes:
        return generate_latest(self.registry)
