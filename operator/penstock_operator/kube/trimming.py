"""What is kept of a watched object: as much as the plans read.

Ten thousand runs that wait are a normal day. Their reports tell people about tasks and results, and
their Jobs hold whole pod templates; the operator decides upon a few fields of either.
"""

from __future__ import annotations

import json
import sys
from typing import Any

Object = dict[str, Any]

_OF_A_REPORT = frozenset(
    {
        "protocol", "attempt", "podName", "podUID", "startedAt",
        "signals", "suspension", "outcome", "journal",
    }
)  # fmt: skip
_LONG = 200
_OF_A_JOB = ("apiVersion", "kind", "metadata", "status")


def shared(value: Any) -> Any:
    """Let equal strings be one: each answer of the API server brings the names of all fields, and
    the words of a status, anew. It halves what a run takes."""
    if isinstance(value, dict):
        return {sys.intern(name): shared(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shared(each) for each in value]
    return sys.intern(value) if isinstance(value, str) and len(value) < _LONG else value


def trim_run(run: Object) -> Object:
    """Leave out what a report tells people."""
    status = run.get("status")
    report = status.get("execution") if isinstance(status, dict) else None
    if not isinstance(status, dict) or not isinstance(report, dict):
        return run
    kept = {field: value for field, value in report.items() if field in _OF_A_REPORT}
    return {**run, "status": {**status, "execution": kept}}


def trim_job(job: Object) -> Object:
    """Leave out the pod template, but for its grace period."""
    spec = job.get("spec")
    if not isinstance(spec, dict):
        return job
    template = spec.get("template")
    pod = template.get("spec") if isinstance(template, dict) else None
    grace = pod.get("terminationGracePeriodSeconds") if isinstance(pod, dict) else None
    kept: Object = {"suspend": spec.get("suspend")}
    if grace is not None:
        kept["template"] = {"spec": {"terminationGracePeriodSeconds": grace}}
    return {**{field: job[field] for field in _OF_A_JOB if field in job}, "spec": kept}


def trim_signal(signal: Object) -> Object:
    """Keep of the payload its size."""
    spec = signal.get("spec")
    if not isinstance(spec, dict) or "payload" not in spec:
        return signal
    kept = {field: value for field, value in spec.items() if field != "payload"}
    size = len(json.dumps(spec["payload"], ensure_ascii=False, separators=(",", ":")).encode())
    return {**signal, "spec": {**kept, "payloadBytes": size}}
