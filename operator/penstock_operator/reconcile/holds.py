"""Why a run cannot be launched yet, which a person or time will change."""

from dataclasses import dataclass
from datetime import timedelta

from penstock_operator.model.states import Reason, WaitKind
from penstock_operator.reconcile.actions import Action

SETTLING = timedelta(seconds=2)
"""How long a run waits without a word for what is perhaps being applied together with it."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a run cannot be launched yet."""

    reason: Reason
    kind: WaitKind
    name: str
    sentence: str
    grace: timedelta = timedelta()
    """How old the run must be before this is worth a write."""
    ahead: int | None = None
    """How many runs get a slot before this one."""
    before: tuple[Action, ...] = ()
    """What to do for it: take slots that are free, and a place in the line for the next."""
    keeps_slot: bool = False
    """Whether the slot of its pool is kept meanwhile."""


def line(ahead: int) -> str:
    """Say how many were to be served before. More urgent ones may come in front of it later, and
    telling it each time would be a write for each that waits."""
    who = "nobody was" if ahead == 0 else "1 run was" if ahead == 1 else f"{ahead} runs were"
    return f"{who} ahead of it when this was written"
