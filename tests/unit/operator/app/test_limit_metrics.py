"""What Prometheus is told of ConcurrencyLimits."""

from __future__ import annotations

from penstock_operator.app.limit_metrics import limits_of
from penstock_operator.app.metrics import Metrics
from penstock_operator.kube.caches import Caches


def test_a_limit_shows_its_slots_who_has_them_and_who_waits() -> None:
    caches, metrics = Caches(), Metrics()
    entry = {"holder": "one", "uid": "u", "attempt": 1, "process": "p", "occupy": 2}
    entry["expiresAt"] = "2026-01-01T00:00:00Z"
    meta = {"namespace": "team", "name": "db", "uid": "uid-db", "resourceVersion": "1"}
    status = {"holders": [entry], "waiting": [entry | {"uid": "v"}]}
    caches.limits.put({"metadata": meta, "spec": {"limit": 3}, "status": status})
    caches.limits.put({"metadata": meta | {"name": "odd", "uid": "x"}, "spec": 3})
    metrics.watch_limits(lambda: limits_of(caches))

    text = metrics.text().decode()

    assert 'penstock_limit_slots{limit="db",namespace="team"} 3.0' in text
    assert 'penstock_limit_active_slots{limit="db",namespace="team"} 2.0' in text
    assert 'penstock_limit_waiting{limit="db",namespace="team"} 1.0' in text
    assert 'limit="odd"' not in text
