"""Where the journals of a pool's runs are: in its store, else in JournalSegments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from penstock.journal.chain import Chain
from penstock.runner.environment import Environment
from penstock.runner.segments import open_segments
from penstock.stores import holds_journals, open_store
from penstock.stores.chain import StoreChain

PATIENCE = 60.0
"""Seconds for which a store is waited for that does not answer before the run has begun."""


class RunChain(Chain, Protocol):
    """The chain of a run in the cluster."""

    def finish(self, *, within: float) -> bool:
        """Tidy up once the run has ended; return whether it was done in time."""

    def close(self) -> None:
        """Give the connections back."""


def open_chain(environment: Environment, *, run: Mapping[str, Any]) -> RunChain:
    """Return the chain of a run of this namespace; nothing is read or written yet.

    Raises ``StoreUnusable`` where the pool's store cannot hold it.
    """
    if environment.store is None or not holds_journals(environment.store):
        return open_segments(environment, run=run)
    folder = journal_folder(run, namespace=environment.namespace)
    return StoreChain(open_store(environment.store), folder=folder, patience=PATIENCE)


def journal_folder(run: Mapping[str, Any], *, namespace: str) -> str:
    """Return the folder of a run's journal; an older run of the same name had another."""
    metadata = run["metadata"]
    return f"journals/{namespace}/{metadata['name']}-{metadata['uid'][:8]}"
