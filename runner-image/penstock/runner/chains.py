"""Where the journals of a pool's runs are: in its store, else in JournalSegments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

from penstock.journal.chain import Chain
from penstock.journal.sealed import SealedChain
from penstock.runner.environment import Environment
from penstock.runner.segments import open_segments
from penstock.sealing import Seal, present_seal
from penstock.stores import holds_journals, open_store

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

    Raises ``StoreUnusable`` where the pool's store, or the codec, cannot be used.
    """
    seal = present_seal()
    chain = _unsealed(environment, run=run)
    if not seal:
        return chain
    return SealedRunChain(chain, seal=seal, run=run["metadata"]["uid"])


def records_of(environment: Environment, *, run: Mapping[str, Any]) -> list[bytes]:
    """Return the journal of another run of the namespace: in our pool's store, or in segments,
    where its own pool has no store."""
    for open_one in (open_chain, open_segments):
        chain: RunChain = open_one(environment, run=run)
        try:
            if records := chain.read():
                return records
        finally:
            chain.close()
    return []


def _unsealed(environment: Environment, *, run: Mapping[str, Any]) -> RunChain:
    if not holds_journals(environment.store):
        return open_segments(environment, run=run)
    from penstock.stores.chain import StoreChain

    folder = journal_folder(run, namespace=environment.namespace)
    # A new run has nothing to lose; a later attempt waits as long as it takes.
    patience = PATIENCE if environment.attempt == 1 else math.inf
    return StoreChain(open_store(environment.store), folder=folder, patience=patience)


class SealedRunChain(SealedChain):
    """A run's chain whose records are sealed."""

    def __init__(self, chain: RunChain, *, seal: Seal, run: str) -> None:
        super().__init__(chain, seal=seal, run=run)
        self._inner = chain

    def finish(self, *, within: float) -> bool:
        """Tidy up once the run has ended; return whether it was done in time."""
        return self._inner.finish(within=within)

    def close(self) -> None:
        """Give the connections back."""
        self._inner.close()


def journal_folder(run: Mapping[str, Any], *, namespace: str) -> str:
    """Return the folder of a run's journal; an older run of the same name had another."""
    metadata = run["metadata"]
    return f"journals/{namespace}/{metadata['name']}-{metadata['uid'][:8]}"
