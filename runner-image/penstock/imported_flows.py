"""Flows by their names, where no cluster knows them: those that are imported."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from typing import Any

from penstock.drivers.scope import current_scope
from penstock.errors import FlowLoadError
from penstock.flows import Flow


def imported_flow(name: str) -> Flow[..., Any]:
    """Return the flow of a name: of the module of the flow around, or of any that is imported."""
    wanted = _plain(name.rpartition("/")[2])
    scope = current_scope.get()
    around = getattr(scope.body, "__globals__", {}) if scope is not None else {}
    modules = [around, *(getattr(each, "__dict__", {}) for each in [*sys.modules.values()])]
    known: dict[str, Flow[..., Any]] = {}
    for names in modules:
        for called, value in list(names.items()):
            if issubclass(type(value), Flow):  # asks no proxy what it stands for
                for each in (value.name, called):
                    known.setdefault(_plain(each), value)
        if wanted in known:
            return known[wanted]
    raise FlowLoadError(_not_found(name, known=sorted(known)))


def _not_found(name: str, *, known: list[str]) -> str:
    near = get_close_matches(_plain(name), known, cutoff=0.6)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return (
        f"There is no flow {name!r} here: outside of the cluster run_flow finds flows that are "
        f"imported.{hint} Import the module that has it, or give run_flow the flow itself."
    )


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
