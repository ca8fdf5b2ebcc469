"""JournalSegment: a piece of a run's journal."""

from typing import Annotated

from pydantic import ConfigDict, Field

from penstock_operator.model.meta import ObjectMeta
from penstock_operator.model.schema import JsonObject, ObjectName, Part, must, refuse_unless

RecordNumber = Annotated[int, Field(ge=0, le=9_999_999)]

_SIZE = "self.spec.run.size()"
_DIGITS = f"int(self.metadata.name.substring({_SIZE} + {{0}}, {_SIZE} + {{1}}))"
NAME_RULE: JsonObject = refuse_unless(
    # Numbers are compared, because the price of comparing text of unknown length is forbidding.
    must(
        "self.metadata.name.startsWith(self.spec.run + '-')"
        f" && self.metadata.name.size() == {_SIZE} + (has(self.spec.last) ? 25 : 17)"
        f" && {_DIGITS.format(10, 17)} == self.spec.number"
        f" && (!has(self.spec.last) || {_DIGITS.format(18, 25)} == self.spec.last)",
        "A JournalSegment is named <run>-<first 8 digits of the run's uid>-<number>, with"
        " -<last> behind it if it has one; both numbers have 7 digits.",
    )
)
"""The name is the put-if-absent of the journal: who creates a number a second time is refused."""


class JournalSegmentSpec(Part):
    """What one pod wrote in one go. It cannot be changed."""

    model_config = ConfigDict(
        json_schema_extra=refuse_unless(
            must("self == oldSelf", "What is in a journal cannot be changed."),
            must(
                "!has(self.last) || self.last > self.number",
                "The last record of a segment comes after its first; leave last out if there is"
                " one record.",
            ),
        )
        # One entry in managedFields instead of one for each field: it is stored with each record.
        | {"x-kubernetes-map-type": "atomic"}
    )

    run: ObjectName
    """The FlowRun that the journal belongs to, of the same namespace."""

    attempt: Annotated[int, Field(ge=1, le=2**31 - 1)]
    """The attempt of the run whose pod wrote the segment."""

    number: RecordNumber
    """Number of the first record in it."""

    last: RecordNumber | None = None
    """Number of the last record, in a segment that many were merged into."""

    fence: bool | None = None
    """Whether it is the first record of an attempt. It stays, so that whoever wrote before meets
    it."""

    records: Annotated[str, Field(min_length=1, max_length=1_048_576)]
    """The records, one after the other, with the character U+001E between two of them. A record
    that begins with U+001F is encoded in base64."""


class JournalSegment(Part):
    """A piece of the journal of a run: results that were stored once and are never computed
    again. Runs write it; it goes with its run."""

    metadata: ObjectMeta
    spec: JournalSegmentSpec
    """What one pod wrote in one go. It cannot be changed."""
