"""The run's record: artifacts and events, as JSON lines next to what the log says of them.

A record is kept in the memory of the run, logged, and, where ``$PENSTOCK_HOME`` is set, added to
``$PENSTOCK_HOME/runs/<run>/<kind>.jsonl``. Nothing of it goes to the cluster but the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from penstock.drivers.scope import Scope, enter_engine
from penstock.engine.runs import TaskRun
from penstock.errors import MissingContextError
from penstock.home import home_if_set, locked
from penstock.logging import get_run_logger

T = TypeVar("T")


def scope_of_maker(what: str) -> Scope:
    """Return the scope of the body that makes a record."""
    scope = enter_engine()
    if scope is None:
        raise MissingContextError(
            f"{what} belongs inside a flow or task: its run keeps the record."
        )
    return scope


def keep(record: object, *, kind: str, fields: Mapping[str, Any], says: str, scope: Scope) -> None:
    """Add a record to the run's."""
    if scope.context is not None:
        scope.context.records.append(record)
    home = home_if_set()
    if home is not None:
        run_id = scope.context.run_id if scope.context else scope.run.id.partition("/")[0]
        path = home / "runs" / quote(run_id, safe="") / f"{kind}.jsonl"
        maker = "taskRun" if isinstance(scope.run, TaskRun) else "flowRun"
        line = json.dumps({**fields, maker: scope.run.id}, default=str, ensure_ascii=False)
        with locked(path.with_name(f".{kind}.lock")), path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    get_run_logger().info("%s", says)


def records_of(scope: Scope, kind: type[T]) -> list[T]:
    """Return the records of a kind that the run made so far, in memory."""
    made = scope.context.records if scope.context else []
    return [record for record in made if isinstance(record, kind)]
