"""Where values that are no code come from: the environment, the pod's mounts, ``$PENSTOCK_HOME``.

Files there are YAML. JSON is YAML too: it is read and written where PyYAML is not installed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.errors import PenstockError

MOUNTED = Path("/var/run/penstock")
"""Where ConfigMaps and Secrets are mounted in a pod."""


def home() -> Path:
    """Return ``$PENSTOCK_HOME``; ``~/.penstock`` where it is not set."""
    return home_if_set() or Path.home() / ".penstock"


def home_if_set() -> Path | None:
    """Return ``$PENSTOCK_HOME``, if there is one: a plain call keeps nothing on disk without."""
    named = os.environ.get("PENSTOCK_HOME")
    return Path(named).expanduser() if named else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where a value is looked for, in this order."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    mounted: Path = MOUNTED
    home: Path = field(default_factory=home)


def environment_name(kind: str, name: str) -> str:
    """Return the environment variable that holds ``name``: ``PENSTOCK_SECRET_DB_PASSWORD``."""
    plain = "".join(letter if letter.isalnum() else "_" for letter in name)
    return f"PENSTOCK_{kind}_{plain.upper()}"


def text_of(path: Path) -> str:
    """Return a file's text without the line end that editors and ``echo`` add."""
    return path.read_text(encoding="utf-8").removesuffix("\n")


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds; an empty one where there is no file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    content = _parsed(text, path=path)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise PenstockError(f"{path} has to hold a mapping, a line 'name: value' for each name.")
    return content


def _parsed(text: str, *, path: Path) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        import yaml
    except ModuleNotFoundError:
        raise PenstockError(
            f"{path} is YAML, which needs PyYAML: pip install pyyaml, or write the file as JSON."
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PenstockError(f"{path} is no valid YAML: {error}") from error


def change_mapping(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Read the mapping in a file, change it and write it back, one process at a time."""
    with locked(path.with_name(f".{path.name}.lock")):
        content = read_mapping(path)
        change(content)
        write_text(path, _written(content))


def _written(content: dict[str, Any]) -> str:
    try:
        import yaml
    except ModuleNotFoundError:
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return str(yaml.safe_dump(content, allow_unicode=True))


def write_text(path: Path, text: str) -> None:
    """Write a file that its owner alone may read, at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    import tempfile  # costs each pod some milliseconds, and few of them write

    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, alone among the threads and processes of the machine."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
