"""An object that is not there is a slip of the fingers: say which ones there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches

from penstock.cli.cluster import Cluster
from penstock.cli.errors import ApiError, CommandError


@contextmanager
def named(cluster: Cluster, plural: str, name: str, *, first: str) -> Iterator[None]:
    """Raise a sentence with the nearest names where the API server knows none of that name.

    ``first`` says what to do where there is no object of the kind at all.
    """
    try:
        yield
    except ApiError as error:
        if error.status == 404 and name in error.message:
            raise CommandError(_no_such(cluster, plural, name, first=first)) from error
        raise


def _no_such(cluster: Cluster, plural: str, name: str, *, first: str) -> str:
    names = [each["metadata"]["name"] for each in cluster.items(cluster.path(plural))]
    kind = plural.removesuffix("s")
    sentence = f"There is no {kind} {name!r} in the namespace {cluster.namespace}"
    if not names:
        return f"{sentence}, nor any other. {first}"
    if near := get_close_matches(name, names, cutoff=0.5):
        return f"{sentence}; did you mean {' or '.join(near)}?"
    return f"{sentence}; there are: {', '.join(sorted(names)[:10])}."
