"""Runs of flows in the cluster, started from Python: ``run_deployment("nightly")``.

A deployment is a Flow object: ``flow.deploy``, ``penstock.deploy`` or `penstock render` make one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, cast

from penstock import runtime
from penstock.absent import refuse_absent, refusing_options
from penstock.deploying import ConcurrencyLimitConfig, ConcurrencyLimitStrategy, deploy
from penstock.drivers.scope import current_scope
from penstock.flow_runs import ClusterRun, cluster_of, read_to_end, run_of
from penstock.tasks import task

__all__ = [
    "ConcurrencyLimitConfig",
    "ConcurrencyLimitStrategy",
    "arun_deployment",
    "deploy",
    "run_deployment",
]

LONGEST_STEM = 41
"""Of a name with ten digits: a run's name has 52 characters at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A run to be created, and how long to wait for its end."""

    flow: str
    namespace: str | None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None
    run_name: str | None

    def carried_out(self) -> ClusterRun:
        """Create the run, or take the one that has its name, and wait for its end."""
        from penstock.cli.errors import ApiError
        from penstock.cli.following import read_run
        from penstock.cli.run_cluster import create_run

        with cluster_of(self.namespace) as cluster:
            try:
                made = create_run(
                    cluster,
                    self.flow,
                    parameters=dict(self.parameters),
                    timeout_seconds=None,
                    name=self.run_name,
                )
            except ApiError as error:
                if error.status != 409 or self.run_name is None:
                    raise
                made = read_run(cluster, self.run_name)
            run = run_of(made)
        if self.timeout == 0:
            return run
        return read_to_end(run.name, namespace=run.namespace, timeout=self.timeout)

    def named_by_task(self) -> _Order:
        """Return the order of a run with a name that is the task run's own.

        A task that is killed while it waits is run again, and then finds the run that it began.
        """
        key = runtime.task_run.idempotency_key
        if self.run_name is not None or key is None:
            return self
        return replace(self, run_name=_name_of(self.flow, key=key))


def _name_of(flow: str, *, key: str) -> str:
    return f"{flow[:LONGEST_STEM].rstrip('-')}-{sha256(key.encode()).hexdigest()[:10]}"


def _as_task(order: _Order) -> ClusterRun:
    return order.named_by_task().carried_out()


async def _as_async_task(order: _Order) -> ClusterRun:
    return await asyncio.to_thread(order.named_by_task().carried_out)


@refusing_options("run_deployment")
def run_deployment(
    name: str,
    *,
    parameters: Mapping[str, Any] | None = None,
    timeout: float | None = None,
    flow_run_name: str | None = None,
    idempotency_key: str | None = None,
    as_subflow: bool = True,
    namespace: str | None = None,
) -> ClusterRun:
    """Run a Flow of the cluster that kubectl means, and return the run when it has ended.

    ``name`` is the Flow's, or ``flow/deployment`` as Prefect writes it. After ``timeout`` seconds
    the run is returned as it is by then, at once with 0. A run that fails is returned, not raised:
    look at its ``state``. ``idempotency_key`` gives the run the name that belongs to the key: a
    second call finds it. Inside a flow this is a task, so that a retry of the flow starts no
    second run; ``as_subflow=False`` leaves the flow out of it. Under a running event loop it
    returns what is to be awaited, as Prefect's does; ``arun_deployment`` always does.
    """
    order = _order(name, parameters, timeout, flow_run_name, idempotency_key, namespace)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        if as_subflow and current_scope.get() is not None:
            return task(name=f"run {order.flow}")(_as_task)(order)
        return order.carried_out()
    return cast("ClusterRun", _awaited(order, as_subflow=as_subflow))


async def arun_deployment(
    name: str,
    *,
    parameters: Mapping[str, Any] | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - Prefect's name; it is not a cancellation
    flow_run_name: str | None = None,
    idempotency_key: str | None = None,
    as_subflow: bool = True,
    namespace: str | None = None,
) -> ClusterRun:
    """Do what ``run_deployment`` does, and let the event loop go on meanwhile."""
    order = _order(name, parameters, timeout, flow_run_name, idempotency_key, namespace)
    return await _awaited(order, as_subflow=as_subflow)


async def _awaited(order: _Order, *, as_subflow: bool) -> ClusterRun:
    if as_subflow and current_scope.get() is not None:
        return await task(name=f"run {order.flow}")(_as_async_task)(order)
    return await asyncio.to_thread(order.carried_out)


def _order(
    name: str,
    parameters: Mapping[str, Any] | None,
    timeout: float | None,
    run_name: str | None,
    idempotency_key: str | None,
    namespace: str | None,
) -> _Order:
    if timeout is not None and timeout < 0:
        raise ValueError(f"timeout is a number of seconds of at least 0, or None, not {timeout!r}.")
    flow = name.rpartition("/")[2]
    if idempotency_key is not None and run_name is not None:
        raise ValueError("Give flow_run_name or idempotency_key: either is the name of the run.")
    if idempotency_key is not None:
        run_name = _name_of(flow, key=idempotency_key)
    return _Order(
        flow=flow,
        namespace=namespace,
        parameters=parameters or {},
        timeout=timeout,
        run_name=run_name,
    )


refuse_absent(globals())
