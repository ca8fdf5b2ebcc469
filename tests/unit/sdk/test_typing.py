"""What type checkers are told is also true."""

from __future__ import annotations

import asyncio

from .typed_usage import use


def test_the_typed_program_runs() -> None:
    sizes, fetching = use()

    assert (sizes, asyncio.run(fetching)) == ([1, 2], b"x")  # type: ignore[arg-type] # a coroutine
