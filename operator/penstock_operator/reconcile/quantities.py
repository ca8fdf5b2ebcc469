"""Quantities in pod templates: the API server says that one cannot be read, but not which."""

import re
from collections.abc import Iterator

from pydantic import JsonValue

from penstock_operator.model.schema import JsonObject
from penstock_operator.reconcile.text import shorten
from penstock_operator.reconcile.wire import text

_NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"
_SUFFIX = r"([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?"
_QUANTITY = re.compile(_NUMBER + _SUFFIX)
_MAPS = (("resources", "limits"), ("resources", "requests"))
_VALUES = (("emptyDir", "sizeLimit"), ("resourceFieldRef", "divisor"))
_LONGEST = 60


def quantity_faults(spec: JsonObject, *, at: str) -> Iterator[str]:
    """Say of each quantity of a pod template that it is none, by its path."""
    yield from _of_map(spec.get("overhead"), at=f"{at}.overhead")
    yield from _below(spec, at=at, parent="")


def _below(value: JsonValue, *, at: str, parent: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _below(each, at=f"{at}[{text(each, 'name') or index}]", parent=parent)
    if isinstance(value, dict):
        for name, each in value.items():
            place = f"{at}.{name}"
            if (parent, name) in _MAPS:
                yield from _of_map(each, at=place)
            elif (parent, name) in _VALUES:
                yield from _of_value(each, at=place)
            else:
                yield from _below(each, at=place, parent=name)


def _of_map(value: JsonValue, *, at: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _of_value(each, at=f"{at}.{name}")


def _of_value(value: JsonValue, *, at: str) -> Iterator[str]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_quantity = isinstance(value, str) and _QUANTITY.fullmatch(value.strip())
    if value is not None and not is_number and not is_quantity:
        said = shorten(repr(value), limit=_LONGEST)
        yield f"{at} is {said}, which is no quantity; write a number such as 500m, 2 or 1Gi"
