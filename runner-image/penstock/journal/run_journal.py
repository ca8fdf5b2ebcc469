"""The durable journal of one run, as whoever launches it opens and fills it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from penstock.journal.calls import CallJournal
from penstock.journal.chain import Chain
from penstock.journal.entries import given_line, line_of_run, split_line, value_in, weight_of
from penstock.journal.figures import Figures
from penstock.journal.large import Files, LargeResults
from penstock.journal.limits import Limits
from penstock.journal.records import Record, lines_of, records_in
from penstock.journal.reruns import Origin, Rewind, kept, origin_in
from penstock.journal.writing import Holder, Writer, fence, parts_of

Given = tuple[tuple[object, ...], dict[str, object]]
ADOPTED_BYTES = 128 * 1024
"""What one record holds of another run's entries: small enough for any store, escapes included."""


class RunJournal(CallJournal):
    """What calls came to, and what the run was begun with. Made by ``open_journal``."""

    def __init__(
        self,
        chain: Chain,
        *,
        records: Sequence[Record],
        when_fenced: Callable[[], None],
        limits: Limits,
    ) -> None:
        lines = lines_of(records)
        figures = Figures(size=sum(map(weight_of, lines)))
        figures.count(lines)
        writer = Writer(chain, records=records, when_fenced=when_fenced, when_stored=figures.count)
        super().__init__(lines, writer=writer, figures=figures, limits=limits)

    @property
    def large(self) -> LargeResults | None:
        """Where results are that are over the limits, if there is a place for them."""
        return self._large

    def keep_large_in(self, files: Files, *, run: str) -> None:
        """Write results there that are over the limits, and read them from there."""
        self._large = LargeResults(files, run=run)

    def run_ahead(self) -> None:
        """Store results and failures behind the run's back from now on, within a window."""
        self._writer.run_ahead()

    def given(self) -> Given | None:
        """Return what the run was started with; ``None`` if it is new."""
        return self._given("given")

    def inherited(self) -> Given | None:
        """Return what the run before was started with, if this one is given something else."""
        return self._given("inherited")

    def _given(self, kind: str) -> Given | None:
        stored = self._held.text(kind, "-")
        if stored is None:
            return None
        with self._reading():
            args, kwargs = cast("tuple[list[object], dict[str, object]]", value_in(stored))
        return tuple(args), kwargs

    def record_given(
        self, args: tuple[object, ...], kwargs: dict[str, object], *, code: str | None = None
    ) -> Given:
        """Store what the run is started with, and return it as every later attempt finds it."""
        lines = [] if code is None else [line_of_run("code", code)]
        self._append(*lines, given_line(args, kwargs), at_once=True)
        given = self.given()
        assert given is not None, "it was just stored"
        return given

    def meet_code(self, digest: str) -> bool:
        """Store what code the run goes on with; tell whether it was other code before."""
        stored = self._held.text("code", "-")
        before = None if stored is None else value_in(stored)
        if before != digest:
            self._append(line_of_run("code", digest))
        self.figures.code_changed = before not in (None, digest)
        return self.figures.code_changed

    def origin(self) -> Origin | None:
        """Return which run this one began with, once all is there that it keeps of it."""
        stored = self._held.text("origin", "-")
        return None if stored is None else origin_in(stored)

    def adopt(self, lines: Sequence[str], *, origin: Origin) -> None:
        """Store what the run keeps of another one; go on with it where it was broken off."""
        missing = [line for line in lines if not self._has(line)]
        for part in parts_of(missing, size=ADOPTED_BYTES):
            self._append(*part, at_once=True)
        self._append(origin.line(), at_once=True)

    def _has(self, line: str) -> bool:
        kind, key, text = split_line(line)
        return self._held.text(kind, key) == text


def open_journal(
    chain: Chain,
    *,
    holder: Holder,
    anew: bool = False,
    rewind: Rewind | None = None,
    when_fenced: Callable[[], None] = lambda: None,
    limits: Limits | None = None,
) -> RunJournal:
    """Read a run's journal and fence it for this attempt.

    ``anew`` begins an epoch: what had failed for good may be tried again. ``rewind`` drops part of
    what is stored, in the same breath; it raises ``RerunImpossible``. ``when_fenced`` is
    called by the thread that learns that a later attempt writes. Raises ``JournalFenced`` where
    one does already, or another process is this attempt; ``CorruptJournal`` for a damaged record.
    """
    records = records_in(chain.read())
    if rewind is not None:
        kept(lines_of(records), rewind=rewind)
    fence(
        chain, records, holder=holder, anew=anew, lines=() if rewind is None else (rewind.line(),)
    )
    return RunJournal(chain, records=records, when_fenced=when_fenced, limits=limits or Limits())
