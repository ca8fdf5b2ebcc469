"""Which call is which: the key under which a journal knows the result of a call.

Key = scope path + identity of the body + digest of the arguments + occurrence among equal calls.
Not in the key: upstreams without values, tags, retries, run names. Two equal calls are
interchangeable by contract.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from weakref import ref

SCOPE_DIGITS = 8
"""Of the keys in a journal."""
Arguments = tuple[tuple[str, bytes], ...]
"""The digest of each argument; the name is empty for a positional one."""


class Spread:
    """What the calls of one ``.map`` have in common."""

    __slots__ = ("elements", "same")

    def __init__(self, elements: frozenset[int | str]) -> None:
        self.elements = elements
        """The places and names of the arguments that differ from call to call."""
        self.same: dict[int | str, bytes] = {}
        """The digests of the others, as far as anybody asked for them."""


@dataclass(frozen=True, slots=True)
class CallKey:
    """Names one call of one run, the same at each attempt."""

    scope: str
    """Path of the flow or task whose body made the call."""
    identity: str
    digest: str
    occurrence: int
    """How many equal calls the scope made before this one."""
    ordinal: int | None = field(default=None, compare=False)
    """How many calls of any kind it made before; ``None`` for what is no call of its own."""
    arguments: Arguments = field(default=(), compare=False)

    @property
    def path(self) -> str:
        """The scope of what this call's body calls in turn."""
        return f"{self.scope}/{self.identity}:{self.digest}:{self.occurrence}"

    def digest_of_path(self) -> str:
        """Return the key in 32 hexadecimal digits, for where it is stored; 8 name the scope."""
        return scope_digest(self.scope) + _call_digest(self.path)

    def digest_of_scope(self) -> str:
        """Return the scope in as many digits."""
        return _digest(self.scope, size=16)

    def beside(self, what: str) -> CallKey:
        """Return the key of something that is kept beside the call's result."""
        return CallKey(self.path, what, "", 0)


@lru_cache(maxsize=256)
def scope_digest(path: str) -> str:
    """Return the short name of a scope, with which the keys of its calls begin."""
    return _digest(path, size=SCOPE_DIGITS // 2)


@lru_cache(maxsize=256)
def _call_digest(path: str) -> str:
    """Return what tells a call from others; while it lasts, it is asked for again and again."""
    return _digest(path, size=12)


def _digest(path: str, *, size: int) -> str:
    import hashlib  # here, since a run that keeps nothing needs none of it

    return hashlib.blake2b(path.encode(), digest_size=size).hexdigest()


class Branch:
    """Counts the calls of one scope, for one attempt of its body."""

    __slots__ = ("_counters", "_drawers", "_ordinals", "made", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        """Names the scope in the keys of its calls."""
        self._counters: dict[tuple[str, str], Iterator[int]] = {}
        self._drawers: dict[tuple[str, str], ref[object]] = {}
        self._ordinals = count()
        self.made = 0
        """How many calls the scope has made."""

    def number(self) -> int:
        """Return the number of the scope's next call."""
        ordinal = next(self._ordinals)
        self.made = ordinal + 1
        return ordinal

    def draw(
        self,
        *,
        identity: str,
        digest: str,
        arguments: Arguments = (),
        ordinal: int | None = None,
    ) -> CallKey:
        """Return the key of a call of this identity and digest; ``ordinal``: its number."""
        counter = self._counters.setdefault((identity, digest), count())
        if ordinal is None:
            ordinal = self.number()
        return CallKey(self.path, identity, digest, next(counter), ordinal, arguments)

    def is_shared(self, *, identity: str, digest: str, drawer: object) -> bool:
        """Tell whether another thread or asyncio task has drawn such a key before ``drawer``."""
        return self._drawers.setdefault((identity, digest), ref(drawer))() is not drawer
