"""Values as bytes and back: for caches, stores of results, and the journal.

Where nothing is said, exact builtin values are JSON and everything else is a pickle. A stored value
goes with the name of what wrote it, so that whoever reads it needs no option to match.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any, Protocol, cast, runtime_checkable

from penstock import pickling
from penstock.absent import refuse_absent
from penstock.errors import UnreadableValue, UnstorableValue

__all__ = [
    "CompressedJSONSerializer",
    "CompressedPickleSerializer",
    "CompressedSerializer",
    "JSONSerializer",
    "PickleSerializer",
    "Serializer",
    "decode",
    "encode",
]


@runtime_checkable
class Serializer(Protocol):
    """Turns values into bytes and back. Anybody may write one."""

    @property
    def type(self) -> str:
        """Stands beside what it wrote: a store refuses to read it with another."""

    def dumps(self, obj: Any) -> bytes:
        """Return a value as bytes; raise what is to be told if it cannot be."""

    def loads(self, blob: bytes) -> Any:
        """Return the value again."""


def encode(value: object) -> tuple[str, bytes]:
    """Return the name of the serializer that suits ``value``, and its bytes.

    Raises ``UnstorableValue``, which names the type.
    """
    if _is_plain(value):
        try:
            return "json", _PLAIN_JSON.encode(value).encode("ascii")
        except (ValueError, RecursionError):  # an infinite float, too many digits, too deep
            pass
    if pickle_is_allowed():
        return "pickle", pickling.dumps(value)
    if isinstance(value, Exception):
        return _ERROR, _Errors().dumps(value)
    return _WITH_CLASSES, _with_classes(value)


def encode_by(serializer: Serializer, value: object) -> tuple[str, bytes]:
    """Return what ``decode`` takes: a name, and the bytes that a serializer makes of ``value``.

    Where pickles are forbidden, one that would write a pickle gives way to what suits the value.
    Raises ``UnstorableValue``.
    """
    try:
        payload = serializer.dumps(value)
    except UnstorableValue:
        if pickle_is_allowed():
            raise
        return encode(value)
    except Exception as error:
        raise UnstorableValue(
            f"A {type(value).__qualname__} cannot be stored by the serializer {serializer.type} "
            f"({type(error).__name__}: {error})."
        ) from error
    if not reads_by_name(serializer):
        return _BY + serializer.type, payload
    if serializer.type != "json":
        return serializer.type, payload
    if _CLASS_MARK in payload:
        return _WITH_CLASSES, payload
    return "json", json.dumps(json.loads(payload), separators=(",", ":")).encode("ascii")


def reads_by_name(serializer: Serializer) -> bool:
    """Tell whether what it wrote can be read by whoever knows its name alone."""
    if isinstance(serializer, CompressedSerializer):
        return reads_by_name(serializer.serializer)
    return type(serializer) in (JSONSerializer, PickleSerializer) and serializer.type in _NAMED


def pickle_is_allowed() -> bool:
    """Tell whether stored values may be pickles: whoever can write one can run code by it."""
    return os.environ.get("PENSTOCK_ALLOW_PICKLE", "").lower() != "false"


def _with_classes(value: object) -> bytes:
    """Return JSON that gives back an equal value."""
    serializer = JSONSerializer()
    try:
        payload = serializer.dumps(value)
        found = serializer.loads(payload)
    except (UnstorableValue, UnreadableValue) as error:
        raise _forbidden(value) from error
    if type(found) is not type(value) or found != value:
        raise _forbidden(value)
    return payload


def _forbidden(value: object) -> UnstorableValue:
    return UnstorableValue(
        f"A {type(value).__qualname__} can be stored as a pickle only, and pickles are forbidden "
        "here (allowPickle: false): let it be of builtin types, dataclasses or pydantic models."
    )


def decode(name: str, payload: bytes, *, by: Serializer | None = None) -> object:
    """Return the value that ``encode`` or a serializer of this module wrote under ``name``.

    What an author's own serializer wrote is read ``by`` that one. Raises ``UnreadableValue``,
    which says what is missing.
    """
    if by is not None and name == _BY + by.type:
        try:
            return by.loads(payload)
        except Exception as error:
            raise UnreadableValue(f"{by.type} cannot read it ({error}).") from error
    if name == "json" and _CLASS_MARK not in payload:
        try:
            return json.loads(payload)
        except ValueError as error:
            raise UnreadableValue(f"it is no valid JSON ({error}).") from error
    return _known(name).loads(payload)


_WITH_CLASSES, _ERROR = "json with classes", "error"
_BY = "by "
"""Goes before the type of an author's own serializer, which may be called as ours are."""
_PLAIN_JSON = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_CLASS, _DATA = "__class__", "data"
_CLASS_MARK = b'"__class__"'
_SCALARS = frozenset({type(None), bool, int, float, str})
_TEXT = frozenset({str})


def _is_plain(value: object) -> bool:
    """Tell whether JSON gives back the same value of the same types."""
    kind = type(value)
    if kind in _SCALARS:
        return True
    try:
        if kind is list:
            return _are_plain(cast("list[object]", value))
        if kind is dict:
            items = cast("dict[object, object]", value)
            return (
                _TEXT.issuperset(map(type, items))
                and _CLASS not in items
                and _are_plain(items.values())
            )
    except RecursionError:  # it holds itself, or is too deep
        pass
    return False


def _are_plain(values: Any) -> bool:
    return _SCALARS.issuperset(map(type, values)) or all(map(_is_plain, values))


class PickleSerializer:
    """Writes pickles; with cloudpickle, where it is installed, also of closures and lambdas."""

    type = "pickle"

    def dumps(self, obj: Any) -> bytes:
        """Return a pickle; raise ``UnstorableValue`` if there is none."""
        if not pickle_is_allowed():
            raise _forbidden(obj)
        return pickling.dumps(obj)

    def loads(self, blob: bytes) -> Any:
        """Return the value again; raise ``UnreadableValue`` where it cannot be."""
        if not pickle_is_allowed():
            raise UnreadableValue(
                "it is a pickle, and pickles are forbidden here (allowPickle: false)."
            )
        return pickling.loads(blob)


class JSONSerializer:
    """Writes JSON. What JSON does not know goes through pydantic, beside the name of its class.

    Tuples become lists and keys texts; a ``SecretStr`` and private fields of models are lost.
    ``object_encoder`` and ``object_decoder`` take the place of pydantic: ``default`` and
    ``object_hook`` of the ``json`` module.
    """

    type = "json"

    def __init__(
        self,
        *,
        object_encoder: Callable[[Any], Any] | None = None,
        object_decoder: Callable[[dict[str, Any]], Any] | None = None,
        dumps_kwargs: Mapping[str, Any] | None = None,
        loads_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self._dumps = {"separators": (",", ":"), "default": object_encoder or _with_class}
        self._loads = {"object_hook": object_decoder or _without_class, **(loads_kwargs or {})}
        self._dumps.update(dumps_kwargs or {})
        if object_encoder or object_decoder:
            self.type = "json with its own encoder"

    def dumps(self, obj: Any) -> bytes:
        """Return JSON; raise ``UnstorableValue`` if there is none of the value."""
        try:
            return json.dumps(obj, **cast("Any", self._dumps)).encode()
        except Exception as error:
            reason = str(error).partition("\n")[0]  # pydantic's go on for pages
            raise UnstorableValue(
                f"A {type(obj).__qualname__} cannot be written as JSON ({reason})."
            ) from error

    def loads(self, blob: bytes) -> Any:
        """Return the value again; raise ``UnreadableValue`` where it cannot be."""
        try:
            return json.loads(blob, **cast("Any", self._loads))
        except Exception as error:
            raise UnreadableValue(f"it cannot be read as JSON ({error}).") from error


def _with_class(value: Any) -> dict[str, object]:
    kind: Any = type(value)
    generic = getattr(kind, "__pydantic_generic_metadata__", None)
    kind = (generic and generic["origin"]) or kind
    name = f"{pickling.name_of_module(kind)}:{kind.__qualname__}"
    return {_CLASS: name, _DATA: _adapter(kind).dump_python(value, mode="json")}


def _without_class(found: dict[str, Any]) -> Any:
    if found.keys() != {_CLASS, _DATA} or not isinstance(found[_CLASS], str):
        return found
    module, _, qualname = found[_CLASS].partition(":")
    kind = pickling.named(module, qualname)
    return _adapter(kind).validate_python(found[_DATA])


@cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


class _Errors:
    """Writes exceptions where pickles are forbidden: class, arguments and attributes, as JSON."""

    type = _ERROR

    def dumps(self, obj: Exception) -> bytes:
        kind = type(obj)
        name = f"{pickling.name_of_module(kind)}:{kind.__qualname__}"
        parts = {_CLASS: name, "args": list(obj.args), "attributes": dict(vars(obj))}
        if not _are_plain((parts["args"], parts["attributes"])):
            raise _forbidden(obj)
        blob = json.dumps(parts, separators=(",", ":")).encode()
        try:
            found = self.loads(blob)
        except UnreadableValue as error:
            raise _forbidden(obj) from error
        if (type(found), found.args, str(found)) != (kind, obj.args, str(obj)):
            raise _forbidden(obj)
        return blob

    def loads(self, blob: bytes) -> Exception:
        try:
            parts = json.loads(blob)
            module, _, qualname = parts[_CLASS].partition(":")
            kind = pickling.named(module, qualname)
            if not (isinstance(kind, type) and issubclass(kind, Exception)):
                raise TypeError(f"{qualname} is no exception")
            error = kind(*parts["args"])
            vars(error).update(parts["attributes"])
        except Exception as error:
            raise UnreadableValue(f"it cannot be read as an exception ({error}).") from error
        return error


class CompressedSerializer:
    """Compresses what another serializer writes.

    ``compressionlib`` is a module with ``compress`` and ``decompress``: lzma, bz2, gzip, zlib.
    """

    def __init__(self, serializer: Serializer | str, *, compressionlib: str = "lzma") -> None:
        self.serializer = serializer_for(serializer)
        self.compressionlib = compressionlib
        library = _compressing(compressionlib)
        self._compress, self._decompress = library.compress, library.decompress
        with_library = "" if compressionlib == "lzma" else f" by {compressionlib}"
        self.type = f"compressed/{self.serializer.type}{with_library}"

    def dumps(self, obj: Any) -> bytes:
        """Return the value, serialised and compressed."""
        return cast("bytes", self._compress(self.serializer.dumps(obj)))

    def loads(self, blob: bytes) -> Any:
        """Return the value again; raise ``UnreadableValue`` where it cannot be."""
        try:
            plain = self._decompress(blob)
        except Exception as error:
            raise UnreadableValue(f"it cannot be decompressed ({error}).") from error
        return self.serializer.loads(plain)


def _compressing(name: str) -> Any:
    try:
        library = import_module(name)
    except ModuleNotFoundError:
        raise ValueError(
            f"compressionlib is a module that can be imported, such as bz2, not {name!r}."
        ) from None
    if not hasattr(library, "compress") or not hasattr(library, "decompress"):
        raise ValueError(f"The compressionlib {name} has no compress and decompress.")
    return library


class CompressedPickleSerializer(CompressedSerializer):
    """Compresses pickles."""

    def __init__(self, *, compressionlib: str = "lzma") -> None:
        super().__init__("pickle", compressionlib=compressionlib)


class CompressedJSONSerializer(CompressedSerializer):
    """Compresses JSON."""

    def __init__(self, *, compressionlib: str = "lzma") -> None:
        super().__init__("json", compressionlib=compressionlib)


_NAMED: dict[str, Callable[[], Serializer]] = {
    "pickle": PickleSerializer,
    "json": JSONSerializer,
    "compressed/pickle": CompressedPickleSerializer,
    "compressed/json": CompressedJSONSerializer,
}


def serializer_for(option: object) -> Serializer:
    """Return the serializer that ``result_serializer`` means: one, or its short name."""
    if isinstance(option, str) and option in _NAMED:
        return _NAMED[option]()
    if not isinstance(option, type | str) and isinstance(option, Serializer):
        return option
    raise TypeError(
        f"result_serializer is one of {', '.join(map(repr, _NAMED))}, or an object with type, "
        f"dumps and loads, not {option!r}."
    )


def _known(name: str) -> Serializer:
    """Return what reads the bytes written under ``name``."""
    if name == _WITH_CLASSES:
        return JSONSerializer()
    if name == _ERROR:
        return _Errors()
    plain, _, library = name.partition(" by ")
    if library and plain.startswith("compressed/"):
        inner = _known(plain.removeprefix("compressed/"))
        return CompressedSerializer(inner, compressionlib=library)
    if name not in _NAMED:
        raise UnreadableValue(
            f"it was written by the serializer {name.removeprefix(_BY)!r}; give that one as "
            "result_serializer."
        )
    return _NAMED[name]()


refuse_absent(globals())
