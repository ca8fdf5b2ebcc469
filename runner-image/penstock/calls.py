"""Calls are made here: a run gets its name and its place. A submitted one sets off as a job."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from penstock.clock import Clock, current_clock
from penstock.drivers.call import LiveCall
from penstock.drivers.context import RunContext
from penstock.drivers.frame import Frame
from penstock.drivers.job import Job
from penstock.drivers.places import TaskRunner
from penstock.drivers.scope import Scope, enter_engine
from penstock.drivers.tagging import current_tags
from penstock.drivers.waiting import block_until
from penstock.engine.definition import Definition
from penstock.engine.identity import Spread
from penstock.engine.inputs import Link
from penstock.engine.results import Persistence
from penstock.engine.runs import FlowRun, TaskRun
from penstock.errors import NestingError
from penstock.futures import PenstockFuture
from penstock.states import Pending

MAX_NESTED_FLOWS = 50
"""Flows inside one another; Python's own limit would come soon after, at any place."""

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def waited(wait_for: object) -> tuple[object, ...]:
    """Return what ``wait_for`` names: any iterable, or a single future."""
    if wait_for is None:
        return ()
    listed = (wait_for,) if isinstance(wait_for, Link) else wait_for
    if not isinstance(listed, Iterable):
        raise TypeError(f"wait_for is a list of futures, as submit returns them; not {wait_for!r}.")
    waiting = tuple(listed)
    for each in waiting:
        if hasattr(each, "with_options"):
            raise TypeError(f"wait_for is a list of futures: submit {each!r} to have one.")
    return waiting


def call_task(
    definition: Definition,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    *,
    wait_for: Sequence[object],
) -> LiveCall:
    """Return a call that is to run where it is made."""
    caller = enter_engine()
    return LiveCall(
        definition,
        args,
        kwargs,
        run=_task_run(definition, caller, frame=caller.frame if caller else None),
        caller=caller,
        context=caller.context if caller else None,
        wait_for=wait_for,
    )


def submit_task(
    definition: Definition,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    *,
    wait_for: Sequence[object],
    index: int | None = None,
    spread: Spread | None = None,
) -> PenstockFuture[object]:
    """Submit a task to the runner of the flow around, and return its future."""
    caller = enter_engine()
    frame = (caller.frame if caller else None) or _frame_outside(os.getpid(), current_clock.get())
    run = _task_run(definition, caller, frame=frame)
    call = LiveCall(
        definition,
        args,
        kwargs,
        run=run,
        caller=caller,
        context=caller.context if caller else None,
        wait_for=wait_for,
        index=index,
        spread=spread,
        submitted=True,
    )
    future: PenstockFuture[object] = PenstockFuture(run, lock=frame.lock)
    frame.context.made_links = True
    call.join_block(future)
    Job(call, frame=frame, future=future).submit()
    return future


@lru_cache(maxsize=8)
def _frame_outside(process: int, clock: Clock | None) -> Frame:
    """Return where tasks run that are submitted outside any flow; the program waits for them.

    It does not for those of a test that moved the time and left tasks behind that wait for it.
    """
    frame = Frame(None, context=RunContext(f"outside-{process}"), runner=None)
    if clock is None:
        atexit.register(_wait_for_tasks, frame)
    else:
        clock.at_end(frame.close_when_idle)
    return frame


def _wait_for_tasks(frame: Frame) -> None:
    block_until(frame.is_idle, subscribe=frame.when_idle, scope=None)


def _task_run(definition: Definition, caller: Scope | None, *, frame: Frame | None) -> TaskRun:
    name = definition.name
    number = frame.draw_number(name) if frame else 0
    flow_run = frame.run if frame else None
    numbered = f"{name}-{number}"
    return TaskRun(
        f"{flow_run.id}/{numbered}" if flow_run else numbered,
        name=numbered,
        task_name=name,
        flow_run=flow_run,
        parent=caller.run if caller else None,
        tags=definition.tags | current_tags.get(),
        state=Pending(),
        task=definition.author,
    )


def call_flow(
    definition: Definition,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    *,
    wait_for: Sequence[object],
    runner: TaskRunner | None,
    linked: bool,
    context: RunContext | None = None,
) -> LiveCall:
    """Return the call of a flow: a sub-flow where a run is going on, else the root of a new one."""
    caller = enter_engine() if context is None else None
    _refuse_endless_recursion(definition, caller)
    if context is not None and context.name is not None:
        definition = replace(definition, run_name=None)
    if context is None:
        context = caller.context if caller else None
    if context is None:
        context = RunContext(_random_id(definition.name))
    if caller is None and context.journal is None and "PENSTOCK_ROUNDTRIP" in os.environ:
        from penstock.journal.round_trip import RoundTripJournal, is_asked_for

        context.round_trip = RoundTripJournal() if is_asked_for() else None
    context.made_links = context.made_links or linked
    run = _flow_run(definition, caller, context)
    return LiveCall(
        definition,
        args,
        kwargs,
        run=run,
        caller=caller,
        context=context,
        wait_for=wait_for,
        own_frame=Frame(
            run,
            context=context,
            runner=None if context.is_replay else runner,
            persistence=_persistence(definition, caller),
            strict=_is_strict(definition, caller),
        ),
    )


def _persistence(definition: Definition, caller: Scope | None) -> Persistence | None:
    own = definition.persistence
    around = caller.frame.persistence if caller and caller.frame else None
    return around if own is None else own.within(around)


def _is_strict(definition: Definition, caller: Scope | None) -> bool:
    if definition.is_strict is not None:
        return definition.is_strict
    if caller is not None and caller.frame is not None:
        return caller.frame.strict
    return os.environ.get("PENSTOCK_STRICT", "0") not in ("", "0")


def _refuse_endless_recursion(definition: Definition, caller: Scope | None) -> None:
    depth, scope = 0, caller
    while scope is not None:
        depth += isinstance(scope.run, FlowRun)
        scope = scope.parent
    if depth >= MAX_NESTED_FLOWS:
        raise NestingError(
            f"The flow {definition.name} is called inside {depth} flows, one in another, which is "
            "the limit: let the recursion end earlier, or recurse with plain functions."
        )


def _flow_run(definition: Definition, caller: Scope | None, context: RunContext) -> FlowRun:
    name, run_id = context.name or context.run_id, context.run_id
    if caller is not None and caller.frame is not None and caller.frame.run is not None:
        name = f"{definition.name}-{caller.frame.draw_number(definition.name)}"
        run_id = f"{caller.frame.run.id}/{name}"
    return FlowRun(
        run_id,
        name=name,
        flow_name=definition.name,
        parent=caller.run if caller else None,
        state=Pending(),
        tags=current_tags.get(),
        version=definition.version,
        deployed=context.deployed,
        scheduled_at=context.scheduled_at if caller is None else None,
        flow=definition.author,
    )


def _random_id(name: str) -> str:
    return f"{name}-" + "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in os.urandom(5))
