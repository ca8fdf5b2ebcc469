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
from penstock.cli.output import listed
from penstock.errors import JournalError, StoreUnusable
from penstock.home import home
from penstock.journal.chain import MemoryChain
from penstock.journal.records import lines_in
from penstock.journal.sealed import SealedChain
from penstock.runner.segment import Owner, Segment, assemble, read_segments
from penstock.sealing import present_seal
from penstock.stores import holds_journals, open_store

if TYPE_CHECKING:
    from penstock.cli.cluster import Cluster

PATIENCE = 30.0
"""Seconds for which a store that does not answer is waited for."""
_VOLUME = "persistentVolumeClaim/"
LARGEST_SEGMENT = 256 * 1024
"""Bytes of records in one segment that is written."""
Items = list[Mapping[str, Any]]


def export_here(run: str) -> dict[str, Any]:
    """Return the journal of a run on this machine as a list of objects."""
    from penstock.cli.local_journals import chain_as_stored

    runs = LocalRuns(home())
    row = runs.find(run)
    records = chain_as_stored(row, runs=runs).read()
    return _as_segments(records, Owner("here", name=run, uid=row.journal))


def export_from_cluster(cluster: Cluster, run: str, *, store: str | None) -> dict[str, Any]:
    """Return the journal of a run in the cluster as a list of objects.

    It is in JournalSegments, or in the store that the run remembers; ``store`` is where that is to
    be found from here.
    """
    found = cluster.get(cluster.path("flowruns", run))
    uid, place = found["metadata"]["uid"], store or found.get("status", {}).get("store", "")
    if store or place.startswith(_VOLUME) or (place and holds_journals(place)):
        return _as_segments(_records_in(place, run=found), Owner("", name=run, uid=uid))
    path = cluster.path("journalsegments")
    items = _of_run(cluster.items(path, fieldSelector=f"spec.run={run}"), uid=uid)
    if not items:
        raise _no_journal(run)
    return listed(items)


def entries_in_segments(cluster: Cluster, run: Mapping[str, Any]) -> list[str]:
    """Return the entries of a run's journal; none where it is elsewhere or cannot be read here."""
    if (place := run.get("status", {}).get("store")) and holds_journals(place):
        return []
    name, uid = run["metadata"]["name"], run["metadata"]["uid"]
    owner = Owner("", name=name, uid=uid)
    try:
        items = cluster.items(cluster.path("journalsegments"), fieldSelector=f"spec.run={name}")
        records = assemble(read_segments(items, owner=owner), run=name).records
        return lines_in(_unsealed(records, owner))
    except (CommandError, JournalError):
        return []


def _records_in(store: str, *, run: Mapping[str, Any]) -> list[bytes]:
    from penstock.runner.chains import journal_folder
    from penstock.stores.chain import StoreChain

    if store.startswith(_VOLUME):
        raise CommandError(
            f"The journal of {run['metadata']['name']} is in the volume of the claim "
            f"{store.removeprefix(_VOLUME)}: mount it, and say by --store which folder it is."
        )
    folder = journal_folder(run, namespace=run["metadata"]["namespace"])
    try:
        chain = StoreChain(open_store(store), folder=folder, patience=PATIENCE)
        return chain.read_only()
    except (JournalError, StoreUnusable) as error:
        raise CommandError(str(error)) from error


def _as_segments(records: Sequence[bytes], owner: Owner) -> dict[str, Any]:
    if not records:
        raise _no_journal(owner.name)
    return listed([each.manifest(owner, attempt=1) for each in _packed(records)])


def _no_journal(run: str) -> CommandError:
    return CommandError(f"The run {run} has no journal: it has not begun, or it kept none.")


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
