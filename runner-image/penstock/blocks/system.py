"""Secrets: texts that a flow reads by name and that nothing shows.

A secret is looked for in the environment (``PENSTOCK_SECRET_<NAME>``), in a Secret that is mounted
at ``/var/run/penstock/secrets``, and in ``$PENSTOCK_HOME/secrets``. A name is a file there, or
``<secret>/<key>`` in a folder; a folder with one file goes by its own name, too.
"""

from __future__ import annotations

import re
from pathlib import Path

from penstock.absent import refuse_absent
from penstock.errors import PenstockError
from penstock.home import Sources, environment_name, text_of, write_text

__all__ = ["Secret"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)?")


class Secret:
    """A text that is shown by ``get`` alone: ``Secret.load("db-password").get()``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"A secret is a text, not a {type(value).__name__}.")
        self._value = value

    @classmethod
    def load(cls, name: str) -> Secret:
        """Return a secret; raises ``ValueError`` where there is none of this name."""
        return cls(find_secret(name))

    @classmethod
    async def aload(cls, name: str) -> Secret:
        """Do what ``load`` does."""
        return cls.load(name)

    def get(self) -> str:
        """Return the text itself."""
        return self._value

    def save(self, name: str, *, overwrite: bool = False) -> None:
        """Keep the text in ``$PENSTOCK_HOME/secrets``, readable by its owner alone.

        Raises ``ValueError`` if there is one of this name, unless told to overwrite it.
        """
        _check(name)
        path = Sources().home / "secrets" / name
        if path.exists() and not overwrite:
            raise ValueError(f"The secret {name} exists; pass overwrite=True to replace it.")
        write_text(path, self._value)

    def __repr__(self) -> str:
        return "Secret('**********')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.get() == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def find_secret(name: str, *, sources: Sources | None = None) -> str:
    """Return the text of the first source that knows the secret."""
    sources = sources or Sources()
    _check(name)
    variable = environment_name("SECRET", name)
    if (text := sources.environ.get(variable)) is not None:
        return text
    folders = (sources.mounted / "secrets", sources.home / "secrets")
    for folder in folders:
        path = folder / name
        if path.is_file():
            return text_of(path)
        if path.is_dir():
            return text_of(_only_file(path, name=name))
    raise ValueError(
        f"There is no secret {name}: set {variable}, or write it to {folders[1] / name}; "
        f"in a pod, mount a Secret at {folders[0] / name}."
    )


def _only_file(folder: Path, *, name: str) -> Path:
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != ".")
    if len(files) == 1:
        return files[0]
    keys = ", ".join(path.name for path in files) or "no keys"
    raise PenstockError(f"The secret {name} has {keys}: name one, as in Secret.load('{name}/KEY').")


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"The name of a secret is like db-password, or db/password for a key; not {name!r}."
        )


refuse_absent(globals())
