"""`penstock prune`: results in a store that are older than anybody who may ask for them.

No run deletes results: caches, and reruns of runs that are gone, go on using them. So age decides,
and a person says which. Nothing else is touched, whatever lies beside.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import typer

from penstock.cli.errors import CommandError
from penstock.cli.output import say
from penstock.clock import now
from penstock.errors import MissingLibraryError
from penstock.shelves.files import MAGIC

_LARGE = re.compile(r"(?:^|/)journals/[^/]+/[0-9a-f]{64}$")
_CACHED = ".result"


@dataclass(frozen=True, slots=True)
class Found:
    """A file that may be a result."""

    path: str
    size: int
    written_at: datetime
    head: Callable[[int], bytes]
    remove: Callable[[], object]

    def is_result(self) -> bool:
        """Tell whether it is one of ours: by its place, or by how it begins."""
        if _LARGE.search(self.path):
            return True
        return self.path.endswith(_CACHED) and self.head(len(MAGIC)) == MAGIC


def prune(
    place: Annotated[
        str, typer.Argument(metavar="URL|FOLDER", help="A pool's store, or a result_storage.")
    ],
    older_than: Annotated[
        float, typer.Option(metavar="DAYS", min=0, help="Days since they were written.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")
    ] = False,
) -> None:
    """Delete results that were written long ago: those too large for a journal, and cached ones.

    Let DAYS be more than any run takes: a run whose result is gone waits for a person.
    """
    limit = now() - timedelta(days=older_than)
    count = size = 0
    for found in _files(place):
        if found.written_at < limit and found.is_result():
            count, size = count + 1, size + found.size
            if not dry_run:
                found.remove()
    done = "Would delete" if dry_run else "Deleted"
    say(f"{done} {count:,} results of {size:,} bytes, written before {limit:%Y-%m-%d %H:%M} UTC.")


def _files(place: str) -> Iterator[Found]:
    parts = urlsplit(place)
    if "://" not in place or parts.scheme in ("file", "local"):
        return _in_folder(Path(unquote(parts.netloc + parts.path) if "://" in place else place))
    return _behind_url(place, scheme=parts.scheme)


def _in_folder(folder: Path) -> Iterator[Found]:
    if not folder.is_dir():
        raise CommandError(f"There is no folder {folder}: name a store, or a result_storage.")
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):  # somebody else deletes as well
            if path.is_symlink() or not path.is_file():
                continue
            stat = path.stat()
            written = datetime.fromtimestamp(stat.st_mtime, UTC)
            yield Found(
                path.relative_to(folder).as_posix(),
                stat.st_size,
                written,
                head=partial(_head, path),
                remove=partial(path.unlink, missing_ok=True),
            )


def _head(path: Path, length: int) -> bytes:
    with path.open("rb") as file:
        return file.read(length)


def _behind_url(url: str, *, scheme: str) -> Iterator[Found]:
    from penstock.filesystems import check_scheme

    try:
        check_scheme(scheme, url=url)
    except (MissingLibraryError, ValueError) as error:
        raise CommandError(str(error)) from error
    from fsspec.core import url_to_fs

    store, root = url_to_fs(url)
    try:
        listed: dict[str, dict[str, Any]] = store.find(root, detail=True)
    except Exception as error:
        raise CommandError(f"{url} cannot be listed: {error}") from error
    for path, facts in listed.items():
        yield Found(
            path.removeprefix(root).lstrip("/"),
            int(facts.get("size") or 0),
            _written(facts, path, store=store),
            head=partial(store.cat_file, path, 0),
            remove=partial(store.rm_file, path),
        )


def _written(facts: dict[str, Any], path: str, *, store: Any) -> datetime:
    moment = facts.get("LastModified") or store.modified(path)
    found: datetime = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return found
