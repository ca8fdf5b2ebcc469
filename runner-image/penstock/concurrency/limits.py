"""The limits that a person set, in ``$PENSTOCK_HOME/limits.yaml``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from penstock.errors import ConcurrencySlotAcquisitionError, PenstockError
from penstock.home import change_mapping, home, read_mapping

OF_TAG = "tag:"
"""How the names of limits begin that hold for all tasks of a tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many slots a name has; with a decay, how many of them come back by themselves."""

    name: str
    slots: int
    decay: float = 0.0
    """Slots that ``rate_limit`` took and that come back each second."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("A limit has a name.")
        if self.slots < 0 or self.decay < 0:
            raise ValueError(f"The limit {self.name} and its decay are numbers of at least 0.")


def limits_file() -> Path:
    """Return where the limits are kept."""
    return home() / "limits.yaml"


def read_limits() -> Mapping[str, Limit]:
    """Return all limits by name. The file is read again when it has changed."""
    path = limits_file()
    try:
        found = path.stat()
    except FileNotFoundError:
        return {}
    return _read(path, (found.st_mtime_ns, found.st_size, found.st_ino))


@lru_cache(maxsize=4)
def _read(path: Path, version: tuple[int, int, int]) -> Mapping[str, Limit]:
    return {str(name): _limit(str(name), entry, path) for name, entry in read_mapping(path).items()}


def limits_of_tags(tags: Iterable[str]) -> list[str]:
    """Return the names of the limits that these tags have."""
    limits = read_limits()
    names = [name for tag in sorted(tags) if (name := OF_TAG + tag) in limits]
    for name in names:
        if limits[name].slots == 0:
            raise ConcurrencySlotAcquisitionError(
                f"The limit {name} is 0, so no task with this tag can ever run: raise it by "
                f"`penstock limit set {name} NUMBER`, or take the tag away."
            )
    return names


def set_limit(limit: Limit) -> None:
    """Keep a limit in the place of one that has its name."""
    entry: Any = {"limit": limit.slots, "decay": limit.decay} if limit.decay else limit.slots
    change_mapping(limits_file(), lambda entries: entries.update({limit.name: entry}))


def delete_limit(name: str) -> bool:
    """Forget a limit; tell whether there was one."""
    if name not in read_limits():
        return False
    change_mapping(limits_file(), lambda entries: entries.__delitem__(name))
    return True


def _limit(name: str, entry: object, path: Path) -> Limit:
    fields: dict[str, Any] = entry if isinstance(entry, dict) else {"limit": entry}
    slots, decay = fields.get("limit"), fields.get("decay", 0)
    try:
        if type(slots) is not int or type(decay) not in (int, float) or fields.keys() - _FIELDS:
            raise ValueError(f"{entry!r} is neither a number nor {{limit: 5, decay: 0.5}}.")
        return Limit(name=name, slots=slots, decay=float(decay))
    except ValueError as error:
        raise PenstockError(f"Mend the limit {name} in {path}: {error}") from error


_FIELDS = {"limit", "decay"}
