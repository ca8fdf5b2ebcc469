"""Group commit: nothing lost, nothing twice, in order, and one write for many."""

import threading

import pytest

from penstock.journal.commits import Commits


def test_a_lone_line_is_stored_by_who_waits_for_it() -> None:
    written: list[list[str]] = []
    commits = Commits(written.append)

    commits.await_stored(commits.add("a"))

    assert written == [["a"]]


def test_lines_that_come_during_a_write_are_stored_by_the_next_one() -> None:
    written: list[list[str]] = []
    begun, go_on = threading.Event(), threading.Event()

    def write(lines: list[str]) -> None:
        written.append(lines)
        begun.set()
        go_on.wait(60)

    commits = Commits(write)
    first = threading.Thread(target=lambda: commits.await_stored(commits.add("first")))
    first.start()
    begun.wait(60)
    batches = [commits.add(f"line {number}") for number in range(20)]
    waiting = [threading.Thread(target=commits.await_stored, args=(each,)) for each in batches]
    for thread in waiting:
        thread.start()
    go_on.set()
    for thread in (first, *waiting):
        thread.join(60)

    assert written == [["first"], [f"line {number}" for number in range(20)]]


def test_what_fails_is_raised_to_everybody_who_waits_and_the_next_write_is_tried() -> None:
    errors = [OSError("disk full")]
    written: list[list[str]] = []

    def write(lines: list[str]) -> None:
        if errors:
            raise errors.pop()
        written.append(lines)

    commits = Commits(write)
    batch = commits.add("lost")
    for _ in range(2):
        with pytest.raises(OSError, match="disk full"):
            commits.await_stored(batch)

    commits.await_stored(commits.add("kept"))

    assert written == [["kept"]]


def test_many_writers_lose_nothing() -> None:
    written: list[list[str]] = []
    commits = Commits(written.append)

    def work(writer: int) -> None:
        for number in range(100):
            commits.await_stored(commits.add(f"{writer}-{number}"))

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    lines = [line for batch in written for line in batch]
    assert len(lines) == 800
    for writer in range(8):
        mine = [line for line in lines if line.startswith(f"{writer}-")]
        assert mine == [f"{writer}-{number}" for number in range(100)]


def test_who_was_stored_with_others_waits_a_moment_for_them() -> None:
    written: list[list[str]] = []
    commits = Commits(written.append, window=5)
    together = [commits.add("a 1"), commits.add("b 1")]
    commits.await_stored(together[0])
    mine = commits.add("a 2")
    writer = threading.Thread(target=commits.await_stored, args=(mine,))
    writer.start()

    commits.add("b 2")
    writer.join(60)

    assert written == [["a 1", "b 1"], ["a 2", "b 2"]]


def test_who_waits_in_vain_writes_alone() -> None:
    written: list[list[str]] = []
    commits = Commits(written.append, window=0.001)
    commits.add("a 1")
    commits.await_stored(commits.add("b 1"))

    commits.await_stored(commits.add("a 2"))

    assert written == [["a 1", "b 1"], ["a 2"]]
