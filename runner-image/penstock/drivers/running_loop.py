"""Whether an event loop runs in the calling thread, without importing asyncio to know."""

from __future__ import annotations

import sys


def loop_runs() -> bool:
    """Tell whether an event loop runs here; nobody runs one where nobody has imported asyncio."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None  # noqa: SLF001 - public in CPython for this
