"""Names that the shell completes, asked from the cluster; a shell never hears of errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.cli.connection import Target, connect
from penstock.cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping


def complete_run(ctx: Any, incomplete: str) -> list[str]:
    """Return the names of runs."""
    return _names("flowruns", ctx, incomplete)


def complete_flow(ctx: Any, incomplete: str) -> list[str]:
    """Return the names of flows."""
    return _names("flows", ctx, incomplete)


def complete_schedule(ctx: Any, incomplete: str) -> list[str]:
    """Return the names of schedules."""
    return _names("schedules", ctx, incomplete)


def _names(plural: str, ctx: Any, incomplete: str) -> list[str]:
    try:
        cluster = connect(_target(ctx.params))
        names = (item["metadata"]["name"] for item in cluster.items(cluster.path(plural)))
        return sorted(name for name in names if name.startswith(incomplete))
    except CommandError:
        return []


def _target(options: Mapping[str, Any]) -> Target:
    return Target(
        namespace=options.get("namespace"),
        context=options.get("context"),
        kubeconfig=options.get("kubeconfig"),
    )
