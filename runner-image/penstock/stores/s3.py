"""S3, and what speaks its protocol, as a store: a put is made with ``If-None-Match: *``.

s3fs brings the credentials, the retries and the connections. Its listings are not used: it
remembers them, and a journal must be read as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from penstock.errors import StoreUnusable

_PROBE = ".penstock"
_TAKEN = frozenset({"PreconditionFailed", "412"})


class S3Store:
    """Objects below a URL. ``settings`` go to ``s3fs.S3FileSystem``."""

    def __init__(self, url: str, *, settings: Mapping[str, Any] | None = None) -> None:
        from fsspec.core import url_to_fs

        self._url = url
        self._s3, root = url_to_fs(url, **(settings or {}))
        self._bucket, _, prefix = cast("str", root).partition("/")
        self._prefix = f"{prefix.rstrip('/')}/" if prefix else ""

    def check(self) -> None:
        """See that the bucket can be written, and refuses a name that is taken.

        There are servers that do not know the condition, and store what they should refuse.
        """
        with self._told():
            if self.put_if_absent(_PROBE, b"") and self.put_if_absent(_PROBE, b""):
                raise StoreUnusable(
                    f"{self._url} cannot hold journals: its server ignores If-None-Match, so two "
                    "attempts of a run could write over each other. Upgrade the server, or give "
                    "another url; for results, as result_storage, it will do."
                )

    def put_if_absent(self, path: str, content: bytes) -> bool:
        """Store an object, unless there is one; return whether it was stored."""
        try:
            self._s3.call_s3(
                "put_object",
                Bucket=self._bucket,
                Key=self._prefix + path,
                Body=content,
                IfNoneMatch="*",
            )
        except FileExistsError:
            return False
        except OSError as error:
            if _code_of(error) in _TAKEN:
                return False
            raise
        return True

    def read(self, paths: Sequence[str]) -> list[bytes]:
        """Return the contents of objects, many at a time."""
        if not paths:
            return []
        full = [f"{self._bucket}/{self._prefix}{path}" for path in paths]
        found = self._s3.cat(full, on_error="raise")
        return [found[path] for path in full]

    def names(self, folder: str) -> list[str]:
        """Return what is in a folder, page by page."""
        prefix = f"{self._prefix}{folder}/"
        return [
            name.removeprefix(prefix).rstrip("/")
            for page in self._pages(prefix, Delimiter="/")
            for name in (
                *(each["Key"] for each in page.get("Contents", ())),
                *(each["Prefix"] for each in page.get("CommonPrefixes", ())),
            )
        ]

    def remove(self, folder: str) -> None:
        """Delete all objects of a folder, a page of them with each request."""
        for page in self._pages(f"{self._prefix}{folder}/"):
            keys = [{"Key": each["Key"]} for each in page.get("Contents", ())]
            if keys:
                self._s3.call_s3(
                    "delete_objects", Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True}
                )

    def _pages(self, prefix: str, **more: str) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            page = self._s3.call_s3(
                "list_objects_v2", Bucket=self._bucket, Prefix=prefix, **more, **token
            )
            yield page
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Put what only a person can mend into a sentence."""
        try:
            yield
        except FileNotFoundError as error:
            raise StoreUnusable(
                f"There is no bucket {self._bucket} for the journal ({self._url}). Create it, or "
                "mend the url."
            ) from error
        except PermissionError as error:
            raise StoreUnusable(
                f"The journal's store {self._url} refuses these credentials ({error}). Give some "
                "that may get, put, list and delete objects there."
            ) from error
        except Exception as error:
            if type(error).__name__ not in ("NoCredentialsError", "ParamValidationError"):
                raise
            raise StoreUnusable(
                f"The journal's store {self._url} cannot be used: {error}. Mend the url or the "
                "credentials."
            ) from error


def _code_of(error: BaseException) -> str:
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
