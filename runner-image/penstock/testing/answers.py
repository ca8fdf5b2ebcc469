"""Answers for flows that wait for people: given before the flow asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from penstock import clock
from penstock.drivers.inbox import Inbox, Message, current_inbox

__all__ = ["answered"]


@contextmanager
def answered(name: str, payload: object = None, *, sender: str = "test") -> Iterator[None]:
    """Have the signal ``name`` wait for flows that are called inside; nest it for several.

    ``payload`` is what a person would send, in JSON's types. The first wait takes it; a second one
    for the same name waits for the next.
    """
    around = current_inbox.get()
    token = None
    if around is None:
        around = Inbox()
        token = current_inbox.set(around)
    message = Message(
        id=uuid4().hex, name=name, payload=payload, sender=sender, sent_at=clock.now()
    )
    around.deliver([message])
    try:
        yield
    finally:
        if token is not None:
            current_inbox.reset(token)
