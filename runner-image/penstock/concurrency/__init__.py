"""Limits on what runs at once, or how often, among all processes of a machine.

    from penstock import concurrency

    with concurrency("database", occupy=2):      # or: async with
        ...

The package itself can be called. ``penstock.concurrency.sync`` and ``.asyncio`` have the same
under Prefect's import paths, and ``rate_limit``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from penstock.concurrency.blocks import EitherBlock

        return EitherBlock(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
