"""Values, never futures, reach a body: find the futures among arguments, put values in their place.

Futures and states are searched for in exact lists, tuples, dicts, sets and dataclass instances,
to any depth; other objects belong to the user and are left alone. What holds no future is passed
on as the very object that it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from copy import copy
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from penstock.annotations import allow_failure, opaque, quote, unmapped
from penstock.errors import UpstreamNotCompleted
from penstock.states import NotReady, State

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from penstock.engine.runs import TaskRun

T = TypeVar("T")
L = TypeVar("L", bound="Link")


class Link:
    """Something that stands for the result of a run: the engine's view of a future."""

    __slots__ = ()

    def final_state(self) -> State[object] | None:
        """Return the state once it is final; looking at it takes no failure."""
        raise NotImplementedError

    def run_name(self) -> str:
        """Return the name of the run whose result this stands for."""
        raise NotImplementedError

    def task_run(self) -> TaskRun:
        """Return the run whose result this stands for."""
        raise NotImplementedError

    def when_final(self, function: Callable[[], None]) -> None:
        """Call ``function`` once the state is final, at once if it is."""
        raise NotImplementedError

    def is_lost(self) -> bool:
        """Tell whether this is a failure that nobody took and no dependent answers for."""
        raise NotImplementedError

    def take(self) -> None:
        """Note that somebody answers for this failure, so that it is not lost."""
        raise NotImplementedError

    def blame(self) -> None:
        """Note that a dependent never ran because of this failure, and answers for it."""
        raise NotImplementedError


def are_plain(args: tuple[object, ...], kwargs: dict[str, object]) -> bool:
    """Tell at a glance that no argument can hold a future."""
    for value in args:
        if type(value) not in _LEAVES:
            return False
    for value in kwargs.values():  # noqa: SIM110 - a generator costs each task call more
        if type(value) not in _LEAVES:
            return False
    return True


def links_in(value: object, *, tolerated_only: bool = False) -> list[Link]:
    """Return the futures found in ``value``, or only those found inside ``allow_failure``."""
    found: list[Link] = []
    _search(value, found, wanted=not tolerated_only, seen=set())
    return found


def _search(value: object, found: list[Link], *, wanted: bool, seen: set[int]) -> None:
    if isinstance(value, Link):
        if wanted:
            found.append(value)
        return
    if isinstance(value, allow_failure | unmapped):
        wanted = wanted or isinstance(value, allow_failure)
        _search(value.value, found, wanted=wanted, seen=seen)
        return
    if isinstance(value, opaque) and isinstance(value.value, Link):
        _search(value.value, found, wanted=wanted, seen=seen)
        return
    parts = _parts(value)
    if parts and id(value) not in seen:
        seen.add(id(value))
        for part in parts:
            if type(part) not in _LEAVES:
                _search(part, found, wanted=wanted, seen=seen)


def holds_links(value: object) -> bool:
    """Tell whether there is a future or a state in ``value``."""
    unseen, seen = [value], {id(value)}
    while unseen:
        part = unseen.pop()
        if isinstance(part, opaque):
            part = part.value if isinstance(part.value, Link | State) else None
        if isinstance(part, Link | State):
            return True
        inner = [part.value] if isinstance(part, allow_failure | unmapped) else _parts(part)
        new = [each for each in inner if type(each) not in _LEAVES and id(each) not in seen]
        seen.update(map(id, new))
        unseen.extend(new)
    return False


def holds_marks(args: tuple[object, ...], kwargs: dict[str, object]) -> bool:
    """Tell whether an argument is marked, and the mark to be taken off before the body runs."""
    for value in args:
        if type(value) in _MARKS:
            return True
    for value in kwargs.values():  # noqa: SIM110 - a generator costs each task call more
        if type(value) in _MARKS:
            return True
    return False


_MARKS = frozenset({allow_failure, opaque, quote, unmapped})


def _parts(value: object) -> Collection[object]:
    if type(value) in (list, tuple, set) or isinstance(value, LinkList):
        return cast("Collection[object]", value)
    if type(value) is dict:
        return value.values()
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name, None) for field in fields(value)]
    return ()


CONSTANTS = frozenset({type(None), bool, int, float, complex, str, bytes, range})
"""Types whose values nobody can change."""
_LEAVES = frozenset({type(None), bool, int, float, str, bytes})
"""Types that hold nothing; telling them early makes long lists of them cheap."""


class LinkList(list[L]):
    """A list of futures: searched like an exact list, replaced by one."""


class NotCompleted(Exception):  # noqa: N818 - never leaves this package
    """Carries the input that did not complete out of a search."""

    def __init__(self, state: State[object], *, link: Link | None) -> None:
        super().__init__(state.message)
        self.state = state
        self.link = link


def values_of(value: T) -> T:
    """Return ``value`` with results in place of final futures and states.

    Raises ``NotCompleted`` for the first that did not complete, unless ``allow_failure`` holds it.
    """
    return cast("T", _value(value, tolerant=False, states=True, seen=frozenset()))


def results_of(value: object) -> object:
    """Return what a body handed back with results in place of completed futures.

    States stay: they decide the final state.
    """
    return _value(value, tolerant=True, states=False, seen=frozenset())


def _value(value: object, *, tolerant: bool, states: bool, seen: frozenset[int]) -> object:
    if type(value) in _LEAVES:
        return value
    if isinstance(value, Link):
        return _result(value.final_state(), link=value, tolerant=tolerant)
    if isinstance(value, quote):
        return value.value
    if isinstance(value, opaque):
        inner = value.value
        if not isinstance(inner, Link | State):
            return inner
        return _value(inner, tolerant=tolerant, states=states, seen=seen)
    if isinstance(value, State):
        return _result(value, link=None, tolerant=tolerant) if states else value
    if isinstance(value, allow_failure | unmapped):
        tolerant = tolerant or isinstance(value, allow_failure)
        return _value(value.value, tolerant=tolerant, states=states, seen=seen)
    parts = _parts(value)
    if not parts or id(value) in seen:
        return value
    seen |= {id(value)}
    new = [_value(part, tolerant=tolerant, states=states, seen=seen) for part in parts]
    if all(ours is theirs for ours, theirs in zip(new, parts, strict=True)):
        return value
    return _rebuilt(value, new)


def _result(state: State[object] | None, *, link: Link | None, tolerant: bool) -> object:
    assert state is not None, "inputs are final before anybody asks for their values"
    if not state.is_completed() and not tolerant:
        raise NotCompleted(state, link=link)
    return state.result(raise_on_failure=False)


def _rebuilt(value: object, parts: list[object]) -> object:
    if isinstance(value, dict):
        return dict(zip(value, parts, strict=True))
    if isinstance(value, list | tuple | set):
        return list(parts) if isinstance(value, LinkList) else type(value)(parts)
    twin = copy(value)
    for field, part in zip(fields(cast("DataclassInstance", value)), parts, strict=True):
        object.__setattr__(twin, field.name, part)
    return twin


def not_ready(problem: NotCompleted) -> State[object]:
    """Return the state of a task that cannot run because of ``problem``, and blame its upstream."""
    name = "an input"
    if problem.link is not None:
        problem.link.blame()
        name = problem.link.run_name()
    message = f"Did not run, because {name} ended as {problem.state!r}."
    error = UpstreamNotCompleted(message)
    error.__cause__ = problem.state.error()
    return NotReady(message=message, data=error)


def root_errors(links: Iterable[Link]) -> list[BaseException]:
    """Return what made these fail, each cause once: an upstream's error rather than NotReady's."""
    errors: list[BaseException] = []
    for link in links:
        state = link.final_state()
        if state is None or state.is_completed():
            continue
        link.take()
        error = state.error()
        while isinstance(error, UpstreamNotCompleted) and error.__cause__ is not None:
            error = error.__cause__
        if not any(error is other for other in errors):
            errors.append(error)
    return errors
