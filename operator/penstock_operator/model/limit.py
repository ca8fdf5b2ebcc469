"""ConcurrencyLimit: slots that runs share, and who holds them or waits for them."""

from typing import Annotated

from pydantic import Field

from penstock_operator.model.meta import Conditions, ObjectMeta
from penstock_operator.model.schema import Count, Generation, Part, Timestamp, must, refuse_unless

MOST_ENTRIES = 1000
"""Who holds, and who waits. Each change writes them all; who finds no room waits beside the line.
"""

_DECAYS = must("self >= 0.001", "It is at least 0.001.")
_ATOMIC = {"x-kubernetes-list-type": "atomic"}


class ConcurrencyLimitSpec(Part):
    """How many slots there are."""

    limit: Count
    """How many slots there are."""

    slot_decay_per_second: (
        Annotated[
            float,
            # The API server takes 0 for a whole number, and compares those with whole minima.
            Field(ge=0.001, le=1e6, json_schema_extra=refuse_unless(_DECAYS)),
        ]
        | None
    ) = None
    """How many slots that rate_limit() took come back each second."""

    lease_duration_seconds: Annotated[int, Field(ge=5, le=86400)] = 60
    """After how long the slots of a pod that is silent are free again."""

    tag: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Each task with this tag takes a slot."""


class SlotEntry(Part):
    """A process of a run, which holds slots or waits for some."""

    holder: Annotated[str, Field(max_length=63)]
    """Its run."""

    uid: Annotated[str, Field(max_length=64)]
    attempt: Count
    process: Annotated[str, Field(max_length=16)]
    occupy: Count
    """How many slots."""

    expires_at: Timestamp
    """When it is forgotten if nobody renews it."""

    since: Timestamp | None = None
    rate: bool = False
    """Whether it waits for slots that come back by decay."""

    overtakes: bool = False

    suspended: bool = False
    """Whether the run has no pod meanwhile; then it is not forgotten."""

    yields: bool = False
    """Whether others go before it, as something else keeps its run from starting."""


_Entries = Annotated[
    tuple[SlotEntry, ...], Field(max_length=MOST_ENTRIES, json_schema_extra=_ATOMIC)
]


class ConcurrencyLimitStatus(Part):
    """Who has the slots."""

    observed_generation: Generation = -1
    """The generation that the conditions are about."""

    active: Count | None = None
    """How many slots are taken."""

    queued: Count | None = None
    """How many processes wait."""

    holders: _Entries = ()
    """Who holds slots."""

    waiting: _Entries = ()
    """Who waits, the first first."""

    filled: Annotated[float, Field(ge=0)] | None = None
    """How many slots had not come back by decay at filledAt."""

    filled_at: Timestamp | None = None
    """When that was."""

    conditions: Conditions = ()
    """Ready tells whether it is in force."""


class ConcurrencyLimit(Part):
    """Slots that tasks and flows of a namespace share: concurrency("NAME"), rate_limit("NAME")."""

    metadata: ObjectMeta
    spec: ConcurrencyLimitSpec
    """How many slots there are."""

    status: ConcurrencyLimitStatus = Field(default=ConcurrencyLimitStatus())
    """Who has the slots."""
