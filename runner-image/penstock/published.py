"""Published values: what a run says of itself to whoever asks, also while it has no pod.

    from penstock import flow, set_state_value

    @flow
    def migrate(tables: list[str]) -> None:
        for number, table in enumerate(tables):
            set_state_value("table", table)
            set_state_value("done", f"{number}/{len(tables)}")
            copy(table)

``kubectl penstock values RUN`` prints them, from the run's ``status.execution.values``.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from penstock.clock import now
from penstock.drivers.recording import keep, travelling
from penstock.engine.records import Published
from penstock.plain import plain_json
from penstock.recording import makers, scope_of_maker

__all__ = ["get_state_value", "set_state_value"]

LARGEST_VALUE = 16 * 1024
"""Bytes of JSON."""
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def set_state_value(key: str, value: Any) -> None:
    """Publish a value under a key, in the place of what the run published there before.

    ``value`` has JSON's types and takes at most 16 KiB; a run's status shows those of up to 2 KiB,
    4 KiB in all. What a task published comes back with its result when the run is taken up again.
    Raises ``ValueError`` for a value or key that cannot be published.
    """
    scope = scope_of_maker("set_state_value()")
    if not _KEY.fullmatch(key):
        raise ValueError(
            f"The key of a published value has letters, digits, '-', '_' and '.', at most 63, and "
            f"begins with a letter or a digit; {key!r} does not."
        )
    plain = plain_json(value, what=f"The value {key}", limit=LARGEST_VALUE)
    published = Published(id=f"value {key}", key=key, value=plain, updated=now(), **makers(scope))
    keep(published, says=None, scope=scope)


def get_state_value(key: str, default: Any = None) -> Any:
    """Return what the run has published last under a key; ``default`` if it has not."""
    scope = scope_of_maker("get_state_value()")
    own = [each for each in travelling.get() or () if isinstance(each, Published)]
    found = next((each for each in reversed(own) if each.key == key), None)
    if found is None and scope.context is not None:
        found = scope.context.records.value(key)
    return default if found is None else deepcopy(found.value)
