"""What has to be true of every run, whatever struck it: functions from what happened to complaints.

| Invariant | Guarantee |
|---|---|
| `acknowledged_work_is_not_redone` | G1 |
| `what_was_built_upon_is_not_redone` | G1, as the flow sees it |
| `all_work_was_done_and_no_other` | G2, retries, epochs |
| `what_begins_at_most_once_did` | G2, `at_most_once` |
| `retries_that_were_used_stay_used` | rule 20 |
| `children_were_started_once` | child runs |
| `fenced_writers_are_not_seen` | G3 |
| `it_ended_once_and_as_it_should` | G4, G8 |
| `no_wait_ended_early` | G5 |
| `each_signal_was_consumed_once` | G6 |
| `each_update_was_answered` | G6, updates |
| `work_was_committed_or_undone` | transactions |
| `the_journal_is_whole` | rule 1 |
| `no_slot_is_held_twice` | limits |
| `each_slot_was_had` | limits |

A run that somebody cancels may still end as it would have. If it ends as `Cancelled`, what it did
is a beginning of what it had to do, and what a transaction had not committed is undone.

Work of a fenced process is not held against G1: nobody can keep a process that was cut off from
finishing, or beginning, what it knew to be due. Its writes are. Nor are slots whose lease has
lapsed (`slots`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.ledger import Fact
from tests.chaos.model import Expected
from tests.chaos.slots import Stay, crowds

Tries = Counter[frozenset[object]]
"""How often each set of attempts was made, or was to be made."""
TERMINAL = ("Completed", "Failed", "Crashed", "Cancelled")
EARLY = 0.02
"""Seconds: the ledger's clock and a program's are read one after the other."""


@dataclass(frozen=True, slots=True)
class Story:
    """A run from its beginning to its end: what the model expects, and all that was seen."""

    expected: Expected
    facts: Sequence[Fact]
    numbers: Sequence[int]
    """Of the journal's records that were seen."""
    answers: Mapping[str, object] = field(default_factory=dict)
    """What the senders of updates were told, by what they had sent."""
    skews: Mapping[str, int] = field(default_factory=dict)
    """Seconds by which the clocks of its pods were wrong."""
    stays: Sequence[Stay] = ()
    """Of all who were inside a limit when it was, itself among them."""
    cluster_is_calm: bool = True
    """Whether nothing struck but what was planned for it."""

    def of(self, *what: str) -> list[Fact]:
        return [fact for fact in self.facts if fact.what in what]

    @property
    def states(self) -> list[str]:
        return [fact["state"] for fact in self.of("status")]

    @property
    def was_cut_short(self) -> bool:
        """Tell whether it ended because somebody cancelled it."""
        ends = [state for state in self.states if state in TERMINAL]
        return bool(self.of("cancel")) and ends[:1] == ["Cancelled"]

    def was_fenced(self, pod: str, *, attempt: int, at: float) -> bool:
        """Tell whether another process had taken the journal over from this one.

        Its fence shows it, and so does the first task that it begins: that comes after the fence,
        which those who watch the journal may hear of later.
        """
        return any(
            fact["pod"] != pod and fact["attempt"] >= attempt and fact.at <= at
            for fact in self.of("record", "begin")
            if fact.what == "begin" or fact["fence"]
        )

    def is_stray(self, fact: Fact) -> bool:
        return self.was_fenced(fact["pod"], attempt=fact["attempt"], at=fact.at)


def acknowledged_work_is_not_redone(story: Story) -> Iterator[str]:
    """What was undone is done again in a later attempt of its flow, and in none before."""
    acknowledged: set[str] = set()
    done: dict[str, object] = {}
    """By key: the epoch in which it was done."""
    undone: set[str] = set()
    """Steps."""
    for fact in story.facts:
        match fact.what:
            case "record":
                acknowledged.update(fact["did"])
            case "begin" if fact["key"] in acknowledged and not story.is_stray(fact):
                if fact["step"] in undone and fact["epoch"] != done[fact["key"]]:
                    acknowledged.discard(fact["key"])
                else:
                    yield f"{fact['step']} began again after its result was journaled: {fact}"
            case "end" if not fact["failed"]:
                done[fact["key"]] = fact["epoch"]
            case "undo":
                undone.add(fact["step"])


def what_was_built_upon_is_not_redone(story: Story) -> Iterator[str]:
    """A call begins once those before it are stored; so they do not begin after it."""
    order = {step: place for place, step in enumerate(story.expected.order)}
    furthest, by = -1, ""
    for fact in story.of("begin"):
        place = order.get(fact["step"])
        if place is None:
            continue
        if place < furthest and not story.is_stray(fact):
            yield f"{fact['step']} began again after {by}, which comes later: {fact}"
        if place > furthest:
            furthest, by = place, fact["step"]


def what_begins_at_most_once_did(story: Story) -> Iterator[str]:
    for step in sorted(story.expected.once):
        begins = sum(fact["step"] == step for fact in story.of("begin"))
        interrupted = any(fact["step"] == step for fact in story.of("interrupted"))
        if begins > 1 or (begins + interrupted == 0 and not story.was_cut_short):
            yield f"{step} began {begins} times"


def children_were_started_once(story: Story) -> Iterator[str]:
    for name, wanted in story.expected.children.items():
        runs = {fact["child"] for fact in story.of("child-begin") if fact["step"] == name}
        if len(runs) > wanted or (len(runs) < wanted and not story.of("cancel")):
            yield f"{name} was run by {sorted(runs)}, not by {wanted} runs"
        results = {fact["result"] for fact in story.of("child") if fact["name"] == name}
        if story.of("cancel"):  # of its parent, which cancels a child as well
            results.discard("failed")
            if not results:
                continue
        ending = "failed" if name in story.expected.failing_children else f": {name}"
        if not results or not all(each.endswith(ending) for each in results):
            yield f"{name} came to {sorted(results)}"


def all_work_was_done_and_no_other(story: Story) -> Iterator[str]:
    done: dict[str, dict[str, set[object]]] = defaultdict(lambda: defaultdict(set))
    for fact in story.of("begin"):
        done[fact["step"]][fact["key"]].add((tuple(fact["epoch"]), fact["try"]))
    for step in sorted((set(done) | set(story.expected.calls)) - story.expected.once):
        found = Counter(frozenset(tries) for tries in done[step].values())
        wanted = Counter(story.expected.calls.get(step, []))
        if story.was_cut_short and _is_beginning(found, wanted):
            continue
        if found != wanted:
            yield f"{step} was tried as {_shown(found)}, not as {_shown(wanted)}"


def _is_beginning(found: Tries, wanted: Tries) -> bool:
    """Tell whether each call that was found is one of those that were wanted, as far as it came."""
    left = list(wanted.elements())
    for call in sorted(found.elements(), key=len, reverse=True):
        order = sorted(call, key=str)
        fitting = [each for each in left if sorted(each, key=str)[: len(order)] == order]
        if not fitting:
            return False
        left.remove(max(fitting, key=len))
    return True


def retries_that_were_used_stay_used(story: Story) -> Iterator[str]:
    latest: dict[str, tuple[object, int]] = {}
    for fact in story.of("begin"):
        this = (tuple(fact["epoch"]), fact["try"])
        key = fact["key"]
        if story.is_stray(fact):
            continue
        if key in latest and this < latest[key]:
            yield f"{fact['step']} went back to try {this} after {latest[key]}"
        latest[key] = this


def fenced_writers_are_not_seen(story: Story) -> Iterator[str]:
    holder = attempt = None
    fences = sorted(
        (fact for fact in story.of("record") if fact["fence"]), key=lambda fact: fact["number"]
    )
    for fact in story.of("record"):
        owner = [fence for fence in fences if fence["number"] <= fact["number"]]
        if owner and owner[-1]["process"] != fact["process"]:
            yield f"record {fact['number']} is by {fact['process']}, whom {owner[-1]} had fenced"
    for fact in story.of("status"):
        if attempt is not None and fact["by"] < attempt:
            yield f"a report of attempt {fact['by']} was seen after one of attempt {attempt}"
        if fact["by"] == attempt and fact["pod"] != holder:
            yield f"two pods reported for attempt {attempt}: {holder} and {fact['pod']}"
        attempt, holder = fact["by"], fact["pod"]


def it_ended_once_and_as_it_should(story: Story) -> Iterator[str]:
    states = story.states
    ends = [state for state in states if state in TERMINAL]
    if not ends:
        yield f"it did not end; it is {states[-1] if states else 'not there'}"
        return
    after = states[states.index(ends[0]) :]
    if set(after) != {ends[0]}:
        yield f"it did not stay {ends[0]}: {after}"
    if ends[0] != story.expected.state and not story.was_cut_short:
        reason = [fact["reason"] for fact in story.of("status")][-1]
        yield f"it is {ends[0]} ({reason}), not {story.expected.state}"
    attempts = [fact["attempt"] for fact in story.of("status")]
    if attempts != sorted(attempts):
        yield f"its attempt went back: {attempts}"


def no_wait_ended_early(story: Story) -> Iterator[str]:
    waits = (
        ("sleeping", "woke", story.expected.sleeps),
        ("waiting", "missed", story.expected.missed),
    )
    for begin, end, expected in waits:
        for name, seconds in expected.items():
            began = [fact for fact in story.of(begin) if fact["name"] == name]
            ended = [fact for fact in story.of(end) if fact["name"] == name]
            if not ended:
                if not story.was_cut_short:
                    yield f"{name} never ended"
                continue
            took = ended[0].at - began[0].at
            if took < seconds - EARLY - _disagreement(story, began, ended[0]):
                yield f"{name} took {took:.3f} s, not {seconds} s"


def _disagreement(story: Story, began: Sequence[Fact], ended: Fact) -> float:
    """Return by how much the clock that ended a wait may be ahead of the one that set its end."""
    set_by = [story.skews.get(fact["pod"], 0) for fact in began if fact.at <= ended.at]
    return max(0, story.skews.get(ended["pod"], 0) - min(set_by, default=0))


def each_signal_was_consumed_once(story: Story) -> Iterator[str]:
    taken: dict[str, set[str]] = defaultdict(set)
    for fact in story.of("got"):
        taken[fact["name"]].add(fact["payload"])
    for name, signal in story.expected.waits.items():
        payloads = taken[name]
        if story.was_cut_short and not payloads:
            continue
        if len(payloads) != 1:
            yield f"{name} got {sorted(payloads)}, not one signal"
        elif not next(iter(payloads)).startswith(f"{signal}-"):
            yield f"{name} waited for {signal} and got {sorted(payloads)}"
    twice = [each for each, n in Counter(x for xs in taken.values() for x in xs).items() if n > 1]
    if twice:
        yield f"signals were consumed more than once: {twice}"


def each_update_was_answered(story: Story) -> Iterator[str]:
    sent = {fact["name"]: fact["payload"] for fact in story.of("got")}
    keys = {fact["step"]: fact["key"] for fact in story.of("end")}
    for name, step in story.expected.answers.items():
        payload = sent.get(name)
        said, due = story.answers.get(str(payload)), [payload, f"did:{step}:{keys.get(step)}"]
        if said != due and not (story.was_cut_short and said is None):
            yield f"{name} was to answer {due}, and its sender was told {said}"


def work_was_committed_or_undone(story: Story) -> Iterator[str]:
    if story.was_cut_short:
        yield from _what_was_cut_short_is_undone(story)
        return
    for wanted, other, steps in (
        ("commit", "undo", story.expected.committed),
        ("undo", "commit", story.expected.undone),
    ):
        for step in sorted(steps):
            if not any(fact["step"] == step for fact in story.of(wanted)):
                yield f"{step} was never told to {wanted}"
            if any(fact["step"] == step for fact in story.of(other)):
                yield f"{step} was told to {other}"
    for step in sorted(story.expected.undone):
        ends = [f.at for f in story.of("end") if f["step"] == step and not story.is_stray(f)]
        undos = [fact.at for fact in story.of("undo") if fact["step"] == step]
        if ends and undos and undos[-1] < ends[-1]:
            yield f"{step} was done after it was undone last"


def _what_was_cut_short_is_undone(story: Story) -> Iterator[str]:
    """A kill on top of the cancel may cost roll-backs: the one last launch is bounded."""
    was_only_cancelled = story.cluster_is_calm and all(
        fact["what_"].startswith("cancel") for fact in story.of("fault")
    )
    done = {fact["step"] for fact in story.of("end") if not fact["failed"]}
    committed = {fact["step"] for fact in story.of("commit")}
    undone = {fact["step"] for fact in story.of("undo")}
    for step in sorted(committed & (undone | story.expected.undone)):
        yield f"{step} was told to commit, and was to be undone"
    for block in story.expected.blocks:
        if committed.intersection(block) and not done.issuperset(block):
            yield f"of {block} a part was committed that was cut short"
    if was_only_cancelled:
        staged = story.expected.committed | story.expected.undone
        for step in sorted((done & staged) - committed - undone):
            yield f"{step} was cut short and never told to undo"


def the_journal_is_whole(story: Story) -> Iterator[str]:
    for fact in story.of("two-records"):
        yield f"there were two records of number {fact['number']}"
    missing = set(range(max(story.numbers, default=-1) + 1)) - set(story.numbers)
    if missing:
        yield f"records {sorted(missing)} are missing"


def no_slot_is_held_twice(story: Story) -> Iterator[str]:
    yield from crowds(story.stays)


def each_slot_was_had(story: Story) -> Iterator[str]:
    """What was done with slots was done to its end with them, at least once."""
    if not story.was_cut_short:
        had = {fact["step"] for fact in story.of("exit")}
        for step in sorted(story.expected.held - had):
            yield f"{step} never had its slots to its end"


INVARIANTS: tuple[Callable[[Story], Iterator[str]], ...] = (
    acknowledged_work_is_not_redone,
    what_was_built_upon_is_not_redone,
    what_begins_at_most_once_did,
    children_were_started_once,
    all_work_was_done_and_no_other,
    retries_that_were_used_stay_used,
    fenced_writers_are_not_seen,
    it_ended_once_and_as_it_should,
    no_wait_ended_early,
    each_signal_was_consumed_once,
    each_update_was_answered,
    work_was_committed_or_undone,
    the_journal_is_whole,
    no_slot_is_held_twice,
    each_slot_was_had,
)


def violations_of(story: Story) -> list[str]:
    """Return what is not as it has to be."""
    return [f"{each.__name__}: {said}" for each in INVARIANTS for said in each(story)]


def _shown(tries: Tries) -> str:
    return str([sorted(each, key=str) for each in tries.elements()])
