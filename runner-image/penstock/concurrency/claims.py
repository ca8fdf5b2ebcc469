"""What is asked of limits, wherever these are: of this machine, or of the cluster's namespace."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from penstock.concurrency.line import Place
from penstock.errors import ConcurrencySlotAcquisitionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for, and how long that may take."""

    names: tuple[str, ...]
    slots: int
    timeout_seconds: float | None
    strict: bool
    held: bool
    """Whether the slots are given back, or come back by decay."""
    overtakes: bool = False
    """Whether it holds slots already: those before it may be waiting for these."""
    is_quiet: bool = False
    """Whether a name without a limit is nothing to speak of."""


class Claim(Protocol):
    """Slots that somebody waits for, then holds."""

    @property
    def place(self) -> Place:
        """What has the bell that rings when it is time to look."""

    @property
    def waits_for(self) -> str | None:
        """The limit that a run may wait for without its process; none, if it may not."""

    @property
    def is_answered(self) -> bool:
        """Whether it is known that slots are not to be had at once."""

    def look(self) -> float | None:
        """Return None once all slots are had; else the seconds until the next look."""

    def leave(self) -> None:
        """Give back what is had, and wait no longer."""


class Limits(Protocol):
    """Where limits are kept."""

    def claim(self, request: Request, *, overtakes: bool) -> Claim:
        """Stand in line, from the first look on."""

    def of_tags(self, tags: Iterable[str]) -> list[str]:
        """Return the names of the limits that these tags have."""

    def may_be_of_tags(self, tags: Iterable[str]) -> bool:
        """Tell whether these tags may have any, without waiting to learn that."""


def limits_here() -> Limits:
    """Return the limits that hold for this process: in a pod of a run, those of its namespace."""
    if "PENSTOCK_POD_UID" in os.environ:
        from penstock.runner.limits.namespace import limits_in_pod

        return limits_in_pod()
    from penstock.concurrency.local import LIMITS

    return LIMITS


def refuse_impossible(
    name: str, request: Request, *, limit: int, decay: float, remedy: str
) -> None:
    """Raise where waiting would be in vain."""
    if 0 < limit < request.slots:
        raise ConcurrencySlotAcquisitionError(
            f"{request.slots} slots of {name} can never be had: its limit is {limit}."
        )
    if not request.held and not decay:
        raise ConcurrencySlotAcquisitionError(
            f"The limit {name} has no decay, so rate_limit would never get a slot back: {remedy}"
        )


def say_unlimited(name: str, request: Request, *, remedy: str) -> None:
    """Say once that nothing limits a name; raise where that is an error."""
    sentence = f"There is no limit {name}, so nothing waits for it: {remedy}"
    if request.strict:
        raise ConcurrencySlotAcquisitionError(sentence)
    if not request.is_quiet:
        _say_once(sentence)


@cache
def _say_once(sentence: str) -> None:
    logging.getLogger("penstock").warning("%s", sentence)
