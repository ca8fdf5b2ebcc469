"""``heartbeat``: a task that takes long says that it is alive, and how far it is."""

from __future__ import annotations

from penstock.drivers.scope import enter_engine
from penstock.engine.runs import TaskRun
from penstock.errors import MissingContextError

__all__ = ["heartbeat"]


def heartbeat(payload: object = None) -> None:
    """Say that the task whose body calls this is alive, and how far it is.

    Renews its ``heartbeat_timeout_seconds``. ``runtime.task_run.heartbeat`` is the last payload,
    also in the next attempt, and in a later process if it was stored: the first at once, then every
    ten seconds, the last when an attempt fails. Raises ``TaskAbandoned`` if it comes too late.
    """
    scope = enter_engine()
    if scope is None:
        return
    if not isinstance(scope.run, TaskRun) or scope.is_beside:
        raise MissingContextError(
            "heartbeat() belongs into a task's body: a flow has no time-out of silence."
        )
    from penstock.drivers.beats import Beats, sent_home

    home = sent_home.get()
    if home is not None:
        scope.run.heartbeat = payload
        home(payload)
        return
    if scope.beats is None:
        scope.beats = Beats(scope)
    scope.beats.beat(payload)
