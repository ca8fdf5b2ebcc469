"""From a flow in a file to a Flow in YAML, for git."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.cli.errors import CommandError
from penstock.object_names import LONGEST, nearest_name

if TYPE_CHECKING:
    from penstock.flows import Flow

LONGEST_INLINE = 128 * 1024
DOCKERFILES = ("Dockerfile", "Containerfile")


class ConcurrencyLimitStrategy(StrEnum):
    """What becomes of a run when as many of its flow are at work as may be."""

    ENQUEUE = "Enqueue"
    """It waits."""
    CANCEL_NEW = "CancelNew"
    """It is cancelled."""
    CANCEL_RUNNING = "CancelRunning"
    """The oldest are cancelled, and it starts when they are gone."""


@dataclass(frozen=True, slots=True)
class ConcurrencyLimitConfig:
    """How many runs of a flow may be at work at once, and what becomes of one more."""

    limit: int
    collision_strategy: ConcurrencyLimitStrategy = ConcurrencyLimitStrategy.ENQUEUE

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise ValueError(f"A limit is a number of runs, 0 or more, not {self.limit}.")
        ConcurrencyLimitStrategy(self.collision_strategy)

    def to_wire(self) -> dict[str, Any]:
        return {"limit": self.limit, "strategy": str(self.collision_strategy)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """What the options of `penstock render` say."""

    image: str | None = None
    name: str | None = None
    namespace: str | None = None
    pool: str | None = None
    queue: str | None = None
    concurrency: ConcurrencyLimitConfig | None = None
    entrypoint: str | None = None
    inline: bool = False


def flow_manifest(flow: Flow[..., Any], *, typed: str, options: Rendering) -> dict[str, Any]:
    """Return the Flow object of a flow that was loaded from the entrypoint `typed`."""
    from penstock.parameters import parameter_schema

    spec: dict[str, Any] = {"entrypoint": options.entrypoint or cluster_entrypoint(typed)}
    if options.image:
        spec["image"] = options.image
    if options.inline:
        path, _, function = typed.rpartition(":")
        spec["entrypoint"] = f"{Path(path).name}:{function}"
        spec["source"] = {"inline": {"files": {Path(path).name: _read_source(path)}}}
    if options.pool:
        spec["workPoolRef"] = {"name": options.pool}
    if options.queue:
        spec["queue"] = options.queue
    if options.concurrency:
        spec["concurrency"] = options.concurrency.to_wire()
    spec |= _retries(flow)
    spec["parameterSchema"] = without_derived_titles(parameter_schema(flow.fn))
    return {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "Flow",
        "metadata": _metadata(flow, options=options),
        "spec": spec,
    }


def cluster_entrypoint(typed: str) -> str:
    """Return the entrypoint as it is inside the image.

    The file's path counts from the nearest folder above it that has a Dockerfile, since that is
    what images are built from; without one, from the working directory. A module stays as it is.
    """
    path, _, function = typed.rpartition(":")
    if not path.endswith(".py"):
        return typed
    file = Path(path).resolve()
    for folder in file.parents:
        if any((folder / name).is_file() for name in DOCKERFILES):
            return f"{file.relative_to(folder).as_posix()}:{function}"
        if folder == Path.cwd():
            return f"{file.relative_to(folder).as_posix()}:{function}"
        if (folder / ".git").exists():
            break
    return f"{file.name}:{function}"


def without_derived_titles(schema: Any) -> Any:
    """Return the schema without the titles that only repeat a property's name."""
    if isinstance(schema, list):
        return [without_derived_titles(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: without_derived_titles(each) for key, each in schema.items()}
    properties = kept.get("properties")
    for name, rule in properties.items() if isinstance(properties, dict) else ():
        if isinstance(rule, dict) and rule.get("title") == name.replace("_", " ").title():
            del rule["title"]
    return kept


def object_name(text: str) -> str:
    """Return the name of a Kubernetes object that comes nearest to a flow's name."""
    name = nearest_name(text)
    if not name:
        raise CommandError(f"The flow's name {text!r} cannot name an object; give one by --name.")
    return name


def _metadata(flow: Flow[..., Any], *, options: Rendering) -> dict[str, Any]:
    if options.name:
        _require_object_name(options.name)
    metadata: dict[str, Any] = {"name": options.name or object_name(flow.name)}
    if options.namespace:
        metadata["namespace"] = options.namespace
    if flow.description:
        metadata["annotations"] = {"kubernetes.io/description": flow.description.strip()}
    return metadata


def _require_object_name(name: str) -> None:
    if len(name) > LONGEST or not re.fullmatch("[a-z0-9]([-a-z0-9]*[a-z0-9])?", name):
        valid = f", such as {near}" if (near := nearest_name(name)) else ""
        raise CommandError(
            f"{name!r} cannot name a Flow: a name has at most {LONGEST} lower-case letters, "
            f"digits and '-', and begins and ends with a letter or digit{valid}."
        )


def _retries(flow: Flow[..., Any]) -> dict[str, Any]:
    """Return the decorator's retries.

    Its delays only if they are one number, which is what the object can say; and not its timeout:
    that is about one try, the object's about the whole run.
    """
    if not flow.retries:
        return {}
    delay = flow.retry_delay_seconds
    is_number = isinstance(delay, int | float) and delay > 0
    return {"retries": flow.retries} | ({"retryDelaySeconds": delay} if is_number else {})


def _read_source(path: str) -> str:
    file = Path(path)
    if file.suffix != ".py":
        raise CommandError(
            f"--inline takes the code from a file, and {path} is a module; write FILE.py:FLOW."
        )
    source = file.read_text(encoding="utf-8")
    if len(source.encode()) > LONGEST_INLINE:
        raise CommandError(
            f"{path} is longer than the {LONGEST_INLINE // 1024} KiB that a Flow can hold; "
            "build an image from it and use --image."
        )
    return source
