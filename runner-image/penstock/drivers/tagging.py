"""The tags of the ``with tags(…)`` blocks around: every run that begins inside carries them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

current_tags: ContextVar[frozenset[str]] = ContextVar("penstock_tags", default=frozenset())


@contextmanager
def tags(*new_tags: str) -> Iterator[set[str]]:
    """Tag every flow run and task run that is called or submitted inside; yield all tags.

    Blocks inside one another add up.
    """
    for tag in new_tags:
        if not isinstance(tag, str):
            raise TypeError(f"A tag is a text, not {tag!r}: write tags('a', 'b').")
    together = current_tags.get().union(new_tags)
    token = current_tags.set(together)
    try:
        yield set(together)
    finally:
        current_tags.reset(token)
