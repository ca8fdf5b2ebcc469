"""Penstock broken on purpose: copies of it, each with one promise taken out.

The chaos tests are worth as much as what they find. Each mutation is one that a careless change
could make, and says which invariant has to catch it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.program import Block, Call, Hold, Once, Program, Sleep

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Mutation:
    """What is changed, and a program and a kind of fault that bring it to light."""

    name: str
    file: str
    """Under `runner-image/penstock`."""
    old: str
    new: str
    caught_by: str
    program: Program
    kind: str = "kill"
    lasting: float = 4.0
    """Seconds that a fault lasts, if its kind does."""
    requests: range = range(6, 24)
    """At which it strikes: those before them are the same for every program."""

    def apply(self, folder: Path) -> str:
        """Copy Penstock into a folder and break it; return what to put into PYTHONPATH."""
        copy = folder / self.name
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "runner-image/penstock", copy / "penstock", ignore=ignored)
        path = copy / "penstock" / self.file
        text = path.read_text()
        assert text.count(self.old) == 1, (
            f"{self.file} has changed: say in tests/chaos/mutations.py how {self.name} now."
        )
        path.write_text(text.replace(self.old, self.new))
        return str(copy)


CALLS = tuple(Call(f"c{number}") for number in range(8))

MUTATIONS = (
    Mutation(
        name="a-starting-server-is-believed",
        file="runner/apiserver.py",
        old="        if answer.status == 403:\n",
        new="        if answer.status == 0:\n",
        caught_by="it_ended_once_and_as_it_should",
        program=Program("begins", (Hold("g0", "shared"),)),
        kind="starting",
        lasting=1.0,
        requests=range(3, 12),
    ),
    Mutation(
        name="a-cancel-commits",
        file="drivers/transaction_block.py",
        old="            failed = error is not None or transaction.is_rolled_back()\n"
        "            drive(transaction.ending(",
        new="            failed = isinstance(error, Exception) or transaction.is_rolled_back()\n"
        "            drive(transaction.ending(",
        caught_by="work_was_committed_or_undone",
        program=Program("cancels", (Block("t0", tuple(f"b{n}" for n in range(60))),)),
        kind="cancel",
    ),
    Mutation(
        name="fencing-is-off",
        file="journal/writing.py",
        old="                    self._stop(found)\n",
        new="                    pass\n",
        caught_by="the_journal_is_whole",
        program=Program("fencing", CALLS),
        kind="zombie",
        lasting=20.0,  # it wakes when another has long taken over
    ),
    Mutation(
        name="results-are-acknowledged-before-they-are-stored",
        file="journal/writing.py",
        old="            self._commits.await_stored(batch)\n",
        new="            import threading\n"
        "            threading.Timer(0.3, self._commits.await_stored, args=(batch,)).start()\n",
        caught_by="what_was_built_upon_is_not_redone",
        program=Program("acknowledged", CALLS),
    ),
    Mutation(
        name="a-relaunch-ends-sleeps",
        file="waits.py",
        old="    stored = scope.journal.note(key, make=lambda: end().isoformat())\n",
        new="    if scope.journal.noted(key) is not None:\n"
        "        return now()\n"
        "    stored = scope.journal.note(key, make=lambda: end().isoformat())\n",
        caught_by="no_wait_ended_early",
        program=Program("sleeps", (Call("c0"), Sleep("s0", 30.0))),  # longer than a relaunch takes
        kind="delete-pod",
    ),
    Mutation(
        name="failed-attempts-are-forgotten",
        file="journal/calls.py",
        old="        self._append(*lines, line, at_once=True)\n",
        new="        pass\n",
        caught_by="retries_that_were_used_stay_used",
        program=Program("retries", (Call("c0", fails=2, retries=2), *CALLS[1:])),
    ),
    Mutation(
        name="starts-are-not-stored",
        file="journal/calls.py",
        old="        self._append(start_line(key), at_once=True)\n",
        new="        pass\n",
        caught_by="what_begins_at_most_once_did",
        program=Program("once", (Once("o0"), Once("o1"))),
    ),
    Mutation(  # the line is the original's
        name="commits-are-recorded-before-their-hooks",
        file="engine/transactions.py",
        old="        committed = yield from self.committing_with_parent()\n"
        "        if committed and self.call_key is not None:\n"
        '            yield Within(self.part, Record(self.call_key.beside("commit"), Completed()))\n',  # noqa: E501
        new="        if self.call_key is not None and not self.is_over():\n"
        '            yield Within(self.part, Record(self.call_key.beside("commit"), Completed()))\n'
        "        committed = yield from self.committing_with_parent()\n",
        caught_by="work_was_committed_or_undone",
        program=Program("commits", (Block("t0", ("b0",)),)),
    ),
    Mutation(
        name="slots-are-taken-over-before-the-lease-ends",
        file="concurrency/leases.py",
        old="at - seen >= terms.lease_seconds",
        new="at >= seen",
        caught_by="no_slot_is_held_twice",
        program=Program("leases", tuple(Hold(f"g{n}", "shared", 2, "body") for n in range(4))),
        kind="lose",
    ),
)
