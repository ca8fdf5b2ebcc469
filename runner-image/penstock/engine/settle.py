"""The end of a flow's body is not the end of the flow: its submitted tasks come first.

A body that returned waits for all of them. One that raised lets no further task start, and waits
for those that run. One that was cancelled, crashed or ran out of time has little patience.
"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.engine.effects import Await, AwaitTasks, CloseTasks, Steps, StopTasks
from penstock.engine.ending import Ending, Settlement
from penstock.engine.final import is_cancellation
from penstock.engine.inputs import Link
from penstock.errors import CancelledRun


def settle(ending: Ending, handed_back: Sequence[Link], *, grace: float) -> Steps[Settlement]:
    """See to the end of a flow's tasks; ``handed_back`` are the futures that its body returned.

    ``grace`` is how many seconds the running tasks of a cancelled flow may take to end.
    """
    cancelled = None
    try:
        if ending.error is not None:
            yield StopTasks()
        yield AwaitTasks(patience_after(ending, grace=grace))
        if handed_back:
            yield Await(handed_back)
    except CancelledRun as request:
        cancelled = request
        yield StopTasks()
        yield AwaitTasks(grace)
    except GeneratorExit:
        raise
    except BaseException:
        yield CloseTasks()
        raise
    lost = yield from CloseTasks()
    return Settlement(lost, cancelled=cancelled)


def patience_after(ending: Ending, *, grace: float) -> float | None:
    """Return how many seconds to wait for running tasks; ``None``: as long as they take."""
    error = ending.error
    if error is None:
        return None
    if is_cancellation(error):
        return grace
    return None if isinstance(error, Exception) and not ending.timed_out else 0.0
