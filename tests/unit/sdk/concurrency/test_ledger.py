from dataclasses import replace
from datetime import UTC, datetime, timedelta

from penstock.concurrency.book import Book, Entry, Terms
from penstock.concurrency.leases import dead, sight
from penstock.concurrency.ledger import (
    Me,
    Wish,
    bury,
    hand_over,
    leave,
    renew,
    return_to_line,
    seconds_until,
    settle,
    step_aside,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ONE = Wish(occupy=1)


def process(name: str, *, attempt: int = 1) -> Me:
    return Me(run=name, uid=f"uid-{name}", attempt=attempt, process="p")


A, B, C = process("a"), process("b"), process("c")


def terms(limit: int = 1, *, decay: float = 0.0) -> Terms:
    return Terms(limit=limit, decay=decay)


def asked(book: Book, me: Me, *line: Wish, limit: int = 1, used: int = 0) -> Book:
    return settle(book, terms(limit), me=me, used=used, line=line, now=NOW).book


def returned(book: Book, me: Me, slots: int, *line: Wish, limit: int = 1, used: int = 0) -> Book:
    return settle(book, terms(limit), me=me, used=used, returned=slots, line=line, now=NOW).book


def holders(book: Book) -> dict[str, int]:
    return {entry.run: entry.occupy for entry in book.holders}


def line(book: Book) -> list[str]:
    return [entry.run for entry in book.waiting]


def test_a_free_slot_is_taken_at_once() -> None:
    settled = settle(Book(), terms(), me=A, used=0, line=[ONE], now=NOW)

    assert (holders(settled.book), line(settled.book), settled.served) == ({"a": 1}, [], 1)


def test_one_write_takes_as_many_of_a_process_as_fit_and_queues_it_once() -> None:
    settled = settle(Book(), terms(3), me=A, used=0, line=[ONE] * 5, now=NOW)

    assert (holders(settled.book), line(settled.book), settled.served) == ({"a": 3}, ["a"], 3)


def test_who_gives_back_hands_over_to_the_first_in_line_in_the_same_write() -> None:
    book = asked(asked(asked(Book(), A, ONE), B, ONE), C, ONE)

    given = returned(book, A, 1)

    assert (holders(given), line(given)) == ({"b": 1}, ["c"])


def test_what_was_handed_over_is_found_without_a_write() -> None:
    book = returned(asked(asked(Book(), A, ONE), B, ONE), A, 1)

    settled = settle(book, terms(), me=B, used=0, line=[ONE], now=NOW)

    assert (settled.book, settled.served) == (book, 1)


def test_who_wants_a_slot_again_stands_behind_those_who_wait() -> None:
    book = asked(asked(Book(), A, ONE), B, ONE)

    again = returned(book, A, 1, ONE)

    assert (holders(again), line(again)) == ({"b": 1}, ["a"])


def test_a_slot_goes_on_within_a_process_without_a_write_if_nobody_else_waits() -> None:
    book = asked(Book(), A, ONE, ONE)

    settled = settle(book, terms(), me=A, used=0, returned=1, line=[ONE], now=NOW)

    assert (holders(settled.book), settled.served) == ({"a": 1}, 1)


def test_processes_with_long_lines_take_turns() -> None:
    book = asked(asked(Book(), A, ONE), B, ONE, ONE)
    book = asked(book, C, ONE)

    book = returned(book, A, 1)
    book = asked(book, B, ONE, used=1)

    assert (holders(book), line(book)) == ({"b": 1}, ["c", "b"])


def test_the_first_waits_for_all_its_slots_and_nobody_passes_it() -> None:
    book = asked(Book(), A, Wish(occupy=2), limit=3)
    book = asked(book, B, Wish(occupy=2), limit=3)

    book = asked(book, C, ONE, limit=3)

    assert (holders(book), line(book)) == ({"a": 2}, ["b", "c"])


def test_who_wants_more_slots_than_there_are_holds_nobody_up() -> None:
    book = asked(asked(Book(), A, ONE), B, Wish(occupy=2))
    book = asked(book, C, ONE)

    book = returned(book, A, 1)

    assert (holders(book), line(book)) == ({"c": 1}, ["b"])


def test_who_holds_slots_already_passes_those_who_may_wait_for_them() -> None:
    book = asked(asked(Book(), A, ONE), B, ONE)

    book = asked(book, A, Wish(occupy=1, overtakes=True), used=1)
    book = asked(book, C, Wish(occupy=1, overtakes=True))

    assert line(book) == ["a", "c", "b"]


def test_a_limit_of_none_lets_nobody_start() -> None:
    book = asked(Book(), A, ONE, limit=0)

    assert (holders(book), line(book)) == ({}, ["a"])


def test_a_higher_limit_serves_those_who_wait_and_a_lower_one_takes_nothing_away() -> None:
    book = asked(asked(asked(Book(), A, ONE), B, ONE), C, ONE)

    raised = hand_over(book, terms(3), now=NOW)
    lowered = hand_over(raised, terms(1), now=NOW)

    assert holders(raised) == {"a": 1, "b": 1, "c": 1}
    assert lowered == raised


def test_who_waits_no_longer_leaves_the_line() -> None:
    book = asked(asked(Book(), A, ONE), B, ONE)

    assert asked(book, B) == replace(book, waiting=())


def test_a_new_attempt_has_the_slots_of_the_one_before_and_gives_back_what_it_needs_not() -> None:
    book = asked(Book(), A, ONE, ONE, limit=2)
    book = asked(book, B, ONE, limit=2)

    book = asked(book, process("a", attempt=2), ONE, limit=2)

    assert (holders(book), [entry.attempt for entry in book.holders]) == ({"a": 1, "b": 1}, [2, 1])


def test_a_new_attempt_has_the_place_in_line_of_the_one_before() -> None:
    book = asked(asked(asked(Book(), A, ONE), B, ONE), C, ONE)

    book = asked(book, process("b", attempt=2), ONE)

    assert [(entry.run, entry.attempt) for entry in book.waiting] == [("b", 2), ("c", 1)]


def test_a_suspended_run_keeps_its_place_gives_back_what_it_used_and_gets_its_slot() -> None:
    book = asked(asked(Book(), A, ONE), B, ONE)
    book = leave(book, terms(), me=B, suspended=True, now=NOW)
    book = asked(book, C, ONE)

    book = returned(book, A, 1)
    resumed = settle(book, terms(), me=process("b", attempt=2), used=0, line=[ONE], now=NOW)

    assert [(entry.run, entry.suspended) for entry in book.holders] == [("b", True)]
    assert [(each.attempt, each.suspended) for each in resumed.book.holders] == [(2, False)]
    assert resumed.served == 1


def test_slots_that_a_suspended_run_used_go_to_the_next() -> None:
    book = asked(asked(Book(), A, ONE), B, ONE)

    book = leave(book, terms(), me=A, used=1, suspended=True, now=NOW)

    assert holders(book) == {"b": 1}


def test_what_was_lost_is_not_taken_again_behind_others_backs() -> None:
    book = bury(asked(asked(Book(), A, ONE), B, ONE), {A.key})
    book = hand_over(book, terms(), now=NOW)

    settled = settle(book, terms(), me=A, used=1, line=[], now=NOW)

    assert holders(settled.book) == {"b": 1}


def test_slots_by_rate_come_back_as_time_passes() -> None:
    rate = terms(2, decay=0.5)
    wish = Wish(occupy=1, rate=True)

    settled = settle(Book(), rate, me=A, used=0, line=[wish] * 3, now=NOW)
    wait = seconds_until(1, settled.book, rate, now=NOW)
    later = settle(settled.book, rate, me=A, used=0, line=[wish], now=NOW + timedelta(seconds=2))

    assert (settled.served, line(settled.book), wait) == (2, ["a"], 2.0)
    assert (later.served, line(later.book)) == (1, [])


def test_slots_by_rate_are_taken_in_person() -> None:
    rate = terms(1, decay=1.0)
    book = settle(Book(), rate, me=A, used=0, line=[ONE], now=NOW).book
    book = settle(book, rate, me=B, used=0, line=[Wish(occupy=1, rate=True)], now=NOW).book

    book = settle(book, rate, me=A, used=0, returned=1, now=NOW).book

    assert (holders(book), line(book)) == ({}, ["b"])


def test_who_gives_no_sign_of_life_for_a_lease_is_dead_by_the_observers_own_clock() -> None:
    book = asked(asked(Book(), A, ONE), B, ONE)

    seen = sight(book, {}, at=100.0)
    seen = sight(renew(book, A.key, until=NOW + timedelta(days=1)), seen, at=130.0)

    assert dead(seen, terms(), at=159.0) == frozenset()
    assert dead(seen, terms(), at=160.0) == {B.key}


def test_who_is_suspended_never_dies_of_silence() -> None:
    book = leave(asked(asked(Book(), A, ONE), B, ONE), terms(), me=B, suspended=True, now=NOW)

    assert dead(sight(book, {}, at=0.0), terms(), at=1e9) == {A.key}


def test_a_book_is_written_and_read_without_a_loss() -> None:
    book = asked(asked(Book(others={"observedGeneration": 3}), A, ONE), B, ONE)
    book = leave(book, terms(), me=B, suspended=True, now=NOW)
    book = replace(book, filled=0.25, filled_at=NOW)

    status = book.written()

    assert Book.read(status) == book
    assert (status["active"], status["queued"], status["observedGeneration"]) == (2, 1, 3)


def test_an_entry_of_somebody_else_is_kept_as_it_is() -> None:
    entry = Entry(
        run="x", uid="u", attempt=3, process="q", occupy=2, expires_at=NOW, suspended=True
    )

    book = asked(Book(holders=(entry,)), A, ONE, limit=3)

    assert book.holders[0] == entry


def suspended_with_a_slot(*others: Me) -> Book:
    """Return what stands there when a run without a pod has been handed the slot."""
    book = asked(asked(Book(), A, ONE), B, ONE)
    for other in others:
        book = asked(book, other, ONE)
    book = leave(book, terms(), me=B, suspended=True, now=NOW)
    return returned(book, A, 1)


def test_who_steps_aside_stays_first_in_line_and_others_are_served_meanwhile() -> None:
    aside = step_aside(suspended_with_a_slot(C), {B.key})
    book = hand_over(aside, terms(), now=NOW)

    assert (holders(book), line(book)) == ({"c": 1}, ["b"])
    assert holders(asked(aside, A, ONE)) == {"c": 1}
    assert line(asked(aside, A, ONE)) == ["b", "a"]


def test_who_steps_aside_goes_behind_those_who_did_before_and_who_hold_slots_already() -> None:
    o, y, p, h = (process(name).entry(1, until=NOW) for name in "oyph")
    waiting = (replace(o, overtakes=True), replace(y, yields=True), p)

    book = step_aside(Book(holders=(h,), waiting=waiting), {h.key})

    assert (holders(book), line(book)) == ({}, ["o", "y", "h", "p"])


def test_who_returns_to_the_line_is_served_where_it_stands() -> None:
    book = hand_over(step_aside(suspended_with_a_slot(C), {B.key}), terms(), now=NOW)
    book = asked(book, A, ONE)

    back = return_to_line(book, {B.key})

    assert holders(returned(back, C, 1)) == {"b": 1}
    assert line(returned(back, C, 1)) == ["a"]


def test_the_next_attempt_of_who_stepped_aside_yields_no_more() -> None:
    book = hand_over(step_aside(suspended_with_a_slot(C), {B.key}), terms(), now=NOW)

    book = asked(book, process("b", attempt=2), ONE)

    assert holders(returned(book, C, 1)) == {"b": 1}
