"""Which call is which: the key under which a journal knows the result of a call.

Key = scope path + identity of the body + digest of the arguments + occurrence among equal calls.
Not in the key: upstreams without values, tags, retries, run names. Two equal calls are
interchangeable by contract.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True, slots=True)
class CallKey:
    """Names one call of one run, the same at each attempt."""

    scope: str
    """Path of the flow or task whose body made the call."""
    identity: str
    digest: str
    occurrence: int
    """How many equal calls the scope made before this one."""

    @property
    def path(self) -> str:
        """The scope of what this call's body calls in turn."""
        return f"{self.scope}/{self.identity}:{self.digest}:{self.occurrence}"

    def digest_of_path(self) -> str:
        """Return the key in 32 hexadecimal digits, for where it is stored."""
        import hashlib  # here, since a run that keeps nothing needs none of it

        return hashlib.blake2b(self.path.encode(), digest_size=16).hexdigest()

    def beside(self, what: str) -> CallKey:
        """Return the key of something that is kept beside the call's result."""
        return CallKey(self.path, what, "", 0)


class Occurrences:
    """Counts equal calls in one scope, for one attempt of its body."""

    __slots__ = ("_counters",)

    def __init__(self) -> None:
        self._counters: dict[tuple[str, str], Iterator[int]] = {}

    def draw(self, scope: str, *, identity: str, digest: str) -> CallKey:
        """Return the key of the scope's next call of this identity and digest."""
        counter = self._counters.setdefault((identity, digest), count())
        return CallKey(scope, identity, digest, next(counter))
