"""The kinds of artifacts: what each is made from, and the form in which it is kept."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from penstock import clock
from penstock.drivers.recording import home_of, keep, read_latest, travelling
from penstock.drivers.scope import Scope, current_scope
from penstock.engine.records import KeptArtifact
from penstock.recording import makers, scope_of_maker

Table = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] | Sequence[Sequence[Any]]

_KEY = re.compile(r"[a-z0-9-]{1,200}")


class ArtifactId(UUID):
    """The id of an artifact. To await it gives it at once."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, UUID]:
        return self
        yield


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """What is to be kept; ``create`` keeps it."""

    type: str | None = None
    key: str | None = None
    """Names the artifact over runs: lowercase letters, digits and dashes."""
    description: str | None = None
    data: Any = None
    """Of JSON's types; anything else is kept as its text."""
    metadata_: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if self.key is not None and not _KEY.fullmatch(self.key):
            raise ValueError(
                "The key of an artifact has only lowercase letters, digits and dashes, at most "
                f"200 of them: {self.key!r}."
            )

    def format(self) -> Any:
        """Return the data as they are kept."""
        return json.dumps(self.data, default=str)

    def create(self) -> KeptArtifact:
        """Keep the artifact in the record of the run around."""
        scope, now = scope_of_maker("An artifact"), clock.now()
        return keep_artifact(
            KeptArtifact(
                id=ArtifactId(int=uuid4().int),
                type=self.type,
                key=self.key,
                description=self.description,
                data=self.format(),
                metadata_=dict(self.metadata_) if self.metadata_ else None,
                created=now,
                updated=now,
                **makers(scope),
            ),
            scope=scope,
        )

    async def acreate(self) -> KeptArtifact:
        """Do what ``create`` does."""
        return self.create()

    @classmethod
    def get(cls, key: str | None = None) -> KeptArtifact | None:
        """Return the artifact of a key that was kept last: by this run, or else by any before.

        Without a key, the last one of this run. Earlier runs are known where ``$PENSTOCK_HOME``
        is set.
        """
        scope = current_scope.get()
        found, home = _latest_of_this_run(scope, key), home_of(scope)
        if found is None and key is not None and _KEY.fullmatch(key) and home is not None:
            found = read_latest(home, key)
        return found

    @classmethod
    async def aget(cls, key: str | None = None) -> KeptArtifact | None:
        """Do what ``get`` does."""
        return cls.get(key)

    @classmethod
    def get_or_create(
        cls,
        key: str | None = None,
        description: str | None = None,
        data: Any = None,
        **others: Any,
    ) -> tuple[KeptArtifact, bool]:
        """Return the artifact of a key, and whether it had to be made."""
        found = cls.get(key)
        if found is not None:
            return found, False
        return cls(key=key, description=description, data=data, **others).create(), True

    @classmethod
    async def aget_or_create(
        cls,
        key: str | None = None,
        description: str | None = None,
        data: Any = None,
        **others: Any,
    ) -> tuple[KeptArtifact, bool]:
        """Do what ``get_or_create`` does."""
        return cls.get_or_create(key, description, data, **others)


@dataclass(frozen=True, kw_only=True)
class LinkArtifact(Artifact):
    """A link, kept as Markdown."""

    link: str
    link_text: str | None = None
    type: str | None = "link"

    def format(self) -> str:
        """Return the link as Markdown."""
        return f"[{self.link_text or self.link}]({self.link})"


@dataclass(frozen=True, kw_only=True)
class MarkdownArtifact(Artifact):
    """A text in Markdown."""

    markdown: str
    type: str | None = "markdown"

    def format(self) -> str:
        """Return the text."""
        return self.markdown


@dataclass(frozen=True, kw_only=True)
class TableArtifact(Artifact):
    """A table: columns by name, a mapping for each row, or a list for each row."""

    table: Table
    type: str | None = "table"

    def format(self) -> str:
        """Return the table as JSON; a number that is none (NaN) is null there."""
        return json.dumps(_without_nan(self.table), default=str, ensure_ascii=False)


@dataclass(frozen=True, kw_only=True)
class ProgressArtifact(Artifact):
    """How much is done, in per cent."""

    progress: float
    type: str | None = "progress"

    def format(self) -> float:
        """Return the progress within its bounds; one that is outside is said in the log."""
        within = max(0.0, min(float(self.progress), 100.0))
        if within != self.progress:
            logging.getLogger("penstock").warning(
                "A progress is between 0 and 100 per cent; %r is taken as %g.",
                self.progress,
                within,
            )
        return within


@dataclass(frozen=True, kw_only=True)
class ImageArtifact(Artifact):
    """The address of an image that anybody may see."""

    image_url: str
    type: str | None = "image"

    def format(self) -> str:
        """Return the address."""
        return self.image_url


def keep_artifact(artifact: KeptArtifact, *, scope: Scope) -> KeptArtifact:
    """Log an artifact, or a new version of one, and keep it in the record of the run."""
    name = artifact.key or str(artifact.id)
    text = f": {artifact.data}" if artifact.type in ("link", "image") else ""
    text = f": {artifact.data:g} %" if isinstance(artifact.data, float) else text
    keep(artifact, says=f"Artifact {name} ({artifact.type or 'data'}){text}", scope=scope)
    return artifact


def _latest_of_this_run(scope: Scope | None, key: str | None) -> KeptArtifact | None:
    made = [each for each in travelling.get() or () if isinstance(each, KeptArtifact)]
    found = next((each for each in reversed(made) if key is None or each.key == key), None)
    if found is None and scope is not None and scope.context is not None:
        found = scope.context.records.latest(key)
    return found


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nan(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
