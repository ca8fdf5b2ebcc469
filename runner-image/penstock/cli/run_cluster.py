"""Make a run of a flow in the cluster, after looking at whether it can work."""

from __future__ import annotations

from typing import Any

from penstock.cli.absence import named
from penstock.cli.cluster import Cluster, Object
from penstock.cli.errors import ApiError, CommandError
from penstock.cli.schema import require_fit

LONGEST_STEM = 46
"""The API server adds five characters to a name's stem and its hyphen; a run's name has 52."""


def create_run(
    cluster: Cluster,
    flow: str,
    *,
    parameters: dict[str, Any],
    timeout_seconds: int | None,
    name: str | None = None,
    queue: str | None = None,
    priority: int | None = None,
) -> Object:
    """Create a FlowRun and return it; without a name it is named after its flow."""
    spec = read_flow(cluster, flow)["spec"]
    require_fit(
        {**spec.get("parameters", {}), **parameters},
        schema=spec.get("parameterSchema"),
        flow=flow,
    )
    body = run_manifest(flow, parameters=parameters, timeout_seconds=timeout_seconds)
    if name is not None:
        body["metadata"] = {"name": name}
    if queue is not None:
        _require_queue(cluster, queue, pool=spec.get("workPoolRef", {}).get("name", "default"))
        body["spec"]["queue"] = queue
    if priority is not None:
        body["spec"]["priority"] = priority
    return cluster.create(cluster.path("flowruns"), body)


def _require_queue(cluster: Cluster, queue: str, *, pool: str) -> None:
    """Refuse a queue that the pool lacks, for which the run would wait."""
    try:
        spec = cluster.get(cluster.path("workpools", pool))["spec"]
    except ApiError:
        return  # no such pool, or no right to look: the run says what it waits for
    queues = ["default", *(each["name"] for each in spec.get("queues", ()))]
    is_limited = spec.get("concurrency") is not None or len(queues) > 1
    if is_limited and queue not in queues:
        raise CommandError(
            f"The WorkPool {pool} has no queue {queue}; it has {', '.join(dict.fromkeys(queues))}."
        )


def run_manifest(
    flow: str, *, parameters: dict[str, Any], timeout_seconds: int | None
) -> dict[str, Any]:
    """Return a FlowRun that the API server names after its flow."""
    spec: dict[str, Any] = {"flowRef": {"name": flow}}
    if parameters:
        spec["parameters"] = parameters
    if timeout_seconds is not None:
        spec["timeoutSeconds"] = timeout_seconds
    return {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "FlowRun",
        "metadata": {"generateName": flow[:LONGEST_STEM].rstrip("-") + "-"},
        "spec": spec,
    }


def read_flow(cluster: Cluster, name: str) -> Object:
    """Return a Flow, or say which there are."""
    first = (
        "Apply one first: penstock render FILE:FLOW --image IMAGE "
        f"| kubectl apply -n {cluster.namespace} -f -"
    )
    with named(cluster, "flows", name, first=first):
        return cluster.get(cluster.path("flows", name))
