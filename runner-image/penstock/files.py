"""Files as results: what is stored is the content, so that the next pod has it too.

from pathlib import Path
from penstock import File, flow, task

@task
def report(day: str) -> File:
    path = Path(f"/tmp/{day}.csv")
    path.write_text("a,b\\n")
    return File(path)

@flow
def daily(day: str) -> None:
    upload(report(day))
"""

from __future__ import annotations

import hashlib
import tempfile
from os import PathLike
from pathlib import Path

__all__ = ["File"]


class File(PathLike[str]):
    """A file that a task returns, or gets; ``open(file)`` and ``file.path`` read it.

    In a durable run its content is stored with the result, at once or in the flow's
    ``result_storage``, and written to a new file where it is asked for and is not there. As an
    argument it counts by its name and content. Raises ``FileNotFoundError`` where there is none.
    """

    __slots__ = ("_content", "_path")

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = Path(path).absolute()
        self._content: bytes | None = None
        if not self._path.is_file():
            raise FileNotFoundError(f"There is no file {self._path} to make a File of.")

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self._path.name

    @property
    def path(self) -> Path:
        """Where it is, in this process."""
        content = self._content
        if content is not None and not _holds(self._path, content):
            self._path = Path(tempfile.mkdtemp(prefix="penstock-file-")) / self._path.name
            self._path.write_bytes(content)
        self._content = None
        return self._path

    def read_bytes(self) -> bytes:
        """Return the content."""
        return self._path.read_bytes() if self._content is None else self._content

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the content as text."""
        return self.read_bytes().decode(encoding)

    def __fspath__(self) -> str:
        return str(self.path)

    def __penstock_key__(self) -> tuple[str, str]:
        return self.name, hashlib.sha256(self.read_bytes()).hexdigest()

    def __reduce__(self) -> tuple[object, ...]:
        return _stored, (str(self._path), self.read_bytes())

    def __repr__(self) -> str:
        return f"File({str(self._path)!r})"


def _stored(path: str, content: bytes) -> File:
    """Return the file that was stored; whether it is still there shows when it is asked for."""
    file = File.__new__(File)
    file._path, file._content = Path(path), content  # noqa: SLF001 - its second constructor
    return file


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False
