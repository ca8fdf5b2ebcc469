"""What earlier launches of a run have recorded, by scope and number.

For calls that the journal does not know: was there another one in their place? Then something
outside of tasks gave another value than before, or the code was changed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from penstock.engine.identity import SCOPE_DIGITS, CallKey, scope_digest


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call stood, and what it was called with."""

    scope: str
    """A short digest of the scope's path."""
    ordinal: int
    arguments: tuple[str, ...]
    """A short digest of each, after its name and ``=`` if it was given by name."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One call that an earlier launch has recorded."""

    key: str
    """The digest of its key."""
    identity: str
    place: Place
    has_result: bool
    """Or a value that was noted; a failure holds for its epoch only."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A call that was not found, and what it is a call of."""

    key: CallKey
    body: object
    is_kept: bool = True
    """Whether it would have been there if it had been made."""


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A call that was not found, and the one that seems to have been it before."""

    missed: Missed
    recorded: Recorded

    def changed(self) -> list[int | str]:
        """Return the places and names of the arguments that differ."""
        before = _by_place(self.recorded.place.arguments)
        now = _by_place(place_of(self.missed.key).arguments)
        return [place for place in {**now, **before} if before.get(place) != now.get(place)]


class Past:
    """The calls that earlier launches recorded and this one has not made yet."""

    def __init__(self, recorded: Iterable[Recorded]) -> None:
        self._left: defaultdict[str, dict[str, Recorded]] = defaultdict(dict)
        """By scope and key; what is met goes, so that a long run does not hold it twice."""
        self._places: dict[tuple[str, int], Recorded] = {}
        self._latest: dict[str, int] = {}
        for each in recorded:
            scope, ordinal = each.place.scope, each.place.ordinal
            self._left[scope][each.key] = each
            self._places[scope, ordinal] = each
            self._latest[scope] = max(ordinal, self._latest.get(scope, 0))
        self._asked: set[str] = set()
        self.met: Counter[str] = Counter()
        """How many calls were found, by identity."""
        self._missed: list[Missed] = []

    def meet(self, key: CallKey) -> None:
        """Note that a call was found."""
        digest = key.digest_of_path()
        scope = digest[:SCOPE_DIGITS]
        found = self._left.get(scope, {}).pop(digest, None)
        if found is not None:
            self._asked.add(scope)
            self.met[found.identity] += 1
            place = (scope, found.place.ordinal)
            if self._places.get(place) is found:
                del self._places[place]

    def miss(self, key: CallKey, *, body: object = None, is_kept: bool = True) -> Missed:
        """Note that a call was not found."""
        missed = Missed(key, body, is_kept)
        if key.ordinal is not None and len(self._missed) < _MOST_MISSED:
            self._missed.append(missed)
        return missed

    def in_place_of(self, missed: Missed) -> NearMiss | None:
        """Return the call that had the same number in the same scope, if it is another one."""
        place = place_of(missed.key)
        recorded = self._places.get((place.scope, place.ordinal))
        if recorded is None or not recorded.has_result:
            return None
        return None if recorded.key == missed.key.digest_of_path() else NearMiss(missed, recorded)

    def goes_beyond(self, path: str, ordinal: int) -> bool:
        """Tell whether an earlier launch made calls of this number, or later ones, in a scope."""
        return self._latest.get(scope_digest(path), -1) >= ordinal

    def near_misses(self, path: str) -> list[NearMiss]:
        """Return, and forget, those of a body that has ended: each with the call next to it.

        Where code was inserted or removed the numbers differ, so that the nearest call of the same
        task that nobody has met is taken.
        """
        near = [each for each in self.replaced() if _is_within(each.missed.key.scope, path)]
        self._missed = [each for each in self._missed if not _is_within(each.key.scope, path)]
        return near

    def missed(self) -> list[Missed]:
        """Return the calls that were not found, the first of all first."""
        return list(self._missed)

    def replaced(self) -> list[NearMiss]:
        """Return the calls that were not found, each with one of the same task nobody asked for."""
        scopes = dict.fromkeys(map(_scope, self._missed))
        return [
            near
            for scope in scopes
            for near in _paired(
                [each for each in self._missed if _scope(each) == scope],
                left=self._left_in(scope),
            )
        ]

    def inserted(self) -> list[NearMiss]:
        """Return the calls that were not found, each with what stands next in its scope."""
        found = ((each, self._left_in(_scope(each))) for each in self._missed if each.is_kept)
        return [NearMiss(each, left[0]) for each, left in found if left]

    def has_more(self) -> bool:
        """Tell whether there are results that nobody asked for, in scopes where others were."""
        return any(map(self._left_in, self._asked))

    def is_foreign(self) -> bool:
        """Tell whether nothing that was asked for is in a scope that was there before."""
        asked = self._asked | {_scope(each) for each in self._missed}
        return bool(self._latest) and not asked & self._latest.keys()

    def _left_in(self, scope: str) -> list[Recorded]:
        return [each for each in list(self._left.get(scope, {}).values()) if each.has_result]


def _scope(missed: Missed) -> str:
    return scope_digest(missed.key.scope)


def _paired(missed: list[Missed], *, left: list[Recorded]) -> list[NearMiss]:
    found: list[NearMiss] = []
    for each in missed:
        alike = [other for other in left if other.identity == each.key.identity]
        if alike:
            ordinal = place_of(each.key).ordinal
            nearest = min(alike, key=lambda other: abs(other.place.ordinal - ordinal))
            left.remove(nearest)
            found.append(NearMiss(each, nearest))
    return found


_DIGITS = 4
"""Of an argument's digest, enough to say whether it has changed; the key tells calls apart."""
_MOST_MISSED = 1000
"""Calls that are remembered until their body ends: a run that goes on makes many new ones."""
_MOST_ARGUMENTS = 12


def place_of(key: CallKey) -> Place:
    """Return where a call stands, as it is recorded."""
    assert key.ordinal is not None, "it is a call"
    arguments = tuple(
        f"{name}={digest.hex()[:_DIGITS]}" if name else digest.hex()[:_DIGITS]
        for name, digest in key.arguments[:_MOST_ARGUMENTS]
    )
    return Place(scope_digest(key.scope), key.ordinal, arguments)


def _by_place(arguments: tuple[str, ...]) -> dict[int | str, str]:
    found: dict[int | str, str] = {}
    for number, text in enumerate(arguments):
        name, equals, digest = text.rpartition("=")
        found[name if equals else number] = digest
    return found


def _is_within(scope: str, path: str) -> bool:
    """Tell whether a scope is a body's own, or a block's in it."""
    return scope == path or scope.startswith(f"{path}/scope:")
