"""Events about a Schedule, for people who describe it: moments that got no run, and its halt."""

from collections import Counter
from datetime import datetime

from penstock_operator.model.schedule import Schedule, ScheduleStatus
from penstock_operator.reconcile.actions import Action, TellEvent
from penstock_operator.reconcile.manifests import event_manifest

_WORDS = {
    "Overlap": "an earlier run still went on",
    "BufferFull": "as many moments as may were waiting for earlier runs",
    "Missed": "no operator was there in time, and catchUp makes up for no more",
    "FlowNotFound": "its Flow did not exist",
}
"""Why moments get no run, where nobody has asked for that by a suspension or a new rule."""


def newly_skipped(schedule: Schedule, status: ScheduleStatus) -> Counter[str]:
    """Return how many moments the status counts as skipped that the present one does not."""
    skipped = Counter(status.skipped)
    skipped.subtract(schedule.status.skipped)
    return +skipped


def tell_of_skipped(
    schedule: Schedule, status: ScheduleStatus, *, now: datetime
) -> tuple[Action, ...]:
    """Tell that moments get no run: once an hour for each reason, since its name has the hour."""
    skipped = newly_skipped(schedule, status)
    return tuple(
        _warning(
            schedule,
            reason="Skipped",
            name=f"skipped.{reason.lower()}.{now:%Y%m%d%H}",
            message=(
                f"{'A moment' if number == 1 else f'{number} moments'} got no run: {words}."
                " Further ones of this hour are counted in status.skipped only."
            ),
            now=now,
        )
        for reason, words in _WORDS.items()
        if (number := skipped[reason])
    )


def tell_of_halt(
    schedule: Schedule, status: ScheduleStatus, *, now: datetime
) -> tuple[Action, ...]:
    """Tell that failures have stopped the schedule, when that is written."""
    generation = status.stopped_at_generation
    if generation is None or generation == schedule.status.stopped_at_generation:
        return ()
    words = (
        f"Its last {status.failures_in_a_row} runs did not complete, so no more are created. Look"
        " at them; any change of the Schedule lets it go on."
    )
    name = f"toomanyfailures.{generation}"
    return (_warning(schedule, reason="TooManyFailures", name=name, message=words, now=now),)


def _warning(
    schedule: Schedule, *, reason: str, name: str, message: str, now: datetime
) -> TellEvent:
    meta = schedule.metadata
    return TellEvent(
        event_manifest(
            meta,
            kind="Schedule",
            name=f"{meta.name}.{meta.uid[:8]}.{name}",
            type_="Warning",
            reason=reason,
            message=message,
            now=now,
        )
    )
