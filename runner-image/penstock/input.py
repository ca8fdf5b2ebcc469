"""Waiting for people and other systems: a signal is a named message for one run.

    from penstock import flow
    from penstock.input import Approval, wait_for_signal

    @flow
    def release(version: str) -> str:
        answer = wait_for_signal("approval", Approval, timeout=7 * 24 * 3600)
        return deploy(version) if answer.approved else "rejected"

An update is a signal whose sender gets an answer: ``with wait_for_update("limit", int) as update``.

A signal is kept from the moment that the API server (on one machine: the journal) has it, also
where the run does not wait for it yet, and is consumed once (G6). A run that only waits for one has
no pod.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from penstock.absent import refuse_absent
from penstock.complaints import complaints
from penstock.drivers.answering import Update
from penstock.drivers.inbox import Message, current_inbox
from penstock.drivers.receiving import Expected, receive, receive_async
from penstock.drivers.running_loop import loop_runs
from penstock.drivers.scope import enter_engine
from penstock.errors import MissingContextError
from penstock.plain import stored_size

T = TypeVar("T")

__all__ = [
    "Approval",
    "Update",
    "pause_flow_run",
    "suspend_flow_run",
    "wait_for_input",
    "wait_for_signal",
    "wait_for_update",
]

LARGEST_SCHEMA = 2 * 1024
"""Bytes of a type's JSON Schema that a run's status shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person's answer: ``kubectl penstock approve RUN NAME``, or ``reject``."""

    approved: bool
    comment: str = ""
    by: str = ""
    """Who answered; the API server has verified it."""


@overload
def wait_for_signal(
    name: str,
    *,
    timeout: float | None = None,
    senders: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> Any: ...
@overload
def wait_for_signal(
    name: str,
    type: type[T],
    *,
    timeout: float | None = None,
    senders: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> T: ...


def wait_for_signal(
    name: str,
    type: Any = Any,  # noqa: A002 - what it is
    *,
    timeout: float | None = None,
    senders: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> Any:
    """Wait until the run gets the signal ``name``, and return its payload as a ``type``.

    Under a running event loop it is awaited. A payload that does not fit the type, or that comes
    from somebody who is neither among ``senders`` nor in one of the ``groups`` where those are
    given, is rejected, and the wait goes on. Raises ``SignalTimeoutError`` after ``timeout``
    seconds; their end survives the process, as that of a sleep.
    """
    return _wait(
        Expected(
            name=name,
            accept=_acceptance(type, senders, groups),
            timeout_seconds=timeout,
            schema=lambda: _schema_of(type),
        )
    )


@overload
def wait_for_update(
    name: str,
    *,
    timeout: float | None = None,
    senders: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> Update[Any]: ...
@overload
def wait_for_update(
    name: str,
    type: type[T],
    *,
    timeout: float | None = None,
    senders: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> Update[T]: ...


def wait_for_update(
    name: str,
    type: Any = Any,  # noqa: A002 - what it is
    *,
    timeout: float | None = None,
    senders: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> Any:
    """Wait for a message whose sender waits for an answer: as ``wait_for_signal``.

        with wait_for_update("set-limit", Limit) as update:
            update.answer(apply(update.payload))

    Whoever typed ``penstock update RUN set-limit --payload …`` sees the answer, or why there is
    none: ``update.reject("…")``, or the exception that left the block. It is given once (G6).
    """
    return _wait(
        Expected(
            name=name,
            accept=_acceptance(type, senders, groups),
            timeout_seconds=timeout,
            schema=lambda: _schema_of(type),
            is_update=True,
        )
    )


def _wait(expected: Expected) -> Any:
    scope = enter_engine()
    inbox = scope.context.inbox if scope and scope.context else None
    inbox = inbox or current_inbox.get()
    if scope is None or inbox is None:
        raise MissingContextError(
            f"No signal {expected.name} can come here: start the run with penstock run or in a "
            "cluster, or, in a test, give the answer before with penstock.testing.answered."
        )
    if loop_runs():
        return receive_async(expected, scope=scope, inbox=inbox)
    return receive(expected, scope=scope, inbox=inbox)


def _schema_of(kind: Any) -> Mapping[str, object] | None:
    """Return the JSON Schema of a type, if there is one that is small enough to be shown."""
    if kind is Any:
        return None
    from pydantic import PydanticUserError, TypeAdapter

    try:
        schema = TypeAdapter(kind).json_schema()
    except PydanticUserError:  # a type that has no schema takes payloads all the same
        return None
    return schema if stored_size(schema) <= LARGEST_SCHEMA else None


def _acceptance(
    kind: Any, senders: Sequence[str], groups: Sequence[str]
) -> Callable[[Message], object]:
    """Return what makes a value of a signal, or says why it will not do."""

    def accept(message: Message) -> object:
        if (senders or groups) and not (
            message.sender in senders or set(message.groups) & set(groups)
        ):
            allowed = ", ".join((*senders, *(f"the group {group}" for group in groups)))
            raise ValueError(f"{message.sender} may not answer; {allowed} may.")
        payload = message.payload
        if kind is Any:
            return payload
        if kind is Approval and isinstance(payload, dict):
            payload = {**payload, "by": message.sender}
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(kind).validate_python(payload)
        except ValidationError as error:
            raise ValueError("; ".join(complaints(error))) from None

    return accept


def wait_for_input(
    type: type[T],  # noqa: A002 - what it is
    *,
    key: str = "input",
    timeout: float | None = None,
) -> T:
    """Wait for the signal ``input``, whose payload is a ``type``; as ``wait_for_signal``."""
    return wait_for_signal(key, type, timeout=timeout)


def pause_flow_run(
    *, wait_for_input: Any = Any, timeout: float | None = 3600, key: str = "resume"
) -> Any:
    """Wait until somebody resumes the run: ``kubectl penstock signal RUN resume``.

    Returns the signal's payload, as a ``wait_for_input`` if that is given. Needs no pod meanwhile.
    Raises ``SignalTimeoutError`` (Prefect's ``FlowPauseTimeout``) after ``timeout`` seconds.
    """
    return wait_for_signal(key, wait_for_input, timeout=timeout)


suspend_flow_run = pause_flow_run
"""The same: a run that is paused needs no pod here."""

refuse_absent(globals())
