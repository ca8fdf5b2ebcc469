"""Pickles that another process can read, though the program's own file is ``__main__`` in one.

A file is ``__main__`` under ``python flow.py`` and ``flow`` under ``penstock run flow.py:daily``:
what it defines is named after the file, and found in either. Closures and classes of a notebook
have no name that leads to them; they go by value, which takes cloudpickle.
"""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import FunctionType
from typing import Any, cast

from penstock.errors import UnreadableValue, UnstorableValue

__all__ = ["dumps", "loads", "named"]

_PROTOCOL = 5


def dumps(value: object) -> bytes:
    """Return ``value`` as a pickle; raise ``UnstorableValue`` if there is none of it."""
    try:
        plain = pickle.dumps(value, protocol=_PROTOCOL)
    except Exception as error:
        return _by_value(value, because=error)
    if b"__main__" not in plain:
        return plain
    if _name_of_main() is None:
        return _by_value(value, because=None)
    with BytesIO() as file:
        _NamesMain(file, protocol=_PROTOCOL).dump(value)
        return file.getvalue()


def loads(payload: bytes) -> object:
    """Return what was pickled; raise ``UnreadableValue``, with the reason, if it cannot be."""
    main = _name_of_main()
    try:
        if main is not None and main.encode() in payload:
            return _FindsMain(BytesIO(payload)).load()
        return pickle.loads(payload)  # noqa: S301 - whoever can write the store can run code
    except Exception as error:
        raise UnreadableValue(f"it cannot be unpickled ({type(error).__name__}: {error}).") from (
            error
        )


def named(module: str, qualname: str) -> object:
    """Return what a module defines, the program's own file included."""
    found: object = _module(module)
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


def name_of_module(thing: object) -> str:
    """Return the module that defines a class or function, by a name that others know."""
    module = cast("str", getattr(thing, "__module__", ""))
    return (_name_of_main() or module) if module == "__main__" else module


def _module(name: str) -> object:
    return sys.modules["__main__"] if name == _name_of_main() else importlib.import_module(name)


def _name_of_main() -> str | None:
    """Return the name under which others import the program's file; a notebook has none."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return cast("str", spec.name)
    file = getattr(main, "__file__", None)
    return Path(file).stem if file else None


class _NamesMain(pickle.Pickler):
    def reducer_override(self, thing: object) -> Any:
        is_code = isinstance(thing, type | FunctionType)
        if is_code and getattr(thing, "__module__", None) == "__main__":
            return named, (_name_of_main(), cast("type", thing).__qualname__)
        return NotImplemented


class _FindsMain(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> object:
        if module_name == _name_of_main():
            return named(module_name, global_name)
        return super().find_class(module_name, global_name)


def _by_value(value: object, *, because: Exception | None) -> bytes:
    try:
        import cloudpickle
    except ModuleNotFoundError:
        raise UnstorableValue(
            f"A {type(value).__qualname__} cannot be pickled ({because or 'it is of __main__'}). "
            "Functions and classes that no import leads to can be with cloudpickle: "
            "pip install 'penstock[processes]'."
        ) from because
    pickled = cast("Callable[..., bytes]", cloudpickle.dumps)
    try:
        return pickled(value, protocol=_PROTOCOL)
    except Exception as error:
        raise UnstorableValue(
            f"A {type(value).__qualname__} cannot be pickled ({because or error})."
        ) from error
