"""The key of a call of a body's: imported where a journal is, so that other runs do without."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import MethodType
from typing import TYPE_CHECKING

from penstock.annotations import opaque
from penstock.engine.digest import digest_of_call, digests_of, is_digestible
from penstock.engine.identity import Branch, CallKey
from penstock.errors import UndigestibleArgument

if TYPE_CHECKING:
    from penstock.drivers.call import LiveCall


def key_of(
    call: LiveCall,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    *,
    branch: Branch,
    ordinal: int,
) -> CallKey:
    """Return the key of a call whose arguments are known.

    Raises ``UndigestibleArgument`` in a durable run where nothing would tell it from others.
    """
    identity = call.definition.identity
    if not args and not kwargs:
        assert call.caller is not None, "a root has no number"
        digest = digest_of_call((), owner=owner_of(call.definition.body))
        return call.caller.draw(identity=identity, digest=digest, ordinal=ordinal, branch=branch)
    arguments = digests_of(args, kwargs, spread=call.spread)
    if call.spread is not None or len(arguments) == 1:
        _refuse_indistinct(call, args, kwargs)
    digest = digest_of_call(arguments, index=call.index, owner=owner_of(call.definition.body))
    return branch.draw(identity=identity, digest=digest, arguments=arguments, ordinal=ordinal)


def _refuse_indistinct(call: LiveCall, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
    """Raise if the arguments that should tell the call from others are of an unknown type."""
    journal = call.journal
    if call.definition.is_keyed or journal is None or not journal.is_durable:
        return
    if call.is_replay:
        return
    places = call.spread.elements if call.spread is not None else (*range(len(args)), *kwargs)
    for place in places:
        given = call.args[place] if isinstance(place, int) else call.kwargs[place]
        value = args[place] if isinstance(place, int) else kwargs[place]
        if type(given) is not opaque and not is_digestible(value):
            name = parameter_at(call.definition.body, place)
            raise UndigestibleArgument(
                f"The argument {name} of {call.definition.name} is of the type "
                f"{type(value).__qualname__}, whose content cannot be compared, so that nothing "
                "tells this call from others when the run is taken up again. Wrap it in opaque() "
                "if all such calls are alike, or give the task a task_key; or "
                "persist_result=False, if it may run again on each launch."
            )


def parameter_at(body: Callable[..., object], place: int | str) -> str:
    """Return the name of the parameter that gets a positional argument."""
    if isinstance(place, str):
        return place
    positional = [
        each
        for each in inspect.signature(body).parameters.values()
        if each.kind is not each.KEYWORD_ONLY and each.kind is not each.VAR_KEYWORD
    ]
    return positional[min(place, len(positional) - 1)].name if positional else str(place)


def owner_of(body: Callable[..., object]) -> object:
    """Return the instance or class that a method belongs to; ``None`` for a function."""
    method = getattr(body, "__wrapped__", body)
    return method.__self__ if isinstance(method, MethodType) else None
