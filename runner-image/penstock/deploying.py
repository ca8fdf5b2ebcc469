"""``flow.deploy``: the Flow object of a flow, printed, and applied where kubectl would apply it."""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from penstock.absent import refusing_options
from penstock.cli.connection import Target, connect
from penstock.cli.errors import ApiError, CommandError
from penstock.cli.output import print_documents, say
from penstock.cli.render import (
    ConcurrencyLimitConfig,
    ConcurrencyLimitStrategy,
    Rendering,
    flow_manifest,
)
from penstock.cli.schedule_manifests import schedule_manifests
from penstock.errors import MissingLibraryError, PenstockError
from penstock.flows import Flow
from penstock.schedules import Schedule
from penstock.serving import Deployment
from penstock.sources import entrypoint_in_source

__all__ = [
    "ConcurrencyLimitConfig",
    "ConcurrencyLimitStrategy",
    "DeployError",
    "deploy",
    "deploy_flow",
]


class DeployError(PenstockError):
    """The flow could not be deployed; the message says what to do."""


@refusing_options("deploy")
def deploy(
    *deployments: Deployment,
    image: str,
    work_pool_name: str | None = None,
    namespace: str | None = None,
) -> list[dict[str, Any]]:
    """Apply several flows, as ``flow.deploy`` does one: what ``to_deployment`` made of each."""
    if not deployments or not all(isinstance(each, Deployment) for each in deployments):
        raise TypeError(
            'deploy takes deployments: deploy(my_flow.to_deployment("nightly"), image="…").'
        )
    return [
        deploy_flow(
            each.flow,
            options=Rendering(
                image=image, name=each.name, pool=work_pool_name, namespace=namespace
            ),
            parameters=each.parameters,
            schedules=each.schedules,
        )
        for each in deployments
    ]


def deploy_flow(
    flow: Flow[..., Any],
    *,
    options: Rendering,
    parameters: Mapping[str, object],
    schedules: Sequence[Schedule],
) -> dict[str, Any]:
    """Print the Flow and its Schedules on stdout, apply them, and return the Flow."""
    if (known := entrypoint_in_source(flow)) is not None:
        options = replace(options, entrypoint=known)
    typed = known or _entrypoint(flow)
    command = _render_command(typed, options)
    try:
        manifest = flow_manifest(flow, typed=typed, options=options)
        if parameters:
            manifest["spec"]["parameters"] = _checked(flow, parameters)
        wanted = schedule_manifests(schedules, flow=manifest["metadata"])
        print_documents([manifest, *wanted], form="yaml")
        cluster = connect(Target(namespace=options.namespace))
        name = manifest["metadata"]["name"]
        cluster.apply(cluster.path("flows", name), manifest)
        for each in wanted:
            cluster.apply(cluster.path("schedules", each["metadata"]["name"]), each)
    except ApiError as error:
        raise DeployError(str(error)) from error
    except CommandError as error:
        raise DeployError(f"{error} To deploy it from elsewhere: {command}") from error
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            f"flow.deploy needs {error.name}, which is not installed: pip install 'penstock[cli]'."
        ) from error
    say(f"The flow {name} is in the namespace {cluster.namespace}: penstock run {name}")
    return manifest


def _entrypoint(flow: Flow[..., Any]) -> str:
    """Return FILE:FLOW as somebody would type it."""
    function = inspect.unwrap(flow.fn)
    file = inspect.getsourcefile(function)
    module = sys.modules.get(function.__module__)
    names = [name for name, value in vars(module).items() if value is flow] if module else []
    if file is None or not file.endswith(".py") or not names:
        raise DeployError(
            f"The flow {flow.name} is not at the top of a file, where a pod could find it: put it "
            "into a file of its own, and that file into the image."
        )
    return f"{file}:{names[0]}"


def _checked(flow: Flow[..., Any], parameters: Mapping[str, object]) -> dict[str, Any]:
    """Return the parameters in JSON's types, if the flow has them all."""
    from pydantic_core import to_jsonable_python

    known = inspect.signature(flow.fn).parameters
    if unknown := sorted(parameters.keys() - known.keys()):
        raise DeployError(f"{flow.name} has no parameter {unknown[0]}; it has {', '.join(known)}.")
    return dict(to_jsonable_python(dict(parameters)))


def _render_command(typed: str, options: Rendering) -> str:
    words = ["penstock", "render", typed, "--image", str(options.image)]
    words += ["--name", options.name] if options.name else []
    words += ["--pool", options.pool] if options.pool else []
    words += ["--queue", options.queue] if options.queue else []
    if limit := options.concurrency:
        words += ["--concurrency-limit", str(limit.limit)]
        words += ["--collision-strategy", str(limit.collision_strategy)]
    words += ["--namespace", options.namespace] if options.namespace else []
    return f"{shlex.join(words)} | kubectl apply -f -"
