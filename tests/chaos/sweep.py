"""The crash sweep: one program, played as often as it makes requests, killed at each in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

from tests.chaos.faults import LASTING, Planned
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
    SubFlow,
)
from tests.chaos.stage import Played, Stage

REFERENCE = Program(
    "sweep",
    (
        Call("c0", fails=1, retries=2),
        Map("m0", 3, fails=(1,)),
        SubFlow("sub", (Call("c1", times=2), Call("f1", flow_fails=1)), retries=1),
        Once("o0"),
        Cached("h0"),
        Block("t0", ("b0", "b1"), fails=True),
        Block("t1", ("b2",)),
        Caught("x0", retries=1),
        AwaitSignal("w0", "go"),
        AnswerUpdate("u0", "a0"),
        MissSignal("n0", 0.3),
        MissSlot("n1", 0.3),
        Call("f0", flow_fails=1),
        Child("k0"),
        Hold("g0", "shared", 2, timed=True),
        Hold("g1", "tagged", 1, "tag", 2),
        Sleep("s0", 1.5),
        Call("c2"),
    ),
    retries=1,
)
"""Has every statement that there is."""
KINDS = ("kill", "zombie", "cancel", "delete-pod", "suspend", "lose", "500", "starting")
"""Faults that a sweep may strike with at each request."""


def points(requests: range, *, kind: str = "kill", lasting: float = 4.0) -> Iterator[Planned]:
    """Yield a fault at each request, before the server is asked and before its answer is given."""
    for number in requests:
        for carried_out in (False, True):
            yield Planned(number, kind, carried_out, lasting if kind in LASTING else 0.0)


def swept(
    stage: Stage, *, first: int = 1, every: int = 1, kind: str = "kill", parallel: int = 12
) -> Iterator[Played]:
    """Play the reference without a fault, and then once for each fault."""
    calm = stage.play(replace(REFERENCE, seed=f"{REFERENCE.seed}-{kind}-0"))
    yield calm
    requests = range(first, calm.requests + 1, every)
    yield from struck(stage, REFERENCE, requests=requests, kind=kind, parallel=parallel)


def struck(
    stage: Stage,
    program: Program,
    *,
    requests: range,
    kind: str = "kill",
    lasting: float = 4.0,
    pythonpath: str = "",
    parallel: int = 12,
) -> Iterator[Played]:
    """Play a program once for each fault, with its own Penstock if that is given."""

    def play(fault: Planned) -> Played:
        point = f"{fault.number}{'ba'[fault.carried_out]}"
        named = replace(program, seed=f"{program.seed}-{kind}-{point}")
        return stage.play(named, (fault,), pythonpath=pythonpath)

    planned = points(requests, kind=kind, lasting=lasting)
    with ThreadPoolExecutor(parallel) as pool:
        playing = deque(pool.submit(play, each) for each in islice(planned, parallel))
        while playing:  # no more are begun ahead: a test may stop early
            yield playing.popleft().result()
            playing.extend(pool.submit(play, each) for each in islice(planned, 1))
