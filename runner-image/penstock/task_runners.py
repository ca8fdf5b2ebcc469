"""Where submitted tasks run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ThreadPoolTaskRunner:
    """Threads of this process; async tasks share one event loop."""

    max_workers: int | None = None
    """How many task bodies run at once. A body that waits for another task does not count.

    ``None``: the number of processors and 4, at least 8 and at most 32; async bodies 1,000.
    """

    def __post_init__(self) -> None:
        if self.max_workers is not None and self.max_workers < 1:
            raise ValueError(f"max_workers is at least 1, or None, not {self.max_workers!r}.")
