"""New code against the journals of runs that went before: a test for continuous integration."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.flows import Flow
    from penstock.replaying import Replayed

__all__ = ["replay"]


def replay(
    flow: Flow[..., Any], journal: str | PathLike[str], *, run: str | None = None
) -> Replayed:
    """Run a flow's code against a journal, and none of its tasks; return what was found.

    ``journal`` is a file of ``penstock export`` or ``kubectl get journalsegments -o json``, or a
    run of ``$PENSTOCK_HOME``; ``run`` says which, where a file has several. Raises
    ``NonDeterminism`` if the code does not fit it, with the argument or the call that differs.
    """
    from penstock.cli.journals import records_of
    from penstock.replaying import replay_records

    replayed = replay_records(flow, records_of(str(journal), run=run))
    replayed.check()
    return replayed
