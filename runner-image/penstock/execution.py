"""The way in for those who run somebody's flow: the in-pod runner and the command line.

    context = RunContext("daily-x7k2p")
    outcome = execute(flow, parameters={"day": "2026-11-20"}, context=context, reporter=reporter)

and, from any other thread, ``context.request_cancel()``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.engine.outcome import Outcome
from penstock.engine.runs import Reporter

if TYPE_CHECKING:
    from penstock.flows import Flow


class RunContext:
    """The identity of one flow run, and the handle by which another thread cancels it."""

    def __init__(self, run_id: str, *, name: str | None = None) -> None:
        self.run_id = run_id
        self.name = name or run_id

    def request_cancel(self, *, message: str = "The run was cancelled.") -> None:
        """Raise ``CancelledRun`` once, at the flow's next engine call; start no new task.

        Returns at once. May be called from any thread or signal handler's thread, at any time,
        more than once.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Options of one run that take the place of the decorator's; ``None`` leaves them."""

    retries: int | None = None
    retry_delay_seconds: float | None = None
    timeout_seconds: float | None = None


def execute(
    flow: Flow[..., object],
    *,
    parameters: Mapping[str, object],
    context: RunContext,
    reporter: Reporter | None = None,
    overrides: Overrides | None = None,
) -> Outcome:
    """Run ``flow`` in the calling thread until it is final, and tell what came of it.

    ``parameters`` are validated and coerced from the type hints first. Nothing that the flow
    does makes this raise, ``SystemExit`` and ``KeyboardInterrupt`` in the body included.
    """
    raise NotImplementedError
