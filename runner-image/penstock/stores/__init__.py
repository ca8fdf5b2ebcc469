"""Stores of journals: places for files in which a name can be taken once, by one writer.

That is what keeps two attempts of a run apart, so a place that cannot do it holds no journal, only
results: fsspec's own "create" looks first and writes then, and in between somebody else may write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeGuard
from urllib.parse import unquote, urlsplit

from penstock.errors import MissingLibraryError, StoreUnusable

_FOLDERS = ("file", "local")
_S3 = ("s3", "s3a")


class Store(Protocol):
    """Files by path, with ``/`` between folders. Called from many threads at once.

    Raises ``StoreUnusable`` for what will not mend itself; any other error may pass.
    """

    def check(self) -> None:
        """Make sure that the place is there, and that it can refuse a name that is taken."""

    def put_if_absent(self, path: str, content: bytes) -> bool:
        """Store a file for good, unless there is one; return whether it was stored."""

    def read(self, paths: Sequence[str]) -> list[bytes]:
        """Return the contents of files; raise ``FileNotFoundError`` where one is gone."""

    def names(self, folder: str) -> list[str]:
        """Return what is in a folder, files and folders; nothing if there is no such folder."""

    def remove(self, folder: str) -> None:
        """Delete a folder with all that is in it."""


def holds_journals(url: str | None) -> TypeGuard[str]:
    """Tell whether there is a URL or a path, of a kind of store that can hold journals."""
    return url is not None and ("://" not in url or urlsplit(url).scheme in (*_FOLDERS, *_S3))


def open_store(url: str) -> Store:
    """Return the store that a URL or a path leads to; nothing is asked of it yet.

    Raises ``StoreUnusable`` for a place that cannot hold a journal, and where a library is not
    there, with the line that installs it.
    """
    parts = urlsplit(url)
    if "://" not in url or parts.scheme in _FOLDERS:
        from penstock.stores.directory import DirectoryStore

        return DirectoryStore(unquote(parts.netloc + parts.path) if "://" in url else url)
    if parts.scheme in _S3:
        from penstock.filesystems import check_scheme

        try:
            check_scheme(parts.scheme, url=url)
        except MissingLibraryError as error:
            raise StoreUnusable(str(error)) from error
        from penstock.stores.s3 import S3Store

        return S3Store(url)
    raise StoreUnusable(
        f"{url} cannot hold journals: of {parts.scheme}:// it is not known that it refuses a name "
        "that is taken, so two attempts of a run could write over each other. Give a folder or an "
        "s3:// URL; for results, as result_storage, it will do."
    )
