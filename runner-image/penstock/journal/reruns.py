"""What a rerun keeps of what the run before it has stored. Pure: lines in, lines out.

    origin - {"json":{"run":"daily-x7k2p","uid":"…","first":"daily-x7k2p",…}}
    inherited - {"json":[[],{"day":"2026-11-20"}]}
    rewound - {"json":{"from":"Task","task":"load"}}

In the cluster a rerun has a journal of its own: what is kept is copied there, and the ``origin``
comes last, so that a journal without it is no whole copy. ``inherited`` is what the run before was
``given``, where some of it is replaced. On one machine it goes on with the
journal of the run before; a ``rewound`` entry drops what stands before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from penstock.engine.hooks import ON_RUNNING
from penstock.errors import RerunImpossible
from penstock.journal.entries import line_of_run, split_line, value_in
from penstock.journal.held import UNDONE

From = Literal["Failure", "Start", "Task"]
_RESULTS = ("done", "away")
_PARAMETERS = ("given", "inherited")
_VOID = frozenset({"failed", "retry", "due", "origin", "code"})
"""A rerun tries anew what had failed, with all its time; its origin and its code are its own."""
_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewind:
    """Where a rerun begins."""

    start: From = "Failure"
    task: str = ""
    """Name or ``task_key`` of the task whose results are dropped, and what was stored after."""

    def line(self) -> str:
        """Return the entry that drops what stands before it in the same journal."""
        return line_of_run("rewound", {"from": self.start, "task": self.task})


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which run a rerun began with."""

    run: str
    uid: str
    first: str
    """The first run of the chain: systems outside know the work by its name."""
    parameters: Mapping[str, object] = field(default_factory=dict)
    """All that the runs of the chain were given by name, the later ones' first."""
    changes: Mapping[str, object] = field(default_factory=dict)
    """Those that replace what is ``inherited``."""

    def line(self) -> str:
        """Return the entry that makes a copy whole."""
        return line_of_run("origin", asdict(self))


def origin_in(text: str) -> Origin:
    """Return what an ``origin`` entry tells."""
    return Origin(**value_in(text))  # type: ignore[arg-type]  # as it was stored


def origin_among(lines: Iterable[str]) -> Origin | None:
    """Return the origin that a journal tells of, if it belongs to a rerun that has begun."""
    found = (split_line(line)[2] for line in lines if _kind(line) == "origin")
    return next(map(origin_in, found), None)


def own_lines(lines: Sequence[str]) -> Sequence[str]:
    """Return the entries that the run has stored itself: with other code, perhaps, than before."""
    starts = (index for index, line in enumerate(lines) if _kind(line) == "origin")
    return lines[next(starts, -1) + 1 :]


def of_given(lines: Sequence[str], *, changed: bool) -> list[str]:
    """Return the entries for a run that begins with other parameters, or with the same."""
    known = {_kind(line) for line in lines}
    if "given" in known:
        lines = [line for line in lines if _kind(line) != "inherited"]
    if not changed:
        return list(lines)
    return [
        f"inherited{line.removeprefix('given')}" if _kind(line) == "given" else line
        for line in lines
    ]


def has_inherited(lines: Iterable[str]) -> bool:
    """Tell whether the entries have what the run before was given, to be replaced in part."""
    return any(_kind(line) == "inherited" for line in lines)


def effective(lines: Sequence[str]) -> Sequence[str]:
    """Return the entries that hold: those before a rewinding only as far as it has kept them."""
    for index in range(len(lines) - 1, -1, -1):
        if lines[index].startswith("rewound "):
            stored = value_in(split_line(lines[index])[2])
            assert isinstance(stored, dict)
            rewind = Rewind(start=stored["from"], task=stored["task"])
            return [*kept(lines[:index], rewind=rewind), *lines[index + 1 :]]
    return lines


def kept(lines: Sequence[str], *, rewind: Rewind) -> list[str]:
    """Return the entries that a rerun begins with, in the order of their storing.

    Raises ``RerunImpossible`` where there is no task of that name.
    """
    standing = _standing(effective(lines))
    if rewind.start == "Start":
        return [line for line in standing if _kind(line) in _PARAMETERS]
    if rewind.start == "Task":
        _require_known(rewind.task, standing)
        standing = _before(rewind.task, standing)
    begun = {split_line(line)[1] for line in standing if _kind(line) == "start"}
    return [line for line in standing if not _is_void(line, begun=begun)]


def _kind(line: str) -> str:
    return line.partition(" ")[0]


def _is_void(line: str, *, begun: set[str]) -> bool:
    """Tell whether an entry does not hold in a rerun; what begins at most once also fails once."""
    kind, key, text = split_line(line)
    if kind == "done":  # a rerun is another run, which begins once as well
        return text.startswith(f'{{"name":"{ON_RUNNING}"')
    return kind in _VOID and not (kind == "failed" and key in begun)


def _standing(lines: Iterable[str]) -> list[str]:
    """Leave out what was replaced later, or forgotten."""
    found: dict[str, dict[str, tuple[int, str]]] = {}
    for index, line in enumerate(lines):
        kind, key, _ = split_line(line)
        if kind == "forgotten":
            for undone in UNDONE:
                found.get(key, {}).pop(undone, None)
        else:
            found.setdefault(key, {})[kind] = (index, line)
    return [line for _, line in sorted(each for kinds in found.values() for each in kinds.values())]


def _require_known(task: str, standing: list[str]) -> None:
    names = [_name(line) for line in standing]
    if any(_is_called(name, task) for name in names):
        return
    known = sorted({name.partition("(")[0] for name in names if name})
    more = ", …" if len(known) > _SHOWN else ""
    raise RerunImpossible(
        f"The run has stored nothing of a task named {task}, so no other can begin with it. It has "
        f"entries of: {', '.join(known[:_SHOWN]) or 'none'}{more}."
    )


def _before(task: str, standing: list[str]) -> list[str]:
    """Return what was stored before the first result of a task, and does not belong to what was
    stored after; all if it has none."""
    results = (
        index
        for index, line in enumerate(standing)
        if _kind(line) in _RESULTS and _is_called(_name(line), task)
    )
    cut = next(results, len(standing))
    dropped = {split_line(line)[1] for line in standing[cut:]}
    dropped |= {
        split_line(line)[1]
        for line in standing[:cut]
        if _kind(line) == "start" and _is_called(_name(line), task)
    }
    return [line for line in standing[:cut] if split_line(line)[1] not in dropped]


def _name(line: str) -> str:
    return str(json.loads(split_line(line)[2]).get("name", ""))


def _is_called(identity: str, task: str) -> bool:
    """Compare with an identity: a ``task_key``, or the name and the function in parentheses."""
    return identity == task or identity.startswith(f"{task}(")
