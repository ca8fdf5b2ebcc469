"""Journals as files: what `penstock export` writes, and what `penstock replay` reads.

A file is a list of JournalSegments, as `kubectl get journalsegments -o json` prints them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.cli.errors import CommandError
from penstock.cli.local_runs import LocalRuns
from penstock.errors import JournalError
from penstock.home import home
from penstock.journal.chain import MemoryChain
from penstock.journal.sealed import SealedChain
from penstock.runner.segment import Owner, Segment, assemble, read_segments
from penstock.sealing import present_seal

if TYPE_CHECKING:
    from penstock.cli.cluster import Cluster

LARGEST_SEGMENT = 256 * 1024
"""Bytes of records in one segment that is written."""
Items = list[Mapping[str, Any]]


def export_here(run: str) -> dict[str, Any]:
    """Return the journal of a run on this machine as a list of objects."""
    from penstock.cli.local_journals import chain_as_stored

    runs = LocalRuns(home())
    row = runs.find(run)
    records = chain_as_stored(row, runs=runs).read()
    if not records:
        raise CommandError(f"The run {run} has no journal yet.")
    owner = Owner("here", name=run, uid=row.journal)
    return _listed([each.manifest(owner, attempt=1) for each in _packed(records)])


def export_from_cluster(cluster: Cluster, run: str) -> dict[str, Any]:
    """Return the journal of a run in the cluster as a list of objects."""
    uid = cluster.get(cluster.path("flowruns", run))["metadata"]["uid"]
    path = cluster.path("journalsegments")
    items = _of_run(cluster.items(path, fieldSelector=f"spec.run={run}"), uid=uid)
    if not items:
        raise CommandError(
            f"The run {run} has no journal in the cluster: it has not begun, or its pool has a "
            "store, where its journal is."
        )
    return _listed(items)


def _listed(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def _packed(records: Sequence[bytes]) -> Iterator[Segment]:
    part: list[bytes] = []
    number = 0
    for place, record in enumerate(records):
        if part and sum(map(len, part)) + len(record) > LARGEST_SEGMENT:
            yield Segment(number, records=tuple(part), merged=True)
            part, number = [], place
        part.append(record)
    yield Segment(number, records=tuple(part), merged=True)


def records_here(run: str) -> list[bytes]:
    """Return the records of the journal that a run on this machine has."""
    from penstock.cli.local_journals import local_chain

    runs = LocalRuns(home())
    return local_chain(runs.find(run), runs=runs).read()


def records_of(journal: str, *, run: str | None = None) -> list[bytes]:
    """Return the records of a journal: a file, or else that of a run on this machine.

    ``run`` says which, where the file holds the journals of several runs.
    """
    path = Path(journal)
    if not path.is_file():
        return records_here(journal)
    try:
        items: Items = json.loads(path.read_text(encoding="utf-8"))["items"]
        owner = _owner_in(items, run=run, path=path)
        return _unsealed(assemble(read_segments(items, owner=owner), run=owner.name).records, owner)
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(
            f"{path} holds no journal: penstock export RUN writes one, and so does kubectl get "
            f"journalsegments -o json. ({type(error).__name__}: {error})"
        ) from error
    except JournalError as error:
        raise CommandError(str(error)) from error


def _unsealed(records: list[bytes], owner: Owner) -> list[bytes]:
    """Open what the environment's codec and key have sealed."""
    seal = present_seal()
    if not seal:
        return records
    chain = MemoryChain()
    for number, record in enumerate(records):
        chain.put(number, record)
    return SealedChain(chain, seal=seal, run=owner.uid).read()


def _owner_in(items: Items, *, run: str | None, path: Path) -> Owner:
    owners = {
        (reference["name"], reference["uid"])
        for item in items
        for reference in item["metadata"].get("ownerReferences", [])
        if reference["kind"] == "FlowRun" and run in (None, reference["name"])
    }
    if len(owners) != 1:
        names = ", ".join(sorted({name for name, _ in owners})) or "none"
        raise CommandError(f"Say by --run which run's journal of {path} is meant; found: {names}.")
    name, uid = owners.pop()
    return Owner("", name=name, uid=uid)


def _of_run(items: Sequence[Mapping[str, Any]], *, uid: str) -> Items:
    return [
        item
        for item in items
        if any(each["uid"] == uid for each in item["metadata"].get("ownerReferences", []))
    ]
