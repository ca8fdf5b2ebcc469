"""Where files of results go: a folder, or any store that fsspec knows by its URL.

A file system here is anything with ``read_path`` and ``write_path``. To write is to replace the
whole: whoever reads finds the old content or the new.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from penstock.absent import refuse_absent
from penstock.errors import MissingLibraryError
from penstock.home import home

__all__ = ["FileSystem", "LocalFileSystem", "RemoteFileSystem"]


@runtime_checkable
class FileSystem(Protocol):
    """A place for files. Called from many threads at once."""

    def read_path(self, path: str) -> bytes:
        """Return a file's content; raise ``FileNotFoundError`` if there is none."""

    def write_path(self, path: str, content: bytes) -> object:
        """Write a file, at once or not at all, in place of what was there."""


class LocalFileSystem:
    """A folder of this machine, or one that is mounted; ``$PENSTOCK_HOME/storage`` by default."""

    def __init__(self, basepath: str | Path | None = None) -> None:
        self._folder = None if basepath is None else Path(basepath).expanduser().absolute()

    @property
    def basepath(self) -> Path:
        """The folder that paths begin at."""
        return self._folder or home() / "storage"

    def read_path(self, path: str) -> bytes:
        """Return a file's content; raise ``FileNotFoundError`` if there is none."""
        return self._inside(path).read_bytes()

    def write_path(self, path: str, content: bytes) -> str:
        """Write a file and the folders above it; return where it is."""
        target = self._inside(path)
        write_whole(target, content)
        return str(target)

    def _inside(self, path: str) -> Path:
        target = Path(os.path.normpath(self.basepath / Path(path).expanduser()))
        if not target.is_relative_to(os.path.normpath(self.basepath)):
            raise ValueError(f"{path!r} leads out of the folder {self.basepath}.")
        return target

    def __repr__(self) -> str:
        return f"LocalFileSystem({str(self.basepath)!r})"


def write_whole(target: Path, content: bytes) -> None:
    """Write a file beside its place, then move it there: no reader finds half of it."""
    draft = target.with_name(f".{target.name[:50]}.{uuid4().hex}")
    try:
        draft.write_bytes(content)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
    try:
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


_OF_BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "oss"})
"""Schemes of stores that know no folders."""


@dataclass(frozen=True, eq=False)
class RemoteFileSystem:
    """A store that fsspec knows: ``s3://bucket/folder``, ``gs://…``, ``memory://…``.

    ``settings`` go to fsspec's class for the scheme: ``{"key": …, "secret": …}`` for S3. Raises
    ``ValueError`` for a scheme that does not exist, and ``MissingLibraryError``, with the line
    that installs it, for a library that does not.
    """

    basepath: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_scheme(urlsplit(self.basepath).scheme, url=self.basepath)

    def read_path(self, path: str) -> bytes:
        """Return a file's content; raise ``FileNotFoundError`` if there is none."""
        store, target = self._at(path)
        return cast("bytes", store.cat_file(target))

    def write_path(self, path: str, content: bytes) -> str:
        """Write a file; return its URL."""
        store, target = self._at(path)
        try:
            store.pipe_file(target, content)
        except FileNotFoundError:
            if urlsplit(self.basepath).scheme in _OF_BUCKETS:
                raise  # to make folders there is to make the bucket
            store.makedirs(target.rpartition("/")[0], exist_ok=True)
            store.pipe_file(target, content)
        return f"{self.basepath.rstrip('/')}/{path.lstrip('/')}"

    def _at(self, path: str) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        store, root = url_to_fs(self.basepath, **self.settings)
        return store, f"{root.rstrip('/')}/{path.lstrip('/')}"


def check_scheme(scheme: str, *, url: str) -> None:
    """Raise unless fsspec has what the scheme needs (see ``RemoteFileSystem``)."""
    extra = "s3" if scheme in ("s3", "s3a") else "fsspec"
    if find_spec("fsspec") is None:
        raise MissingLibraryError(
            f"{url} needs fsspec, which is not installed: pip install 'penstock[{extra}]'."
        )
    from fsspec import available_protocols
    from fsspec.registry import known_implementations, registry

    schemes = available_protocols()
    if scheme not in schemes:
        known = ", ".join(sorted(each for each in schemes if "+" not in each))
        raise ValueError(f"{url} begins with no scheme that fsspec knows; it knows {known}.")
    if scheme in registry:
        return
    library = known_implementations[scheme]["class"].partition(".")[0]
    if find_spec(library) is None:
        install = "'penstock[s3]'" if extra == "s3" else library
        raise MissingLibraryError(
            f"{url} needs {library}, which is not installed: pip install {install}."
        )


def filesystem_for(option: object) -> FileSystem:
    """Return the place that ``result_storage`` means: one, a path, or a URL."""
    if isinstance(option, str) and "://" in option:
        parts = urlsplit(option)
        if parts.scheme in ("file", "local"):
            return LocalFileSystem(unquote(parts.netloc + parts.path))
        return RemoteFileSystem(option)
    if isinstance(option, str | os.PathLike):
        return LocalFileSystem(Path(option))
    if not isinstance(option, type) and isinstance(option, FileSystem):
        return option
    raise TypeError(
        "result_storage is a path, a URL such as s3://bucket/folder, or an object with read_path "
        f"and write_path, not {option!r}."
    )


@lru_cache(maxsize=8)
def results_in(store: str) -> FileSystem:
    """Return where the results lie in a store that also holds journals."""
    return filesystem_for(f"{store.rstrip('/')}/results")


def results_of_pool() -> FileSystem | None:
    """Return where the results of this pod's pool lie, if the pool has a store."""
    store = os.environ.get("PENSTOCK_STORE")
    return results_in(store) if store else None


refuse_absent(globals())
