"""Why a command could not do what it was asked; the message is a sentence, or several.

CommandError            what was typed cannot be done as it was typed
├── RejectedError       the run said no to an update
├── UnansweredError     the run has not answered an update in time
├── ApiError            the API server answered no
└── UnreachableError    the API server did not answer
"""

from __future__ import annotations

from penstock.cli import outcome


class CommandError(Exception):
    """Ends the command with its message on stderr and its exit code."""

    exit_code = outcome.USAGE


class RejectedError(CommandError):
    """The run has rejected an update, or ended without answering it."""

    exit_code = outcome.REJECTED


class UnansweredError(CommandError):
    """No answer has come as yet; the update is kept for the run."""

    exit_code = outcome.UNANSWERED


class ApiError(CommandError):
    """An answer of 400 and above; `status` is what callers decide upon."""

    def __init__(self, sentence: str, *, status: int, message: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.message = message
        """What the API server said, in its own words."""

    @property
    def passes(self) -> bool:
        """Tell whether the same request may well succeed a little later."""
        return self.status == 429 or self.status >= 500


class UnreachableError(CommandError):
    """No answer came."""

    exit_code = outcome.UNREACHABLE
