"""Who held slots at once, as the chaos tests tell it from what they heard."""

from tests.chaos.slots import LEASE, Slots, crowds

STATES = ("Suspended", "Completed", "Cancelled")


def slots(*, writes: tuple[float, ...] = (0.0,)) -> Slots:
    """Return what heard two runs write the limit that each takes two of the three slots of."""
    heard = Slots()
    for pod in ("pod-one-1", "pod-two-1", "pod-one-2"):
        for at in writes:
            heard.written("shared", pod=pod, at=at)
    return heard


def stay(heard: Slots, run: str, *moments: float, attempt: int = 1) -> None:
    """Let a run be inside from the first to the last of these moments."""
    for at in moments:
        facts = {"limit": "shared", "slots": 2, "attempt": attempt}
        pod = f"pod-{run}-{attempt}"
        heard.heard(run, facts | {"pod": pod, "block": f"{pod}-{moments}"}, at=at)


def crowded(heard: Slots) -> bool:
    found = [bool(list(crowds(heard.around(run)))) for run in ("one", "two")]
    assert found[0] == found[1]  # whichever is judged last
    return found[0]


def test_two_that_are_inside_at_once_are_found() -> None:
    heard = slots()

    stay(heard, "one", 1.0, 3.0)
    stay(heard, "two", 2.0, 4.0)

    assert crowded(heard)


def test_one_after_another_is_right() -> None:
    heard = slots()

    stay(heard, "one", 1.0, 2.0)
    stay(heard, "two", 3.0, 4.0)

    assert not crowded(heard)


def test_who_was_killed_was_inside_until_it_spoke_last() -> None:
    heard = slots()

    stay(heard, "one", 1.0)
    stay(heard, "two", 2.0, 3.0)

    assert not crowded(heard)


def test_a_lease_that_was_not_renewed_lapses() -> None:
    heard = slots()
    heard.written("shared", pod="pod-two-1", at=6.0)

    stay(heard, "one", 1.0, LEASE + 4.0)
    stay(heard, "two", LEASE + 2.0, LEASE + 3.0)

    assert not crowded(heard)


def test_a_lease_that_was_renewed_is_good() -> None:
    heard = slots(writes=(0.0, 4.0, 8.0))

    stay(heard, "one", 1.0, LEASE + 4.0)
    stay(heard, "two", LEASE + 2.0, LEASE + 3.0)

    assert crowded(heard)


def test_what_has_lapsed_is_not_made_good_by_a_later_write() -> None:
    heard = slots(writes=(0.0, LEASE + 1.0))

    stay(heard, "one", 1.0, LEASE + 4.0)
    stay(heard, "two", LEASE + 2.0, LEASE + 3.0)

    assert not crowded(heard)


def test_a_later_attempt_takes_the_slots_of_the_one_before() -> None:
    heard = slots()

    heard.ruled("one", attempt=2, state="Pending", at=2.0)
    stay(heard, "one", 1.0, 4.0)
    stay(heard, "one", 3.0, 4.0, attempt=2)

    assert not list(crowds(heard.around("one")))


def test_a_run_that_is_away_or_over_holds_nothing() -> None:
    for state in STATES:
        heard = slots()
        heard.ruled("one", attempt=1, state=state, at=2.0)

        stay(heard, "one", 1.0, 4.0)
        stay(heard, "two", 3.0, 5.0)

        assert not crowded(heard)


def test_what_was_said_of_an_earlier_attempt_does_not_concern_a_later_one() -> None:
    heard = slots()
    heard.ruled("one", attempt=1, state="Suspended", at=0.5)

    stay(heard, "one", 1.0, 4.0, attempt=2)
    stay(heard, "two", 3.0, 5.0)

    assert crowded(heard)
