"""Journals of runs on a real API server, under the rights and the policies of the chart."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from tests.integration.apiserver import GROUP, Object, Refused
from tests.integration.forgery import account_without_pod
from tests.integration.journals import (
    Journal,
    entries,
    fence,
    finished,
    kind_of,
    start_attempt,
)
from tests.unit.journal.conformance import CONFORMANCE, OpenChain

from penstock.errors import CorruptJournal, JournalFenced
from penstock.journal.chain import ChainConflict
from penstock.runner.merging import MERGE_RECORDS


@pytest.mark.parametrize("demand", CONFORMANCE, ids=lambda demand: demand.__name__)
def test_it_is_a_chain(journal: Journal, demand: Callable[[OpenChain], None]) -> None:
    demand(journal.chain)


def test_many_records_become_few_objects(journal: Journal) -> None:
    records = [fence(1), *(entries(f"done {number}") for number in range(900))]
    with finished(journal.chain()) as chain:
        for number, record in enumerate(records):
            chain.put(number, record)

    assert journal.chain().read() == records
    assert Counter(map(kind_of, journal.objects)) == {"fence": 1, "merged": 3}
    assert journal.names == ["0000000", "0000000-0000399", "0000400-0000799", "0000800-0000900"]


def test_a_journal_can_be_read_while_it_is_merged(journal: Journal) -> None:
    """Each list is of one moment, in which every record is in one place at least."""
    stored = 0
    ended = threading.Event()
    faults: list[str] = []

    def read() -> None:
        while not ended.is_set():
            least = stored
            try:
                if len(journal.chain().read()) < least:
                    faults.append("a record is missing")
            except CorruptJournal as error:
                faults.append(str(error))

    reader = threading.Thread(target=read)
    with finished(journal.chain()) as chain:
        chain.put(0, fence(1))
        reader.start()
        for number in range(1, 2 * MERGE_RECORDS):
            chain.put(number, entries("x"))
            stored = number + 1
    ended.set()
    reader.join()

    assert faults == []


def test_an_attempt_goes_on_where_the_one_before_was_cut_off(journal: Journal) -> None:
    """Merging too: what was written singly is merged by whoever comes next."""
    first = journal.chain()
    records = [fence(1), *(entries(str(number)) for number in range(300))]
    for number, record in enumerate(records):
        first.put(number, record)
    start_attempt(journal, 2)

    with finished(journal.chain(attempt=2)) as second:
        assert second.read() == records
        second.put(301, fence(2))
        for number in range(302, 302 + 200):
            records.append(entries(str(number), attempt=2))
            second.put(number, records[-1])

    assert journal.chain().read() == [*records[:301], *_fences_of(journal, 301), *records[301:]]
    assert Counter(map(kind_of, journal.objects)) == {"fence": 2, "merged": 2}


def _fences_of(journal: Journal, number: int) -> list[bytes]:
    return [
        item["spec"]["records"].encode()
        for item in journal.objects
        if item["spec"].get("fence") and item["spec"]["number"] == number
    ]


def test_a_new_attempt_fences_the_old_one(journal: Journal) -> None:
    old = journal.chain()
    old.put(0, fence(1))
    old.put(1, entries("of the first"))
    new = journal.chain(attempt=2)
    new.put(len(new.read()), fence(2))

    with pytest.raises(ChainConflict) as caught:
        old.put(2, entries("late"))

    assert b'"attempt":2' in caught.value.found


def test_a_writer_that_slept_through_all_of_it_meets_the_fence(journal: Journal) -> None:
    """Its successor has merged everything meanwhile; only the fences still have their names."""
    old = journal.chain()
    old.put(0, fence(1))
    old.put(1, entries("of the first"))
    with finished(journal.chain(attempt=2)) as new:
        new.put(len(new.read()), fence(2))
        for number in range(3, 20):
            new.put(number, entries("of the second", attempt=2))
    assert journal.names == ["0000000", "0000000-0000019", "0000002"]

    with pytest.raises(ChainConflict) as caught:
        old.put(2, entries("late"))

    assert b'"attempt":2' in caught.value.found


def test_a_run_of_the_same_name_has_a_journal_of_its_own(journal: Journal) -> None:
    journal.chain().put(0, fence(1))
    journal.api.delete(f"{GROUP}/namespaces/{journal.namespace}/flowruns/daily")

    again = journal.beside("daily")

    assert again.chain(attempt=2).read() == []
    again.chain(attempt=2).put(0, fence(2))
    assert len(again.objects) == 2


def test_a_pod_that_lost_its_run_learns_so_when_it_is_refused(journal: Journal) -> None:
    """Here because its pod's name is of an attempt that it does not claim to be."""
    chain = journal.chain(attempt=2)
    start_attempt(journal, 3)
    chain._store._attempt = 9

    with pytest.raises(JournalFenced, match="The run is at attempt 3"):
        chain.put(0, fence(2))


# What a pod may not do


def test_a_pod_writes_in_the_name_of_its_attempt(journal: Journal) -> None:
    created = journal.forge(journal.manifest(0))
    assert created["spec"]["attempt"] == 1

    with pytest.raises(Refused, match="in the name of its own attempt"):
        journal.forge(journal.manifest(1, attempt=2))


def test_a_run_with_a_long_name_writes_in_its_ten_thousandth_attempt(journal: Journal) -> None:
    """The names of its Jobs are shortened, else those of its pods would be."""
    run = journal.beside("a" * 44 + "-" * 7 + "z")

    created = run.forge(run.manifest(0, attempt=10_000), attempt=10_000)
    run.pod(10_000).api.request(
        "DELETE", run.owner.collection, fieldSelector=f"spec.run={run.name}"
    )

    assert created["spec"]["attempt"] == 10_000
    assert run.objects == []
    with pytest.raises(Refused, match="in the name of its own attempt"):
        run.forge(run.manifest(1, attempt=10_001), attempt=10_000)


@pytest.mark.parametrize("run", ["neighbour", "daily-1", "dail"])
def test_a_neighbours_journal_is_not_written(journal: Journal, run: str) -> None:
    neighbour = journal.beside(run)

    with pytest.raises(Refused, match=f"The journal of run {run} is written by the pods of that"):
        journal.forge(neighbour.manifest(0))


def test_the_ten_thousandth_attempt_of_a_run_with_a_long_name_writes(journal: Journal) -> None:
    """Its Job's name is shortened, and so is its pod's. It writes its own journal and no other."""
    name = f"long-{'x' * 47}"
    long, other = journal.beside(name), journal.beside(f"{name[:-16]}-of-a-neighbour")
    start_attempt(long, 10_000)
    with finished(long.chain(attempt=10_000)) as chain:
        chain.put(0, fence(10_000))
        for number in range(1, 20):
            chain.put(number, entries("x", attempt=10_000))

    assert long.names == ["0000000", "0000000-0000019"]
    with pytest.raises(Refused, match="is written by the pods of that run alone"):
        long.forge(other.manifest(0, attempt=9), attempt=10_000)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"ownerReferences": []}, id="nobody"),
        pytest.param({"name": "neighbour"}, id="a neighbour"),
        pytest.param({"uid": "00000000-0000-4000-8000-000000000000"}, id="a run that is no more"),
        pytest.param({"kind": "Flow"}, id="a flow"),
        pytest.param({"apiVersion": "v1"}, id="another group"),
    ],
)
def test_a_segment_is_owned_by_its_run(journal: Journal, change: Object) -> None:
    manifest = journal.manifest(0)
    if "ownerReferences" in change:
        manifest["metadata"]["ownerReferences"] = []
    else:
        manifest["metadata"]["ownerReferences"][0] |= change

    with pytest.raises(Refused, match="A segment is owned by its run, and named after"):
        journal.forge(manifest)


def test_a_fence_is_not_taken_away(journal: Journal) -> None:
    chain = journal.chain()
    chain.put(0, fence(1))
    chain.put(1, entries("x"))
    path = f"{journal.owner.collection}?fieldSelector=spec.run=daily"

    with pytest.raises(Refused, match="A fence stays as long as its run"):
        journal.pod().api.request("DELETE", path)

    assert "0000000" in journal.names


def test_a_neighbours_journal_is_not_taken_away(journal: Journal) -> None:
    neighbour = journal.beside("neighbour")
    neighbour.chain().put(0, entries("x"))
    path = f"{journal.owner.collection}?fieldSelector=spec.run=neighbour"

    with pytest.raises(Refused, match="is written by the pods of that run alone"):
        journal.pod().api.request("DELETE", path)

    assert neighbour.names == ["0000000"]


@pytest.mark.parametrize("verb", ["PATCH", "PUT", "DELETE"])
def test_what_is_written_is_not_changed(journal: Journal, verb: str) -> None:
    created = journal.forge(journal.manifest(0))
    path = f"{journal.owner.collection}/{created['metadata']['name']}"
    content_type = "application/merge-patch+json" if verb == "PATCH" else "application/json"

    with pytest.raises(Refused) as refusal:
        journal.pod().api.request(verb, path, created, content_type=content_type)

    assert refusal.value.status == 403


def test_the_runners_account_without_a_pod_is_refused(journal: Journal) -> None:
    stranger = account_without_pod(journal.api, journal.namespace)

    with pytest.raises(Refused, match="is written by the pods of that run alone"):
        stranger.create(journal.owner.collection, journal.manifest(0))


def test_a_person_with_all_rights_in_the_namespace_writes_no_journal(journal: Journal) -> None:
    """What is in it is unpickled. But who may delete a run may delete its journal."""
    done = journal.api.kubectl(
        *("create", "rolebinding", "owner", "-n", journal.namespace),
        *("--clusterrole=cluster-admin", "--user=ada"),
    )
    assert done.returncode == 0, done.stderr
    ada = journal.api.impersonating("ada")
    journal.chain().put(0, fence(1))

    with pytest.raises(Refused, match="is written by the pods of that run alone"):
        ada.create(journal.owner.collection, journal.manifest(1))
    ada.delete(f"{journal.owner.collection}/{journal.prefix}0000000")
    assert journal.objects == []


def test_the_operator_is_let_in(journal: Journal, release: str) -> None:
    """It is not given the right, but the policy does not stand in its way."""
    done = journal.api.kubectl(
        *("create", "rolebinding", "operator", "-n", journal.namespace),
        "--clusterrole=cluster-admin",
        f"--serviceaccount={release}:{release}-operator",
    )
    assert done.returncode == 0, done.stderr
    operator = journal.api.impersonating(f"system:serviceaccount:{release}:{release}-operator")

    created = operator.create(journal.owner.collection, journal.manifest(0))

    assert created["spec"]["number"] == 0


# What the kind itself refuses


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        pytest.param("daily-{uid}-0000001", {}, id="another number"),
        pytest.param("daily-{uid}-0", {}, id="a number without zeros"),
        pytest.param("daily-{uid}-0000000-0000001", {}, id="a last record that it has not"),
        pytest.param("daily-{uid}-0000000", {"last": 1}, id="a last record that is not named"),
        pytest.param("daily-{uid}-0000000-0000000", {"last": 0}, id="one record as many"),
        pytest.param("other-{uid}-0000000", {}, id="another run"),
        pytest.param("daily-{uid}-x000000", {}, id="no number"),
    ],
)
def test_a_segment_has_the_name_of_its_numbers(journal: Journal, name: str, spec: Object) -> None:
    manifest = journal.manifest(0, **spec)
    manifest["metadata"]["name"] = name.format(uid=journal.uid[:8])

    with pytest.raises(Refused, match=r"is named <run>-|after its first|no such overload|rule:"):
        journal.api.create(journal.owner.collection, manifest)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"records": ""}, "spec.records"),
        ({"records": "x" * 1_048_577}, "spec.records"),
        ({"attempt": 0}, "spec.attempt"),
        ({"attempt": None}, "spec.attempt"),
        ({"number": -1}, "spec.number"),
        ({"run": "A"}, "spec.run"),
        ({"note": "x"}, "spec.note"),
    ],
)
def test_what_is_no_segment_is_refused(journal: Journal, change: Object, field: str) -> None:
    with pytest.raises(Refused, match=field):
        journal.api.create(journal.owner.collection, journal.manifest(**({"number": 0} | change)))


def test_the_spec_stays_as_it_is_for_whoever_may_write(journal: Journal) -> None:
    created = journal.api.create(journal.owner.collection, journal.manifest(0))
    path = f"{journal.owner.collection}/{created['metadata']['name']}"

    with pytest.raises(Refused, match="What is in a journal cannot be changed"):
        journal.api.merge(path, {"spec": {"records": "another"}})
    labelled = journal.api.merge(path, {"metadata": {"labels": {"seen": "true"}}})
    assert labelled["spec"] == created["spec"]


def test_kubectl_lists_the_journal_of_a_run(journal: Journal) -> None:
    chain = journal.chain()
    chain.put(0, fence(1))
    chain.put(1, entries("x"))

    done = journal.api.kubectl(
        *("get", "js", "-n", journal.namespace, "--field-selector=spec.run=daily")
    )

    header, first, second = (line.split() for line in done.stdout.splitlines())
    assert header == ["NAME", "RUN", "ATTEMPT", "FIRST", "LAST", "FENCE", "AGE"]
    assert first[1:] == ["daily", "1", "0", "true", first[-1]]
    assert second[1:4] == ["daily", "1", "1"]


def test_a_record_costs_little_beside_what_it_holds(journal: Journal) -> None:
    """1,000 results of 250 bytes have 3 MB at etcd, their merging included."""
    chain = journal.chain()
    chain.put(0, fence(1))
    record = entries(f'done {"0" * 32} {{"name":"load(load)","json":"{"x" * 250}"}}')
    chain.put(1, record)

    (item,) = [item for item in journal.objects if kind_of(item) == "single"]
    overhead = len(json.dumps(item, separators=(",", ":"))) - len(record)

    assert overhead < 900


def test_a_put_goes_on_when_the_server_does(journal: Journal) -> None:
    """The token is renewed meanwhile, as the kubelet would."""
    chain = journal.chain()
    chain.put(0, fence(1))
    credentials = journal.folder / journal.pod().name
    token = (credentials / "token").read_text()
    (credentials / "token").write_text("expired")
    renewal = threading.Timer(0.5, (credentials / "token").write_text, [token])
    renewal.start()
    asked = time.monotonic()

    chain.put(1, entries("x"))

    assert time.monotonic() - asked >= 0.5
    assert len(journal.chain().read()) == 2
