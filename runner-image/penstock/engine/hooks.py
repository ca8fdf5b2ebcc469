"""The hook rule: which functions of the author's are called when a run enters a state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from penstock.states import State, StateType

ON_RUNNING = "on_running"
EVENTS = {
    StateType.RUNNING: ON_RUNNING,
    StateType.COMPLETED: "on_completion",
    StateType.FAILED: "on_failure",
    StateType.CANCELLED: "on_cancellation",
    StateType.CRASHED: "on_crashed",
}
"""The option that lists the hooks of a state."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A function to call with the run and its state, and the name to complain under."""

    name: str
    function: Callable[[object, State[object]], object | Awaitable[object]]


class Hooks:
    """The hooks of one flow or task by event; decorators may add some after the definition."""

    __slots__ = ("_by_event",)

    def __init__(self) -> None:
        self._by_event: dict[str, list[Hook]] = {}

    def add(self, event: str, hook: Hook) -> None:
        """Call ``hook`` after those that are there."""
        self._by_event.setdefault(event, []).append(hook)

    def __bool__(self) -> bool:
        return bool(self._by_event)

    def after(self, state: State[object]) -> tuple[Hook, ...]:
        """Return what is to be called when a run has entered ``state``."""
        return self.on(EVENTS.get(state.type, ""))

    def on(self, event: str) -> tuple[Hook, ...]:
        """Return what is to be called at ``event``."""
        return tuple(self._by_event.get(event, ()))


def hook_of_transaction(function: Callable[..., object]) -> Hook:
    """Return the hook that calls ``function(transaction)``, whatever the state."""
    name = getattr(function, "__name__", repr(function))
    return Hook(name, lambda transaction, _state: function(transaction))
