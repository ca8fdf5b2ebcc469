"""Words for people."""

from __future__ import annotations

from datetime import timedelta

import pytest

from penstock_operator.reconcile.text import LONGEST_QUOTE, duration, quote, shorten


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0s"),
        (0.9, "0s"),
        (42, "42s"),
        (60, "1m"),
        (192, "3m12s"),
        (3600, "1h"),
        (7500, "2h5m"),
        (273_600, "3d4h"),
        (-5, "0s"),
    ],
)
def test_a_duration_is_written_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


def test_words_are_cut_visibly() -> None:
    assert shorten("abcdef", limit=4) == "abc…"
    assert shorten("abcd", limit=4) == "abcd"


def test_a_quotation_is_one_bounded_line_without_a_full_stop() -> None:
    assert quote("  Back-off\n pulling. ") == "Back-off pulling"
    assert quote("") == "no reason is given"
    assert len(quote("x" * 9999)) == LONGEST_QUOTE
