"""Artifacts: what a run leaves for people to look at. Each is kept in the run's record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from penstock.errors import PenstockError
from penstock.keeping import keep, records_of, scope_of_maker

__all__ = [
    "Artifact",
    "create_image_artifact",
    "create_link_artifact",
    "create_markdown_artifact",
    "create_progress_artifact",
    "create_table_artifact",
    "update_progress_artifact",
]

_KEY = re.compile(r"[a-z0-9-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One version of an artifact."""

    id: UUID
    type: str
    """``markdown``, ``table``, ``link``, ``image`` or ``progress``."""
    key: str | None
    """Names the artifact over runs."""
    data: Any
    description: str | None


def create_markdown_artifact(
    markdown: str, key: str | None = None, description: str | None = None
) -> UUID:
    """Keep a text in Markdown."""
    return _create("markdown", markdown, key=key, description=description)


def create_table_artifact(
    table: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] | Sequence[Sequence[Any]],
    key: str | None = None,
    description: str | None = None,
) -> UUID:
    """Keep a table: columns by name, a mapping for each row, or a list for each row."""
    return _create("table", table, key=key, description=description)


def create_link_artifact(
    link: str,
    link_text: str | None = None,
    key: str | None = None,
    description: str | None = None,
) -> UUID:
    """Keep a link, as Markdown."""
    text = f"[{link_text or link}]({link})"
    return _create("link", text, key=key, description=description)


def create_image_artifact(
    image_url: str, key: str | None = None, description: str | None = None
) -> UUID:
    """Keep the address of an image that anybody may see."""
    return _create("image", image_url, key=key, description=description)


def create_progress_artifact(
    progress: float, key: str | None = None, description: str | None = None
) -> UUID:
    """Keep how much is done, in per cent; go on with ``update_progress_artifact``."""
    return _create("progress", _per_cent(progress), key=key, description=description)


def update_progress_artifact(
    artifact_id: UUID, progress: float, description: str | None = None
) -> UUID:
    """Keep a new version of a progress that this run made."""
    before = _latest_progress(artifact_id)
    description = before.description if description is None else description
    _keep(replace(before, data=_per_cent(progress), description=description))
    return artifact_id


def _latest_progress(artifact_id: UUID) -> Artifact:
    scope = scope_of_maker("update_progress_artifact()")
    if scope.context is None:  # a worker process, or a task outside a flow: no memory of the run
        return Artifact(id=artifact_id, type="progress", key=None, data=0.0, description=None)
    versions = [each for each in records_of(scope, Artifact) if each.id == artifact_id]
    if not versions or versions[-1].type != "progress":
        raise PenstockError(f"This run made no progress artifact {artifact_id}: create it first.")
    return versions[-1]


def _create(type_: str, data: Any, *, key: str | None, description: str | None) -> UUID:
    if key is not None and not _KEY.fullmatch(key):
        raise ValueError(f"The key of an artifact has lowercase letters, digits, dashes: {key!r}.")
    made = Artifact(id=uuid4(), type=type_, key=key, data=data, description=description)
    _keep(made)
    return made.id


def _keep(artifact: Artifact) -> None:
    name = artifact.key or str(artifact.id)
    text = f": {artifact.data}" if artifact.type in ("link", "image") else ""
    text = f": {artifact.data:g} %" if artifact.type == "progress" else text
    keep(
        artifact,
        kind="artifacts",
        fields=asdict(artifact),
        says=f"Artifact {name} ({artifact.type}){text}",
        scope=scope_of_maker("An artifact"),
    )


def _per_cent(progress: float) -> float:
    if not 0 <= progress <= 100:
        raise ValueError(f"A progress is between 0 and 100 per cent, not {progress!r}.")
    return float(progress)
