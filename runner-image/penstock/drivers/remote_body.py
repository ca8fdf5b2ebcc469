"""The worker's side of a body that runs elsewhere: its run, its log, its exceptions' way back."""

from __future__ import annotations

import logging
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from inspect import isawaitable
from logging.handlers import QueueHandler
from queue import SimpleQueue

from penstock.drivers.beats import sent_home
from penstock.drivers.holding import holding
from penstock.drivers.parcels import PROCESS, Left, Parcel
from penstock.drivers.prints import prints_of
from penstock.drivers.progress import without_engine_frame
from penstock.drivers.recording import travelling
from penstock.drivers.run_facts import task_run_of
from penstock.drivers.scope import Arguments, Scope
from penstock.drivers.tagging import tags
from penstock.drivers.transacting import transacting
from penstock.engine.runs import FlowRun, TaskRun
from penstock.errors import RemoteError
from penstock.tracebacks import user_traceback

Lines = list[dict[str, object]]

_lines: ContextVar[Lines | None] = ContextVar("penstock_lines", default=None)


def run_body(
    parcel: Parcel, body: Callable[..., object], left: Left
) -> tuple[object, BaseException | None]:
    """Run the body; return its value, or the exception that left it, fit to be sent."""
    _listen(parcel)
    token = _lines.set(None if parcel.process == PROCESS else left.lines)
    token_of_records = travelling.set(left.records)
    token_of_holding = holding.set(parcel.holding)
    token_of_beats = sent_home.set(sent_home.get() or left.keep_beat)
    try:
        scope = _scope_of(parcel, body)
        with (
            tags(*parcel.tags),
            transacting(scope, parcel.values, left.values),
            scope,
            prints_of(scope),
        ):
            return _value_of(body, parcel), None
    except BaseException as error:  # the driver's core decides what it means
        return None, portable(without_engine_frame(error))
    finally:
        sent_home.reset(token_of_beats)
        holding.reset(token_of_holding)
        travelling.reset(token_of_records)
        _lines.reset(token)
        with suppress(Exception):
            sys.stdout.flush()


def _value_of(body: Callable[..., object], parcel: Parcel) -> object:
    value = body(*parcel.args, **parcel.kwargs)
    if isawaitable(value):
        import asyncio

        from penstock.drivers.loops import awaited

        return asyncio.run(awaited(value))
    return value


def _scope_of(parcel: Parcel, body: Callable[..., object]) -> Scope:
    run = task_run_of(parcel.run)
    flow_run = run.flow_run
    around = _scope(flow_run, parcel, body=_no_body, arguments=((), {})) if flow_run else None
    return _scope(run, parcel, body=body, arguments=(parcel.args, parcel.kwargs), parent=around)


def _no_body() -> None:
    """Stand in for the flow's, which runs elsewhere."""


def _scope(
    run: FlowRun | TaskRun,
    parcel: Parcel,
    *,
    body: Callable[..., object],
    arguments: Arguments,
    parent: Scope | None = None,
) -> Scope:
    return Scope(
        run,
        body=body,
        arguments=arguments,
        path=run.name,
        parent=parent,
        origin=None,
        context=None,
        frame=None,
        journal=None,
        log_prints=parcel.log_prints,
        slots=None,
    )


class _Collector(QueueHandler):
    """Keeps what the body logs, in a form that travels."""

    def emit(self, record: logging.LogRecord) -> None:
        lines = _lines.get()
        if lines is None:
            return
        fields = vars(self.prepare(record))
        plain = (str, int, float, type(None))
        lines.append({name: value for name, value in fields.items() if isinstance(value, plain)})


_COLLECTOR = _Collector(SimpleQueue())


def _listen(parcel: Parcel) -> None:
    if parcel.process == PROCESS:
        return
    logger = logging.getLogger("penstock")
    if _COLLECTOR not in logger.handlers:
        logger.addHandler(_COLLECTOR)
    if logger.level != parcel.log_level:
        logger.setLevel(parcel.log_level)


def portable(error: BaseException) -> BaseException:
    """Return the exception, or one that says the same and survives pickling.

    Its traceback does not travel, so that it becomes a note.
    """
    described = "The worker's traceback:\n" + user_traceback(error).rstrip()
    try:
        import cloudpickle

        twin = pickle.loads(cloudpickle.dumps(error))  # noqa: S301 - made on this line
        kept = type(twin) is type(error) and str(twin) == str(error)
    except Exception:
        kept = False
    if not kept:
        error = RemoteError(f"{type(error).__name__}: {error}")
    error.add_note(described)
    return error
