"""Changes of a flow's code that runs must not meet which passed that point before.

from penstock import flow, patched

@flow
def order(number: str) -> None:
    reserve(number)
    if patched("check-fraud"):
        check_fraud(number)
    charge(number)
"""

from __future__ import annotations

from penstock.drivers.scope import enter_engine
from penstock.engine.identity import CallKey

__all__ = ["patched"]


def patched(change_id: str) -> bool:
    """Tell whether the run is to take the new way: it is new, or came here for the first time.

    A run that made calls beyond this point before the change was there keeps to the old way. The
    answer is recorded, and is the same for the whole body, on every launch.
    """
    scope = enter_engine()
    if scope is None or scope.journal is None:
        return True
    branch, past = scope.open_branch(), scope.journal.past
    key = CallKey(branch.path, "patched", change_id, 0)
    passed = past is not None and past.goes_beyond(branch.path, branch.made)
    return bool(scope.journal.note(key, make=lambda: not passed))
