"""How stored values are protected from whoever can read or write where they are stored.

A codec encrypts or compresses them: any object with ``encode`` and ``decode``, named by
``PENSTOCK_CODEC=module:object``. A signing key (``PENSTOCK_SIGNING_KEY``) has them carry an HMAC,
which is checked before anything in them is unpickled.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from penstock.absent import refuse_absent
from penstock.errors import StoreUnusable, UnreadableValue

__all__ = ["Codec"]

_MAC_BYTES = 32
_THROUGH, _SIGNED = " through ", ", signed"


class Codec(Protocol):
    """Turns stored bytes into others and back, for example by encrypting or compressing them."""

    def encode(self, content: bytes) -> bytes:
        """Return what is to be stored."""

    def decode(self, stored: bytes) -> bytes:
        """Return the content again; raise where that cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A codec and a key, as far as there are any."""

    codec: Codec | None = None
    codec_name: str = ""
    key: bytes = b""

    def __bool__(self) -> bool:
        return self.codec is not None or bool(self.key)

    def encoded(self, content: bytes) -> bytes:
        """Return the content as it is stored."""
        return content if self.codec is None else self.codec.encode(content)

    def decoded(self, stored: bytes, *, codec: str) -> bytes:
        """Return what the codec of that name wrote; an empty name is none.

        Raises ``UnreadableValue``, which says which codec is missing.
        """
        if not codec:
            return stored
        if self.codec is None or codec != self.codec_name:
            raise UnreadableValue(
                f"it was written through the codec {codec}, and {self.codec_name or 'none'} is set "
                f"here. Set PENSTOCK_CODEC={codec}."
            )
        try:
            return self.codec.decode(stored)
        except Exception as error:
            raise UnreadableValue(
                f"the codec {codec} cannot read it ({type(error).__name__}: {error}). Give it "
                "the key that it was written with."
            ) from error

    def mac(self, *parts: bytes) -> bytes:
        """Return what nobody can compute of these parts who does not have the key."""
        digest = hmac.new(self.key, digestmod=hashlib.sha256)
        for part in parts:
            digest.update(len(part).to_bytes(8))
            digest.update(part)
        return digest.digest()

    def close(self, serializer: str, payload: bytes, *, about: str) -> tuple[str, bytes]:
        """Return a result as it is stored ``about`` something: its serializer's name, and bytes."""
        if self.codec is not None:
            serializer += _THROUGH + self.codec_name
            payload = self.codec.encode(payload)
        if self.key:
            serializer += _SIGNED
            payload = self.mac(about.encode(), serializer.encode(), payload) + payload
        return serializer, payload

    def open(self, serializer: str, payload: bytes, *, about: str) -> tuple[str, bytes]:
        """Return what was closed; raise ``UnreadableValue`` if it is not what we have written."""
        is_signed = serializer.endswith(_SIGNED)
        if self.key:
            mac, payload = payload[:_MAC_BYTES], payload[_MAC_BYTES:]
            expected = self.mac(about.encode(), serializer.encode(), payload)
            if not (is_signed and hmac.compare_digest(mac, expected)):
                raise UnreadableValue(
                    "it does not bear the signature of this store's key: somebody else has written "
                    "it, or it was written with another key."
                )
        elif is_signed:
            payload = payload[_MAC_BYTES:]
        plain, _, codec = serializer.removesuffix(_SIGNED).partition(_THROUGH)
        return plain, self.decoded(payload, codec=codec)


def present_seal() -> Seal:
    """Return the seal that the environment asks for; raise ``StoreUnusable`` where it cannot be."""
    environ = os.environ
    return _seal(environ.get("PENSTOCK_CODEC", ""), environ.get("PENSTOCK_SIGNING_KEY", ""))


@lru_cache(maxsize=8)
def _seal(codec: str, key: str) -> Seal:
    return Seal(codec=_loaded(codec) if codec else None, codec_name=codec, key=key.strip().encode())


def _loaded(name: str) -> Codec:
    module, _, attribute = name.partition(":")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        codec = getattr(import_module(module), attribute)
    except Exception as error:
        raise StoreUnusable(
            f"PENSTOCK_CODEC names {name}, which cannot be imported ({type(error).__name__}: "
            f"{error}). Write module:object, and let the module be in the image or beside the flow."
        ) from error
    if not (callable(getattr(codec, "encode", None)) and callable(getattr(codec, "decode", None))):
        raise StoreUnusable(
            f"PENSTOCK_CODEC names {name}, which has no encode and decode: it has to turn bytes "
            "into bytes, and back."
        )
    return cast("Codec", codec)


refuse_absent(globals())
