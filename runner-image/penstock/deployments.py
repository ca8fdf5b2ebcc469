"""Runs of flows in the cluster, started from Python: ``run_deployment("nightly")``.

A deployment is a Flow object: ``flow.deploy``, ``penstock.deploy`` or `penstock render` make one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, cast

from penstock import runtime
from penstock.absent import refuse_absent, refusing_options
from penstock.children import ChildRun, child_of, until_over, until_started
from penstock.deploying import ConcurrencyLimitConfig, ConcurrencyLimitStrategy, deploy
from penstock.drivers.children import ClosePolicy
from penstock.drivers.scope import current_scope
from penstock.flow_runs import ClusterError, ClusterRun, cluster_of, read_to_end, run_of
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

    @property
    def close_policy(self) -> ClosePolicy:
        """What the end of the run around means for a child: nobody waits for one with 0."""
        return "Cancel" if self.timeout is None else "Abandon"

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

    def is_for_child(self) -> bool:
        """Tell whether the run around can start it as a child of its own.

        A child's name is its parent's choice, and it is waited for to its end or not at all.
        """
        scope = current_scope.get()
        own = os.environ.get("PENSTOCK_NAMESPACE")
        return (
            scope is not None
            and scope.context is not None
            and scope.context.children is not None
            and self.namespace in (None, own)
            and self.run_name is None
            and self.timeout in (None, 0)
        )

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


def _as_child(order: _Order) -> ClusterRun:
    """Start a child run, and let the run around wait for it without a pod."""
    child = child_of(order.flow, order.parameters, on_parent_close=order.close_policy)
    (until_over if order.timeout is None else until_started)(child)
    return task(name=f"run {order.flow}")(_seen)(child)


async def _as_async_child(order: _Order) -> ClusterRun:
    child = child_of(order.flow, order.parameters, on_parent_close=order.close_policy)
    await (until_over if order.timeout is None else until_started)(child)
    return await task(name=f"run {order.flow}")(_seen_async)(child)


def _seen(child: ChildRun) -> ClusterRun:
    scope = current_scope.get()
    children = scope.context.children if scope is not None and scope.context else None
    read = children.read(child.name) if children is not None else None
    if read is None:
        raise ClusterError(f"The run {child.name} was deleted before it could be looked at.")
    return run_of(read)


async def _seen_async(child: ChildRun) -> ClusterRun:
    return await asyncio.to_thread(_seen, child)


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
    second call finds it. In a run of the cluster it is a child, for which that waits without a pod;
    inside any other flow, and with a name, a key or a time limit, it is a task. A retry of the flow
    starts no second run; ``as_subflow=False`` leaves the flow out of it. Under a running event loop
    it returns what is to be awaited, as Prefect's does; ``arun_deployment`` always does.
    """
    order = _order(name, parameters, timeout, flow_run_name, idempotency_key, namespace)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        if as_subflow and order.is_for_child():
            return _as_child(order)
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
    if as_subflow and order.is_for_child():
        return await _as_async_child(order)
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
