"""Futures: the results of submitted tasks, before they exist."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from penstock.absent import refuse_absent
from penstock.drivers.clocks import Deadline
from penstock.drivers.job import Promise
from penstock.drivers.scope import enter_engine
from penstock.drivers.waiting import Wake, block_until, block_until_final
from penstock.engine.inputs import LinkList
from penstock.states import State

if TYPE_CHECKING:
    from threading import Lock

    from penstock.engine.runs import TaskRun

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

__all__ = ["DoneAndNotDoneFutures", "PenstockFuture", "PenstockFutureList", "as_completed", "wait"]


class PenstockFuture(Promise, Generic[R_co]):
    """The result of a submitted task. Pass it to another task to use the value there.

    A failure that nobody takes fails the flow. It is taken by ``result()``, by reading ``state``
    once it is final, by ``allow_failure``, and by returning the future from the flow.
    """

    __slots__ = ("_answered", "_callbacks", "_lock", "_run", "_state")

    def __init__(self, run: TaskRun, *, lock: Lock) -> None:
        self._run = run
        self._lock = lock
        self._state: State[object] | None = None
        self._callbacks: list[Callable[[], None]] | None = None
        self._answered = False

    @property
    def task_run_id(self) -> str:
        """Id of the task run, as ``runtime.task_run.id`` shows it."""
        return self._run.id

    @property
    def task_run_name(self) -> str:
        """Name of the task run, as logs and reports show it."""
        return self._run.name

    @property
    def state(self) -> State[R_co]:
        """The state as of now; reading a final one takes its failure."""
        if self._state is None:
            return cast("State[R_co]", self._run.state)
        self._answered = True
        return cast("State[R_co]", self._state)

    def result(self, timeout: float | None = None, *, raise_on_failure: bool = True) -> R_co:
        """Wait for the result and return it, or raise the task's exception.

        With ``raise_on_failure=False`` the exception is returned. Raises ``TimeoutError`` after
        ``timeout`` seconds; the task goes on then.
        """
        if not self._wait(timeout):
            raise TimeoutError(f"{self._run.name} did not end within {timeout:g} seconds.")
        return self.state.result(raise_on_failure=raise_on_failure)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the task ended, or ``timeout`` seconds; takes no failure."""
        self._wait(timeout)

    def add_done_callback(self, function: Callable[[PenstockFuture[R_co]], object]) -> None:
        """Call ``function`` with this future once it is final, at once if it is."""
        self.when_final(partial(_call_with, function, self))

    def _wait(self, timeout: float | None) -> bool:
        scope = enter_engine()
        return self._state is not None or block_until_final([self], scope=scope, timeout=timeout)

    def __await__(self) -> Generator[object, None, R_co]:
        return self._awaited().__await__()

    async def _awaited(self) -> R_co:
        from penstock.drivers.loops import suspend_until_final

        await suspend_until_final([self], scope=enter_engine())
        return self.state.result()

    def __repr__(self) -> str:
        return f"<PenstockFuture {self._run.name}: {(self._state or self._run.state)!r}>"

    # The engine's side.

    def become_final(self, state: State[object]) -> None:
        """Set the final state, once, and tell who waits."""
        with self._lock:
            self._state = state
            callbacks, self._callbacks = self._callbacks, None
        for function in callbacks or ():
            _call(function)

    def final_state(self) -> State[object] | None:
        """Return the state once it is final; looking at it takes no failure."""
        return self._state

    def task_run(self) -> TaskRun:
        """Return the run whose result this stands for."""
        return self._run

    def run_name(self) -> str:
        """Return the name of the run whose result this stands for."""
        return self._run.name

    def when_final(self, function: Callable[[], None]) -> None:
        """Call ``function`` once the state is final, at once if it is."""
        with self._lock:
            if self._state is None:
                if self._callbacks is None:
                    self._callbacks = []
                self._callbacks.append(function)
                return
        _call(function)

    def is_lost(self) -> bool:
        """Tell whether this is a failure that nobody took and no dependent answers for."""
        return not self._answered

    def take(self) -> None:
        """Note that somebody answers for this failure, so that it is not lost."""
        self._answered = True

    def blame(self) -> None:
        """Note that a dependent never ran because of this failure, and answers for it."""
        self._answered = True


def _call_with(function: Callable[[PenstockFuture[R]], object], future: PenstockFuture[R]) -> None:
    function(future)


def _call(function: Callable[[], None]) -> None:
    """Call a callback; like ``concurrent.futures``, log what it raises and go on."""
    try:
        function()
    except Exception:
        import logging

        logging.getLogger("penstock").exception("A future's callback failed.")


class PenstockFutureList(LinkList[PenstockFuture[R]], Generic[R]):
    """What ``.map`` returns."""

    def result(self, timeout: float | None = None, *, raise_on_failure: bool = True) -> list[R]:
        """Wait for all and return their results in order, or raise the first failure in order.

        ``timeout`` counts for all together.
        """
        if not block_until_final(self, scope=enter_engine(), timeout=timeout):
            raise TimeoutError(f"Not every mapped task ended within {timeout:g} seconds.")
        states = [future.state for future in self]
        return [state.result(raise_on_failure=raise_on_failure) for state in states]

    def wait(self, timeout: float | None = None) -> None:
        """Wait until all ended, or ``timeout`` seconds; takes no failure."""
        block_until_final(self, scope=enter_engine(), timeout=timeout)


@dataclass(frozen=True, slots=True)
class DoneAndNotDoneFutures(Generic[R]):
    """What ``wait`` returns; unpacks into the two sets."""

    done: set[PenstockFuture[R]]
    not_done: set[PenstockFuture[R]]

    def __iter__(self) -> Iterator[set[PenstockFuture[R]]]:
        return iter((self.done, self.not_done))


def wait(
    futures: Iterable[PenstockFuture[R]], timeout: float | None = None
) -> DoneAndNotDoneFutures[R]:
    """Wait until all ``futures`` ended, or ``timeout`` seconds; takes no failure."""
    every = _checked(futures, by="wait")
    block_until_final(every, scope=enter_engine(), timeout=timeout)
    done = {future for future in every if future.final_state() is not None}
    return DoneAndNotDoneFutures(done, {future for future in every if future not in done})


def as_completed(
    futures: Iterable[PenstockFuture[R]], timeout: float | None = None
) -> Iterator[PenstockFuture[R]]:
    """Yield each future as it ends; takes no failure.

    Raises ``TimeoutError`` if not all have ended ``timeout`` seconds after the first ``next()``.
    """
    unyielded = list(dict.fromkeys(_checked(futures, by="as_completed")))
    deadline = None if timeout is None else Deadline(timeout)
    arrivals: _Arrivals[R] = _Arrivals()
    for future in unyielded:
        future.add_done_callback(arrivals.add)
    for given in range(len(unyielded)):
        left = None if deadline is None else max(0.0, deadline.left())
        scope = enter_engine()
        if not block_until(arrivals.any, subscribe=arrivals.tell, scope=scope, timeout=left):
            missing = len(unyielded) - given
            raise TimeoutError(f"{missing} of {len(unyielded)} tasks did not end in time.")
        yield arrivals.futures.popleft()


def _checked(futures: Iterable[PenstockFuture[R]], *, by: str) -> list[PenstockFuture[R]]:
    single = isinstance(cast("object", futures), PenstockFuture)
    every = [cast("PenstockFuture[R]", futures)] if single else list(futures)
    for each in every:
        if not isinstance(each, PenstockFuture):
            raise TypeError(f"{by} takes futures, as submit and map return them; not {each!r}.")
    return every


class _Arrivals(Generic[R]):
    """Futures in the order in which they end."""

    def __init__(self) -> None:
        self.futures: deque[PenstockFuture[R]] = deque()
        self._wake: Wake | None = None

    def add(self, future: PenstockFuture[R]) -> None:
        self.futures.append(future)
        if self._wake is not None:
            self._wake()

    def any(self) -> bool:
        return bool(self.futures)

    def tell(self, wake: Wake) -> None:
        self._wake = wake


refuse_absent(globals())
