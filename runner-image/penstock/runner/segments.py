"""The journal of a run in the cluster: a chain of JournalSegments, one object a record.

Why create-only records and not one object that grows: creating a name is the put-if-absent that
fences (the API server answers 409 to whoever comes second), and it writes each result once. An
object of 16 records that is rewritten with each of them would write every result nine times.
A record costs one request; merging adds two for some hundred records, off the writer's path.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from penstock.errors import JournalError, JournalFenced
from penstock.journal.chain import ChainConflict
from penstock.runner import exits
from penstock.runner.allowance import Allowance
from penstock.runner.apiserver import Answer, ApiServer, UnreachableError
from penstock.runner.environment import Environment
from penstock.runner.merging import Merger
from penstock.runner.own_run import OwnRun
from penstock.runner.ownership import Claim, Lost, Owned, Reported
from penstock.runner.pace import Backoff, Pace
from penstock.runner.segment import (
    Assembly,
    Owner,
    Segment,
    assemble,
    merged_span,
    read_segments,
    record_in,
    single,
    stored_size,
)
from penstock.runner.segment_store import SegmentStore
from penstock.runner.submission import Failed, inquire

MAX_STORED_BYTES = 1_000_000
"""What an object may hold with its escapes; etcd takes 1.5 MiB, and answers more with a 500."""
EXPIRED = 410
"""The continuation of a list is too old: it begins anew."""
OUT_OF_REACH = frozenset({403, 404})
"""Refusals that may pass: rights and kinds that are being installed, or a run that was lost."""
INDIGESTIBLE = frozenset({400, 413, 422})


class Standing(Protocol):
    """Reads whose the run is."""

    def __call__(self) -> Owned | Reported | Lost | Failed: ...


class Housekeeping(Protocol):
    """Merges behind the writer's back."""

    def resume(self, assembly: Assembly) -> None: ...

    def add(self, segment: Segment) -> None: ...

    def finish(self, *, within: float) -> bool: ...

    def close(self) -> None: ...


class SegmentChain:
    """The chain of one run. A put waits for the API server as long as it takes."""

    is_remote = True

    def __init__(
        self,
        store: SegmentStore,
        *,
        merger: Housekeeping,
        standing: Standing,
        pace: Pace | None = None,
        wait: Callable[[float], None] = time.sleep,
        allowance: Allowance | None = None,
    ) -> None:
        self._store = store
        self._merger = merger
        self._standing = standing
        self._pace = pace or Pace()
        self._wait = wait
        self._allowance = allowance or Allowance()
        self._unfinished: Assembly | None = None
        self._seen: list[bytes] = []
        """What was there when a fence turned out not to be at the end."""

    def read(self) -> list[bytes]:
        """Return all records."""
        self._unfinished = self._read()
        return self._unfinished.records

    def put(self, number: int, record: bytes) -> None:
        """Store a record under a number that has none; else raise ``ChainConflict``.

        Raises ``JournalFenced`` when the run turns out to be another's, ``JournalError`` when the
        API server will never take the record.
        """
        size = stored_size(record)
        if size > MAX_STORED_BYTES:
            raise JournalError(
                f"A record of {size} bytes does not fit into the journal, which takes "
                f"{MAX_STORED_BYTES}: return less from the task, for example a path."
            )
        segment = single(number, record)
        if segment.fence:
            self._put_fence(segment)
        else:
            if delay := self._allowance.take():
                self._wait(delay)
            self._insist(lambda: self._try_to_create(segment))
        self._merger.add(segment)

    def finish(self, *, within: float) -> bool:
        """Merge what remains once the run has ended; return whether it was done in time."""
        return self._merger.finish(within=within)

    def close(self) -> None:
        """Give the connections back; what is not merged is left to whoever comes next."""
        self._merger.close()
        self._store.close()

    def _put_fence(self, segment: Segment) -> None:
        """Put a fence at the end of the chain, and make sure that it was the end.

        Only here is a number put that was read some time ago. The attempt before may have written
        on since, merged what it wrote and deleted the single records: then the number was free,
        though it was not the end, and the fence that stands there now keeps nobody out.
        """
        number = segment.number
        if number < len(self._seen):
            raise ChainConflict(number, found=self._seen[number])
        conflict = None
        try:
            self._insist(lambda: self._try_to_create(segment))
        except ChainConflict as met:
            conflict = met
        if self._is_merged(number):
            self._seen = self._read().records
            raise ChainConflict(number, found=self._seen[number])
        if conflict:
            raise conflict
        # Not before: until now another attempt may still be the writer.
        if self._unfinished:
            self._merger.resume(self._unfinished)

    def _is_merged(self, number: int) -> bool:
        listed = self._insist(lambda: self._list(names_only=True))
        names = (item["metadata"]["name"] for item in listed.body["items"])
        spans = (merged_span(name, owner=self._store.owner) for name in names)
        return any(number in span for span in spans if span)

    def _try_to_create(self, segment: Segment) -> Answer:
        answer = self._store.create(segment)
        if answer.body.get("reason") != "AlreadyExists":
            return answer
        there = self._store.get(segment)
        if there.status == 404:  # merged in between: the next try brings it to light
            return Answer(503, body={"message": "The record was taken, and then gone."})
        if not there.ok:
            return there
        found = record_in(there.body["spec"]["records"])
        if found != segment.records[0]:
            raise ChainConflict(segment.number, found=found)
        return there  # ours: the answer to an earlier try was lost on its way

    def _read(self) -> Assembly:
        listed = self._insist(self._list)
        segments = read_segments(listed.body["items"], owner=self._store.owner)
        return assemble(segments, run=self._store.owner.name)

    def _list(self, *, names_only: bool = False) -> Answer:
        """List everything, page by page; a list that is torn or too old counts as failed."""
        items: list[Mapping[str, Any]] = []
        after = ""
        while True:
            page = self._store.page(after, names_only=names_only)
            if page.status == EXPIRED:
                return Answer(503, body={"message": page.sentence})
            if not page.ok:
                return page
            if not isinstance(page.body.get("items"), list):
                return Answer(503, body={"message": "The list of the journal's segments is torn."})
            items += page.body["items"]
            after = page.body["metadata"].get("continue") or ""
            if not after:
                return Answer(200, body={"items": items})

    def _insist(self, request: Callable[[], Answer]) -> Answer:
        """Repeat a request until it is granted; stop where no repetition would help."""
        backoff = Backoff(self._pace)
        waited = refused_for = 0.0
        while True:
            try:
                answer = request()
            except UnreachableError as error:
                failed, refused_for = Failed(str(error)), 0.0
            else:
                if answer.ok:
                    return answer
                if answer.status not in OUT_OF_REACH:
                    refused_for = 0.0
                self._stop_if_final(answer, refused_for=refused_for)
                failed = Failed(answer.sentence, retry_after=answer.retry_after)
            if not waited:
                exits.say(f"The run waits for its journal. The last answer: {failed.sentence}")
            delay = backoff.after(failed)
            waited += delay
            refused_for += delay
            self._wait(delay)

    def _stop_if_final(self, answer: Answer, *, refused_for: float) -> None:
        """Raise if the run is not ours any more, or if the record will never be taken."""
        if answer.status not in OUT_OF_REACH | INDIGESTIBLE:
            return
        match self._standing():
            case Lost() as lost:
                raise JournalFenced(lost.sentence)
            case Reported():
                raise JournalFenced("The outcome of the run is stored; nothing can follow it.")
            case Owned() if answer.status in INDIGESTIBLE:
                raise JournalError(f"The API server refuses the journal: {answer.sentence}")
            case Owned() if refused_for >= self._pace.patience:
                raise JournalError(
                    "The API server does not let this run have a journal. Upgrade the chart of "
                    f"Penstock to the version of the runner. Its last answer: {answer.sentence}"
                )


def open_segments(
    environment: Environment, *, run: Mapping[str, Any], pace: Pace | None = None
) -> SegmentChain:
    """Return the chain of the run that this pod has claimed; nothing is read or written yet."""
    owner = Owner.of(run)
    claim = Claim(environment.attempt, pod_name=environment.pod_name, pod_uid=environment.pod_uid)

    def connect() -> ApiServer:
        return ApiServer(
            environment.server_host,
            port=environment.server_port,
            credentials=environment.credentials,
        )

    def store(server: ApiServer) -> SegmentStore:
        return SegmentStore(owner, attempt=environment.attempt, server=server)

    server = connect()
    own_run = OwnRun(environment, server=server)
    return SegmentChain(
        store(server),
        merger=Merger(lambda: store(connect()), pace=pace),
        standing=lambda: inquire(own_run, claim=claim),
        pace=pace,
    )
