"""Random programs of dependent tasks end as a model says, however they are run."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from penstock import allow_failure, flow, task
from penstock.errors import UpstreamNotCompleted
from penstock.futures import PenstockFuture
from penstock.task_runners import ThreadPoolTaskRunner


@dataclass(frozen=True)
class Step:
    """One submitted task: what it depends on, how it behaves, whether the flow takes it."""

    inputs: tuple[int, ...]
    tolerant: bool
    fails: int
    """How many attempts fail; 2 are allowed."""
    is_async: bool
    nested: bool
    taken: bool


@st.composite
def programs(draw: st.DrawFn) -> list[Step]:
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 8))):
        earlier = st.lists(st.integers(0, number - 1), max_size=3, unique=True)
        steps.append(
            Step(
                inputs=tuple(draw(earlier)) if number else (),
                tolerant=draw(st.booleans()),
                fails=draw(st.sampled_from([0, 0, 0, 1, 2])),
                is_async=draw(st.booleans()),
                nested=draw(st.booleans()),
                taken=draw(st.booleans()),
            )
        )
    return steps


class Broken(Exception):
    """The failure of one step."""


def expected(steps: list[Step]) -> tuple[list[str], set[str]]:
    """Return how each step ends, and the failures that are lost."""
    ends: list[str] = []
    roots: list[str | None] = []
    answered: list[bool] = []
    for number, step in enumerate(steps):
        bad = [i for i in step.inputs if ends[i] != "ok"]
        if step.tolerant:
            for i in step.inputs:
                answered[i] = True
        if bad and not step.tolerant:
            answered[bad[0]] = True
            ends.append("not ready")
            roots.append(roots[bad[0]])
        else:
            ends.append("failed" if step.fails > 1 else "ok")
            roots.append(f"step {number}" if step.fails > 1 else None)
        answered.append(step.taken)
    lost = {
        root
        for root, end, is_answered in zip(roots, ends, answered, strict=True)
        if end != "ok" and not is_answered and root is not None
    }
    return ends, lost


@task
def leaf(number: int) -> int:
    return number


def _body(number: int, step: Step, attempts: list[int]) -> None:
    attempts[number] += 1
    if attempts[number] <= step.fails:
        raise Broken(f"step {number}")


@task(retries=1, retry_delay_seconds=0.0001)
def work(number: int, step: Step, attempts: list[int], inputs: list[object]) -> int:
    if step.nested:
        assert leaf.submit(number).result() == number
    _body(number, step, attempts)
    return number


@task(retries=1)
async def work_async(number: int, step: Step, attempts: list[int], inputs: list[object]) -> int:
    if step.nested:
        assert await leaf.submit(number) == number
    _body(number, step, attempts)
    return number


@given(steps=programs(), workers=st.integers(1, 4))
def test_a_random_program_ends_as_the_model_says(steps: list[Step], workers: int) -> None:
    attempts = [0] * len(steps)
    seen: list[str] = []

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=workers))
    def program() -> None:
        futures: list[PenstockFuture[int]] = []
        for number, step in enumerate(steps):
            inputs: list[object] = [futures[i] for i in step.inputs]
            given = allow_failure(inputs) if step.tolerant else inputs
            kind = work_async if step.is_async else work
            futures.append(kind.submit(number, step, attempts, given))
        for future, step in zip(futures, steps, strict=True):
            future.wait()
            if step.taken:
                error = future.result(raise_on_failure=False)
                seen.append("failed" if isinstance(error, Exception) else "ok")
                if isinstance(error, UpstreamNotCompleted):
                    seen[-1] = "not ready"

    state = program(return_state=True)

    ends, lost = expected(steps)
    assert seen == [end for end, step in zip(ends, steps, strict=True) if step.taken]
    assert attempts == [
        0 if end == "not ready" else min(step.fails + 1, 2)
        for end, step in zip(ends, steps, strict=True)
    ]
    assert state.is_failed() == bool(lost)
    if lost:
        errors = getattr(state.data, "exceptions", (state.data,))
        assert {str(error) for error in errors} == lost
