"""How much a journal takes of a run's results."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.journal.entries import weight_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many bytes a journal takes, as they are stored; ``None``: any number."""

    result: int | None = None
    """Of one value."""
    run: int | None = None
    """Of all values of the run."""
    says: str = ""
    """Why no result is taken at all."""

    def problem_with(self, line: str, *, task: str, size: int) -> str | None:
        """Say why a task's result is not taken after ``size`` bytes of others, if it is not."""
        if self.says:
            return f"The result of {task} is not stored: {self.says}"
        if self.result is not None and len(line) > self.result:
            return (
                f"The result of {task} takes {len(line):,} bytes, and the journal takes "
                f"{self.result:,} of one result."
            )
        if self.run is not None and size + weight_of(line) > self.run:
            return (
                f"The results of this run take more than the {self.run:,} bytes that its "
                "journal takes."
            )
        return None
