"""Artifacts: what a run leaves for people to look at. Each is kept in the run's record.

``create_…`` works in sync and async code, and what it returns can be awaited: Prefect's code does
either. The twins ``acreate_…`` are for code that is written for them.
"""

from __future__ import annotations

from uuid import UUID

from penstock import clock
from penstock.artifacts.kinds import (
    Artifact,
    ArtifactId,
    ImageArtifact,
    LinkArtifact,
    MarkdownArtifact,
    ProgressArtifact,
    Table,
    TableArtifact,
    keep_artifact,
)
from penstock.drivers.recording import travelling
from penstock.drivers.scope import Scope
from penstock.engine.records import KeptArtifact, succeed
from penstock.errors import PenstockError
from penstock.recording import makers, scope_of_maker

__all__ = [
    "Artifact",
    "ImageArtifact",
    "KeptArtifact",
    "LinkArtifact",
    "MarkdownArtifact",
    "ProgressArtifact",
    "TableArtifact",
    "acreate_image_artifact",
    "acreate_link_artifact",
    "acreate_markdown_artifact",
    "acreate_progress_artifact",
    "acreate_table_artifact",
    "aupdate_progress_artifact",
    "create_image_artifact",
    "create_link_artifact",
    "create_markdown_artifact",
    "create_progress_artifact",
    "create_table_artifact",
    "update_progress_artifact",
]


def create_link_artifact(
    link: str, link_text: str | None = None, key: str | None = None, description: str | None = None
) -> ArtifactId:
    """Keep a link."""
    return _made(LinkArtifact(link=link, link_text=link_text, key=key, description=description))


async def acreate_link_artifact(
    link: str, link_text: str | None = None, key: str | None = None, description: str | None = None
) -> UUID:
    """Keep a link."""
    return create_link_artifact(link, link_text, key, description)


def create_markdown_artifact(
    markdown: str, key: str | None = None, description: str | None = None
) -> ArtifactId:
    """Keep a text in Markdown."""
    return _made(MarkdownArtifact(markdown=markdown, key=key, description=description))


async def acreate_markdown_artifact(
    markdown: str, key: str | None = None, description: str | None = None
) -> UUID:
    """Keep a text in Markdown."""
    return create_markdown_artifact(markdown, key, description)


def create_table_artifact(
    table: Table, key: str | None = None, description: str | None = None
) -> ArtifactId:
    """Keep a table: columns by name, a mapping for each row, or a list for each row."""
    return _made(TableArtifact(table=table, key=key, description=description))


async def acreate_table_artifact(
    table: Table, key: str | None = None, description: str | None = None
) -> UUID:
    """Keep a table: columns by name, a mapping for each row, or a list for each row."""
    return create_table_artifact(table, key, description)


def create_progress_artifact(
    progress: float, key: str | None = None, description: str | None = None
) -> ArtifactId:
    """Keep how much is done, in per cent; go on with ``update_progress_artifact``."""
    return _made(ProgressArtifact(progress=progress, key=key, description=description))


async def acreate_progress_artifact(
    progress: float, key: str | None = None, description: str | None = None
) -> UUID:
    """Keep how much is done, in per cent; go on with ``aupdate_progress_artifact``."""
    return create_progress_artifact(progress, key, description)


def update_progress_artifact(
    artifact_id: UUID, progress: float, description: str | None = None
) -> ArtifactId:
    """Keep a new version of a progress that this run made."""
    scope, now = scope_of_maker("update_progress_artifact()"), clock.now()
    update = KeptArtifact(
        id=artifact_id,
        type="progress",
        key=None,
        description=description or None,
        data=ProgressArtifact(progress=progress).format(),
        created=now,
        updated=now,
        **makers(scope),
    )
    before = _version_before(artifact_id, scope)
    keep_artifact(update if before is None else succeed(before, update), scope=scope)
    return ArtifactId(int=artifact_id.int)


async def aupdate_progress_artifact(
    artifact_id: UUID, progress: float, description: str | None = None
) -> UUID:
    """Keep a new version of a progress that this run made."""
    return update_progress_artifact(artifact_id, progress, description)


def create_image_artifact(
    image_url: str, key: str | None = None, description: str | None = None
) -> ArtifactId:
    """Keep the address of an image that anybody may see."""
    return _made(ImageArtifact(image_url=image_url, key=key, description=description))


async def acreate_image_artifact(
    image_url: str, key: str | None = None, description: str | None = None
) -> UUID:
    """Keep the address of an image that anybody may see."""
    return create_image_artifact(image_url, key, description)


def _made(artifact: Artifact) -> ArtifactId:
    made = artifact.create().id
    assert isinstance(made, ArtifactId)
    return made


def _version_before(artifact_id: UUID, scope: Scope) -> KeptArtifact | None:
    """Return what is to be updated; where the body has no memory of the run, nothing."""
    away = travelling.get()
    if scope.context is None:  # a worker process, or a task outside a flow
        kept = [each for each in away or () if each.id == artifact_id]
        return kept[-1] if kept and isinstance(kept[-1], KeptArtifact) else None
    before = scope.context.records.artifact(artifact_id)
    if before is None or before.type != "progress":
        raise PenstockError(f"This run made no progress artifact {artifact_id}: create it first.")
    return before
