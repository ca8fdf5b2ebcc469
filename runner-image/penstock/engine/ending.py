"""How bodies end: what drivers tell the core after running one, or after a flow's tasks ended."""

from __future__ import annotations

from penstock.errors import CancelledRun


class Ending:
    """The end of one attempt of a body: a value, or the exception that left it."""

    __slots__ = ("error", "timed_out", "value")

    def __init__(
        self,
        value: object = None,
        *,
        error: BaseException | None = None,
        timed_out: bool = False,
    ) -> None:
        self.value = value
        self.error = error
        self.timed_out = timed_out
        """The engine stopped waiting: ``error`` is its own, not one of the body's."""


class Settlement:
    """What became of the tasks that a flow submitted, once the last of them ended."""

    __slots__ = ("cancelled", "lost")

    def __init__(
        self,
        lost: tuple[BaseException, ...] = (),
        *,
        cancelled: CancelledRun | None = None,
    ) -> None:
        self.lost = lost
        """Failures that nobody took: each cause once."""
        self.cancelled = cancelled
        """Set when the run was cancelled while the flow waited for its tasks."""
