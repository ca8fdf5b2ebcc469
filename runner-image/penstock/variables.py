"""Variables: small values that a flow reads by name and somebody else may change.

A variable is looked for in the environment (``PENSTOCK_VARIABLE_<NAME>``), in the files of a
ConfigMap that is mounted at ``/var/run/penstock/variables``, and in
``$PENSTOCK_HOME/variables.yaml``. Texts of the first two are JSON where they parse as JSON.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.errors import PenstockError
from penstock.home import (
    Sources,
    change_mapping,
    environment_name,
    read_mapping,
    text_of,
)

__all__ = ["Variable"]

_NAME = re.compile(r"[a-z0-9_-]{1,255}")
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Variable:
    """A name and a value of JSON's types."""

    name: str
    value: Any

    @classmethod
    def get(cls, name: str, default: Any = None) -> Any:
        """Return the variable's value; ``default`` where there is none."""
        return find_variable(name, default=default)

    @classmethod
    async def aget(cls, name: str, default: Any = None) -> Any:
        """Return the variable's value; ``default`` where there is none."""
        return find_variable(name, default=default)

    @classmethod
    def set(cls, name: str, value: Any, *, overwrite: bool = False) -> Variable:
        """Keep a value in ``$PENSTOCK_HOME/variables.yaml``.

        Raises ``ValueError`` if the variable exists, unless told to overwrite it, and
        ``PenstockError`` where something else than that file decides its value.
        """
        keep_variable(name, value, overwrite=overwrite)
        return cls(name, value)

    @classmethod
    async def aset(cls, name: str, value: Any, *, overwrite: bool = False) -> Variable:
        """Do what ``set`` does."""
        return cls.set(name, value, overwrite=overwrite)

    @classmethod
    def unset(cls, name: str) -> bool:
        """Forget a variable; tell whether there was one."""
        return forget_variable(name)

    @classmethod
    async def aunset(cls, name: str) -> bool:
        """Do what ``unset`` does."""
        return forget_variable(name)


def find_variable(name: str, *, default: Any = None, sources: Sources | None = None) -> Any:
    """Return what the first source that knows the variable holds."""
    sources = sources or Sources()
    _check(name)
    for text in (_from_environment(name, sources), _from_mount(name, sources)):
        if text is not None:
            return _value_of(text)
    return read_mapping(_file(sources)).get(name, default)


def keep_variable(
    name: str, value: Any, *, overwrite: bool = False, sources: Sources | None = None
) -> None:
    """Write a variable into the file."""
    sources = sources or Sources()
    _check(name)
    _check_value(name, value)
    _refuse_shadowed(name, sources)

    def keep(content: dict[str, Any]) -> None:
        if name in content and not overwrite:
            raise ValueError(f"The variable {name} exists; pass overwrite=True to replace it.")
        content[name] = value

    change_mapping(_file(sources), keep)


def forget_variable(name: str, *, sources: Sources | None = None) -> bool:
    """Take a variable out of the file; tell whether it was there."""
    sources = sources or Sources()
    _check(name)
    _refuse_shadowed(name, sources)
    if name not in read_mapping(_file(sources)):
        return False
    found = []
    change_mapping(_file(sources), lambda content: found.append(content.pop(name, _MISSING)))
    return found != [_MISSING]


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"The name of a variable has lowercase letters, digits, dashes and underscores, "
            f"255 at most; {name!r} has not."
        )


def _check_value(name: str, value: Any) -> None:
    try:
        alike = json.loads(json.dumps(value, allow_nan=False)) == value
    except (TypeError, ValueError):
        alike = False
    if not alike:
        raise TypeError(f"The variable {name} takes a value of JSON's types, not {value!r}.")


def _refuse_shadowed(name: str, sources: Sources) -> None:
    if _from_environment(name, sources) is not None:
        raise PenstockError(
            f"The variable {name} is set by {environment_name('VARIABLE', name)} in the "
            "environment: change it there."
        )
    if (sources.mounted / "variables").is_dir():
        raise PenstockError(
            f"The variables of this pod are a ConfigMap's, which is mounted at "
            f"{sources.mounted / 'variables'}: change {name} there (kubectl edit configmap)."
        )


def _from_environment(name: str, sources: Sources) -> str | None:
    return sources.environ.get(environment_name("VARIABLE", name))


def _from_mount(name: str, sources: Sources) -> str | None:
    path = sources.mounted / "variables" / name
    return text_of(path) if path.is_file() else None


def _file(sources: Sources) -> Path:
    return sources.home / "variables.yaml"


def _value_of(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
