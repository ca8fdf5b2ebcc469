"""A folder as a store: of this machine, or a volume that is mounted.

A file is written under another name, and linked to its own when it is on the disk: the link is
what one writer gets, and no reader finds half of a file, whatever is killed or loses its power.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from penstock.errors import StoreUnusable

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST})
_DRAFT = "."


class DirectoryStore:
    """Files below a folder, which is made when the first is put."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder).expanduser().absolute()

    def check(self) -> None:
        """Make the folder, and see that files can be linked in it."""
        name = f".{uuid4().hex}"
        try:
            self.put_if_absent(name, b"")
        except OSError as error:
            if error.errno not in _CLOSED:
                raise
            raise StoreUnusable(
                f"The journal cannot be kept in {self._folder}: {error.strerror}. Mount a volume "
                "that the process may write, or choose another folder."
            ) from error
        (self._folder / name).unlink()

    def put_if_absent(self, path: str, content: bytes) -> bool:
        """Store a file for good, unless there is one; return whether it was stored."""
        target = self._folder / path
        draft = target.with_name(f"{_DRAFT}{uuid4().hex}")
        self._write(draft, content)
        try:
            os.link(draft, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            raise StoreUnusable(
                f"The file system of {self._folder} has no hard links ({error.strerror}), by which "
                "a journal keeps two attempts apart. Choose one that has, or an s3:// URL."
            ) from error
        finally:
            draft.unlink(missing_ok=True)
        _sync(target.parent)
        return True

    def read(self, paths: Sequence[str]) -> list[bytes]:
        """Return the contents of files."""
        return [(self._folder / path).read_bytes() for path in paths]

    def names(self, folder: str) -> list[str]:
        """Return what is in a folder, but for files that are being written."""
        try:
            found = (self._folder / folder).iterdir()
            return [each.name for each in found if each.name[0] != _DRAFT]
        except FileNotFoundError:
            return []

    def remove(self, folder: str) -> None:
        """Delete a folder with all that is in it."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self._folder / folder)

    def _write(self, draft: Path, content: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            descriptor = os.open(draft, flags, 0o660)
        except FileNotFoundError:
            _make(draft.parent)
            descriptor = os.open(draft, flags, 0o660)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def _make(folder: Path) -> None:
    """Make a folder and those above it, for good."""
    if not folder.parent.is_dir():
        _make(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(0o770)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
