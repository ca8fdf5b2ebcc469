"""How commands print: formats for machines, a console for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

UNBOUNDED = 1000
"""Columns of a console that is no terminal: what reads it wants whole lines."""


class Format(StrEnum):
    """Formats for objects, and for lists where there is a table."""

    JSON = "json"
    YAML = "yaml"
    TABLE = "table"


class Document(StrEnum):
    """Formats for a single object or value."""

    JSON = "json"
    YAML = "yaml"


def without_bookkeeping(item: dict[str, Any]) -> dict[str, Any]:
    """Return an object without the managed fields, which nobody wants to read."""
    metadata = {key: each for key, each in item["metadata"].items() if key != "managedFields"}
    return item | {"metadata": metadata}


def print_object(item: dict[str, Any], *, form: str) -> None:
    """Print an object of the API server on stdout."""
    print_document(without_bookkeeping(item), form=form)


def print_document(value: Any, *, form: str) -> None:
    """Print a value of JSON's types on stdout."""
    sys.stdout.write(to_yaml(value) if form == Document.YAML else to_json(value))
    sys.stdout.flush()


def print_documents(values: list[dict[str, Any]], *, form: str) -> None:
    """Print one object, or several as kubectl takes them: documents in YAML, a List in JSON."""
    if len(values) == 1:
        print_document(values[0], form=form)
    elif form == Document.YAML:
        sys.stdout.write("---\n".join(map(to_yaml, values)))
        sys.stdout.flush()
    else:
        print_document(listed(values), form=form)


def listed(items: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return objects as one, as kubectl does."""
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def to_json(value: Any) -> str:
    """Return the value as JSON over several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def to_yaml(value: Any) -> str:
    """Return the value as YAML, with texts of several lines as they stand in a file."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes texts of several lines as blocks."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    Dumper.add_representer(str, _represent_text)
    return str(yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100))


def _represent_text(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def console(*, stderr: bool = False) -> Console:
    """Return a console on a standard stream; lines break on a terminal only."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    found = Console(file=stream, highlight=False, soft_wrap=False)
    if not found.is_terminal:
        found.width = UNBOUNDED
    return found


def say(sentence: str) -> None:
    """Tell a person something that is not the command's output."""
    print(sentence, file=sys.stderr, flush=True)
