"""Tasks that run beside their caller: ``submit`` one, ``map`` it over many, as checkers see it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Generator, Iterable
from typing import Any, Literal, ParamSpec, TypeVar, overload

from penstock.calls import submit_task, waited
from penstock.decorated import Decorated
from penstock.futures import PenstockFuture, PenstockFutureList
from penstock.mapping import argument_lists
from penstock.states import State

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
T = TypeVar("T")

Stream = Generator[T, Any, Any] | AsyncGenerator[T, Any]
"""What a task with ``yield`` returns where it is called; beside its caller it makes a list."""


class Submitting(Decorated[P, R]):
    """A decorated function that can run beside its caller."""

    @overload
    def submit(
        self: Submitting[..., Stream[T]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> PenstockFuture[list[T]]: ...
    @overload
    def submit(
        self: Submitting[..., Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> PenstockFuture[T]: ...
    @overload
    def submit(
        self: Submitting[..., T],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> PenstockFuture[T]: ...
    @overload
    def submit(
        self: Submitting[..., Stream[T]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> State[list[T]]: ...
    @overload
    def submit(
        self: Submitting[..., Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> State[T]: ...
    @overload
    def submit(
        self: Submitting[..., T],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> State[T]: ...

    def submit(
        self,
        *args: Any,
        return_state: bool = False,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run the task beside the flow and return its future.

        It starts when every future among its arguments and in ``wait_for`` has completed. With
        ``return_state=True`` this waits and returns the final state, which takes its failure.
        """
        future = submit_task(self.definition, args, kwargs, wait_for=waited(wait_for))
        if not return_state:
            return future
        future.wait()
        return future.state

    @overload
    def map(
        self: Submitting[..., Stream[T]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> PenstockFutureList[list[T]]: ...
    @overload
    def map(
        self: Submitting[..., Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> PenstockFutureList[T]: ...
    @overload
    def map(
        self: Submitting[..., T],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> PenstockFutureList[T]: ...
    @overload
    def map(
        self: Submitting[..., Stream[T]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> list[State[list[T]]]: ...
    @overload
    def map(
        self: Submitting[..., Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> list[State[T]]: ...
    @overload
    def map(
        self: Submitting[..., T],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> list[State[T]]: ...

    def map(
        self,
        *args: Any,
        return_state: bool = False,
        wait_for: Iterable[object] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Submit the task once for each element of its iterable arguments; return the futures.

        All iterables have the same length. ``unmapped(x)``, strings and what cannot be iterated
        are handed to every task as they are; a future is waited for and mapped over. With
        ``return_state=True`` this waits and returns the final states, which takes their failures.
        """
        upstreams = waited(wait_for)
        listed, spread = argument_lists(self.name, args, kwargs)
        futures: PenstockFutureList[Any] = PenstockFutureList(
            submit_task(
                self.definition, each, named, wait_for=upstreams, index=index, spread=spread
            )
            for index, (each, named) in enumerate(listed)
        )
        if not return_state:
            return futures
        futures.wait()
        return [future.state for future in futures]
