"""Programs as Python files: what a user would have written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import indent

from tests.chaos.program import (
    AnswerUpdate,
    AwaitSignal,
    Block,
    Cached,
    Call,
    Caught,
    Child,
    Hold,
    Map,
    MissSignal,
    MissSlot,
    Once,
    Program,
    Sleep,
    Statement,
    SubFlow,
)

PRELUDE = '''\
"""A flow of the chaos tests. Everything that it does to the world is told to a ledger."""

import http.client
import json
import os
import time
import uuid
from contextlib import contextmanager

from penstock import concurrency, flow, run_flow, runtime, sleep, task
from penstock.cache_policies import INPUTS
from penstock.concurrency.sync import AcquireConcurrencySlotTimeoutError
from penstock.errors import ChildRunFailed, SignalTimeoutError, TaskInterrupted
from penstock.input import wait_for_signal, wait_for_update
from penstock.transactions import get_transaction, transaction

EPOCH = []  # which attempt of the flow, of the sub-flow in it, and so on


class Planned(Exception):
    """A failure that the program wants."""


def tell(what, **facts):
    """Tell the ledger; it answers with the seconds that the work is to take."""
    facts = {"run": os.environ["PENSTOCK_RUN"], "what": what, "epoch": list(EPOCH)} | facts
    facts["pod"] = os.environ["PENSTOCK_POD_UID"]
    facts["attempt"] = int(os.environ["PENSTOCK_ATTEMPT"])
    connection = http.client.HTTPConnection(os.environ["CHAOS_LEDGER"], timeout=120)
    connection.request("POST", "/", json.dumps(facts))
    seconds = float(connection.getresponse().read())
    connection.close()
    return seconds


def enter(depth):
    EPOCH[depth:] = [runtime.flow_run.run_count]


def do(step, fails, flow_fails):
    this = {"step": step, "key": runtime.task_run.idempotency_key}
    this["try"] = runtime.task_run.run_count
    failing = this["try"] <= fails or EPOCH[-1] <= flow_fails
    time.sleep(tell("begin", **this))
    tell("end", failed=failing, **this)
    if failing:
        raise Planned(step)
    return f"did:{step}:{this['key']}"


@contextmanager
def inside(step, limit, slots):
    this = dict(step=step, limit=limit, slots=slots, block=uuid.uuid4().hex)
    time.sleep(tell("enter", **this))
    yield
    time.sleep(tell("inside", **this))
    tell("exit", **this)


@task(retry_delay_seconds=0.2)
def work(step, fails=0, flow_fails=0):
    return do(step, fails, flow_fails)


@task(at_most_once=True)
def once(step):
    return do(step, 0, 0)


@task(cache_policy=INPUTS, result_storage=os.environ["CHAOS_STORE"])
def cached(step, run):
    return do(step, 0, 0)


@task
def guarded(step, limit, slots):
    with concurrency(limit, occupy=slots, strict=True), inside(step, limit, slots):
        return do(step, 0, 0)


@task(tags=['tagged'])
def tagged(step, limit, slots):
    with inside(step, limit, slots):
        return do(step, 0, 0)


@task
def staged(step):
    get_transaction().set("step", step)
    return do(step, 0, 0)


@staged.on_commit
def commit(txn):
    tell("commit", step=txn.get("step"))


@staged.on_rollback
def undo(txn):
    tell("undo", step=txn.get("step"))
'''


CHILD = "child"
"""The Flow that programs start as a run of its own."""
SOURCE_OF_CHILD = f"""{PRELUDE}

@task
def piece(parent, step):
    this = dict(run=parent, step=step, child=os.environ["PENSTOCK_RUN"])
    time.sleep(tell("child-begin", **this))
    return f"child of {{parent}}: {{step}}"


@flow
def main(parent, step, fails):
    result = piece(parent, step)
    sleep(1)
    if fails:
        raise Planned(step)
    return result
"""


def source_of(program: Program) -> str:
    """Return the file of a program; its flow is called `main`."""
    main = _flow("main", program.body, program.retries, 0)
    if program.pipelined:
        main = main.replace("@flow(", "@flow(durability='pipelined', ")
    return "\n\n".join((PRELUDE, *_sub_flows(program.body, 1), main))


def _sub_flows(body: Sequence[Statement], depth: int) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, SubFlow):
            yield from _sub_flows(statement.body, depth + 1)
            yield _flow(statement.name, statement.body, statement.retries, depth)


def _flow(name: str, body: Sequence[Statement], retries: int, depth: int) -> str:
    lines = "".join(_lines(statement, depth) for statement in body)
    head = f"@flow(retries={retries}, retry_delay_seconds=0.2)\ndef {name}():\n"
    return head + indent(f"enter({depth})\n{lines}return {name!r}\n", "    ")


def _lines(statement: Statement, depth: int) -> str:  # noqa: C901 - a case each
    match statement:
        case Call(step, fails, retries, times, flow_fails):
            task = f"work.with_options(retries={retries})" if retries else "work"
            call = f"{task}({step!r}, fails={fails}, flow_fails={flow_fails})\n"
            return call * times
        case Caught(step, retries):
            call = f"work.with_options(retries={retries})({step!r}, fails={retries + 1})"
            return f"try:\n    {call}\nexcept Planned:\n    pass\n"
        case Map(step, size, fails):
            steps = [f"{step}-{index}" for index in range(size)]
            counts = [int(index in fails) for index in range(size)]
            return f"work.with_options(retries=1).map({steps}, fails={counts}).result()\n"
        case Sleep(name, seconds):
            return (
                f"tell('sleeping', name={name!r})\nsleep({seconds})\ntell('woke', name={name!r})\n"
            )
        case AwaitSignal(name, signal):
            return f"tell('got', name={name!r}, payload=wait_for_signal({signal!r}))\n"
        case AnswerUpdate(name, step):
            got = f"    tell('got', name={name!r}, payload=update.payload)\n"
            answer = f"    update.answer([update.payload, work({step!r})])\n"
            return f"with wait_for_update('ask') as update:\n{got}{answer}"
        case MissSignal(name, seconds):
            wait = f"    wait_for_signal('none', timeout={seconds})\n"
            end = f"except SignalTimeoutError:\n    tell('missed', name={name!r})\n"
            return f"tell('waiting', name={name!r})\ntry:\n{wait}{end}"
        case MissSlot(name, seconds):
            wait = f"    with concurrency('closed', timeout_seconds={seconds}):\n        pass\n"
            end = f"except AcquireConcurrencySlotTimeoutError:\n    tell('missed', name={name!r})\n"
            return f"tell('waiting', name={name!r})\ntry:\n{wait}{end}"
        case SubFlow(name):
            return f"{name}()\ndel EPOCH[{depth + 1}:]\n"
        case Once(step):
            end = f"except TaskInterrupted:\n    tell('interrupted', step={step!r})\n"
            return f"try:\n    once({step!r})\n{end}"
        case Child(name, fails):
            given = f"dict(parent=os.environ['PENSTOCK_RUN'], step={name!r}, fails={fails})"
            call = f"tell('child', name={name!r}, result=run_flow({CHILD!r}, {given}))"
            end = f"except ChildRunFailed:\n    tell('child', name={name!r}, result='failed')\n"
            return f"try:\n    {call}\n{end}"
        case Hold():
            return _holding(statement)
        case Cached(step):
            return f"cached({step!r}, os.environ['PENSTOCK_RUN'])\n" * 2
        case Block(_, steps, fails):
            calls = "".join(f"        staged({step!r})\n" for step in steps)
            end = "        raise Planned\n" if fails else ""
            return f"try:\n    with transaction():\n{calls}{end}except Planned:\n    pass\n"
    raise TypeError(statement)


def _holding(hold: Hold) -> str:
    if hold.where == "flow":
        (step,) = hold.steps
        timeout = ", timeout_seconds=3600" if hold.timed else ""
        slots = f"concurrency({hold.limit!r}, occupy={hold.slots}, strict=True{timeout})"
        told = f"inside({step!r}, {hold.limit!r}, {hold.slots})"
        sleeps = f"    sleep({hold.seconds})\n" if hold.seconds else ""
        return f"with {slots}, {told}:\n    work({step!r})\n{sleeps}"
    task = "guarded" if hold.where == "body" else "tagged"
    limits, occupy = [hold.limit] * hold.size, [hold.slots] * hold.size
    return f"{task}.map({list(hold.steps)}, {limits}, {occupy}).result()\n"
