"""The words for transactions: when they commit, what they see of each other, how far they are."""

from __future__ import annotations

from enum import StrEnum


class CommitMode(StrEnum):
    """When a transaction is committed."""

    LAZY = "LAZY"
    """With the outermost transaction, at its end."""
    EAGER = "EAGER"
    """At its own end."""
    OFF = "OFF"
    """Only by ``commit()``: what nobody committed is rolled back at the end."""


class IsolationLevel(StrEnum):
    """What transactions that run at once see of each other."""

    READ_COMMITTED = "READ_COMMITTED"
    """Each sees what others committed; two may do the same work at once."""
    SERIALIZABLE = "SERIALIZABLE"
    """One at a time for a key: the next waits, and finds what the first one committed."""


class TransactionState(StrEnum):
    """How far a transaction is."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    STAGED = "STAGED"
    COMMITTED = "COMMITTED"
    ROLLED_BACK = "ROLLED_BACK"
