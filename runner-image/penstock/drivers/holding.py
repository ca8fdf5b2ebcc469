"""Whether the running code holds slots of a limit: then others may be waiting for it to end."""

from __future__ import annotations

from contextvars import ContextVar

holding: ContextVar[int] = ContextVar("penstock_holding", default=0)
"""How many blocks around hold slots."""
