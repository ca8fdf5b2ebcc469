"""Who may send a signal in whose name, that what was sent stays, and what a run makes of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.apiserver import GROUP, ApiServer, Object, Refused
from tests.integration.forgery import admit_runners, start_pod
from tests.integration.journals import create_journal
from tests.integration.large import start_runner

ASKING = """
from penstock import flow, wait_for_signal, wait_for_update
from penstock.errors import SignalTimeoutError
from penstock.input import Approval

@flow
def asking():
    print("approved by", wait_for_signal("approve", Approval, groups=["managers"]).by)
    print("paid", wait_for_signal("paid", int))
    try:
        wait_for_signal("paid", int, timeout=1)
    except SignalTimeoutError as error:
        print(error)
    with wait_for_update("limit", int) as update:
        update.answer({"limit": update.payload, "by": update.sender})
"""
GROUPS = ("finance", "system:authenticated")


def signal(called: str = "hello", **spec: object) -> Object:
    return {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "Signal",
        "metadata": {"name": called},
        "spec": {"flowRunRef": {"name": "one"}, "name": "approve", "sender": "ada", **spec},
    }


@pytest.fixture
def path(namespace: str) -> str:
    return f"{GROUP}/namespaces/{namespace}/signals"


@pytest.fixture
def ada(api: ApiServer, namespace: str, release: str, path: str) -> ApiServer:
    """A member of the group finance with the rights of an editor, under the policy."""
    labels = {"metadata": {"labels": {"release": release}}}
    api.merge(f"/api/v1/namespaces/{namespace}", labels)
    done = api.kubectl(
        *("create", "rolebinding", "editors", "-n", namespace),
        *(f"--clusterrole={release}-edit", "--group=finance"),
    )
    assert done.returncode == 0, done.stderr
    ada = api.impersonating("ada", groups=GROUPS)
    _wait_until_refused(lambda: ada.create(path, signal("forged", sender="eve"), dryRun="All"))
    return ada


def _wait_until_refused(deed: Callable[[], object]) -> None:
    """A new policy, and a new right, take a moment to be in force."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            deed()
        except Refused as refusal:
            if refusal.status == 422:
                return
        time.sleep(0.1)
    raise AssertionError("The policy is not in force.")


def test_a_person_signs_with_their_own_name_and_groups(ada: ApiServer, path: str) -> None:
    sent = ada.create(path, signal(senderGroups=["finance"], payload={"limit": 5}))

    assert sent["status"]["state"] == "Pending"


def test_another_persons_name_is_refused(ada: ApiServer, path: str) -> None:
    with pytest.raises(Refused, match=r"spec\.sender has to be your own name, ada"):
        ada.create(path, signal(sender="eve"))


def test_a_group_of_others_is_refused(ada: ApiServer, path: str) -> None:
    with pytest.raises(Refused, match="senderGroups names board; your groups are finance"):
        ada.create(path, signal(senderGroups=["finance", "board"]))


def test_an_administrator_does_not_sign_for_others(
    api: ApiServer, ada: ApiServer, path: str
) -> None:
    with pytest.raises(Refused, match=r"spec\.sender has to be your own name"):
        api.create(path, signal(sender="ada"))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"payload": {"limit": 500}}, id="a part of its payload"),
        pytest.param({"payload": None}, id="no payload"),
        pytest.param({"sender": "eve"}, id="its sender"),
        pytest.param({"name": "reject"}, id="its name"),
        pytest.param({"flowRunRef": {"name": "two"}}, id="its run"),
        pytest.param({"senderGroups": ["board"]}, id="its groups"),
    ],
)
def test_what_was_sent_cannot_be_changed(ada: ApiServer, path: str, change: Object) -> None:
    ada.create(path, signal(payload={"limit": 5}))

    with pytest.raises(Refused, match="A signal cannot be changed"):
        ada.merge(f"{path}/hello", {"spec": change})


def test_an_editor_takes_a_signal_back_but_does_not_settle_it(ada: ApiServer, path: str) -> None:
    ada.create(path, signal())

    with pytest.raises(Refused) as refusal:
        ada.merge(f"{path}/hello/status", {"status": {"state": "Rejected"}})
    ada.delete(f"{path}/hello")

    assert refusal.value.status == 403


def test_a_settled_signal_stays_settled(api: ApiServer, ada: ApiServer, path: str) -> None:
    ada.create(path, signal())
    api.merge(f"{path}/hello/status", {"status": {"state": "Consumed"}})

    with pytest.raises(Refused, match="consumed or rejected stays so"):
        api.merge(f"{path}/hello/status", {"status": {"state": "Pending"}})


def test_kubectl_shows_from_whom_a_run_has_heard_what(
    api: ApiServer, ada: ApiServer, namespace: str, path: str
) -> None:
    ada.create(path, signal())

    shown = api.kubectl("get", "sig", "-n", namespace)

    head, row = shown.stdout.splitlines()
    assert head.split() == ["NAME", "RUN", "SIGNAL", "SENDER", "STATE", "AGE"]
    assert row.split()[:5] == ["hello", "one", "approve", "ada", "Pending"]


def test_a_runner_reads_signals_and_sends_none(
    api: ApiServer, ada: ApiServer, namespace: str, release: str, path: str
) -> None:
    admit_runners(api, namespace, release=release)
    pod = start_pod(api, namespace, "one-1-bcdfg").api
    ada.create(path, signal())
    for state in ("Pending", "Consumed"):
        ada.create(path, signal(state.lower()))
        api.merge(f"{path}/{state.lower()}/status", {"status": {"state": state}})

    found = _when_allowed(
        lambda: pod.get(path, fieldSelector="spec.flowRunRef.name=one,status.state=Pending")
    )
    with pytest.raises(Refused) as refusal:
        pod.create(path, signal("own", sender="x"))

    assert {item["metadata"]["name"] for item in found["items"]} == {"hello", "pending"}
    assert refusal.value.status == 403


def test_a_run_judges_who_says_what_and_takes_one_of_each_key(
    api: ApiServer, ada: ApiServer, namespace: str, release: str, path: str, tmp_path: Path
) -> None:
    admit_runners(api, namespace, release=release)
    journal = create_journal(api, namespace, "one", tmp_path)
    journal.wait_until_in_force()
    bob = api.impersonating("bob", groups=(*GROUPS, "managers"))
    manager: Object = {"sender": "bob", "senderGroups": ["managers"]}
    for sender, signals in (
        (ada, [signal("a-not-hers", payload={"approved": False})]),
        (bob, [signal("b-unclear", payload={"approved": "perhaps"}, **manager)]),
        (bob, [signal("c-first", payload={"approved": True}, **manager)]),
        (bob, [signal("d-second", payload={"approved": False}, **manager)]),
        (ada, [signal(each, name="paid", payload=5, idempotencyKey="k") for each in ("e", "f")]),
    ):
        for each in signals:
            sender.create(path, each)
    done = api.kubectl(
        *("create", "-f", "-", "-n", namespace, "--as=ada"),
        *(f"--as-group={each}" for each in GROUPS),
        stdin=json.dumps(signal("g-update", name="limit", payload=7)),
    )
    assert done.returncode == 0, done.stderr

    runner = start_runner(journal, ASKING, "flow.py:asking")
    code = runner.exit_code()
    runner.close()

    report = journal.run["status"]["execution"]
    told = {each["name"]: each for each in report["signals"]}
    assert code == 0, runner.output
    assert "approved by bob" in runner.output
    assert "No signal paid came within 1 seconds." in runner.output
    assert told["a-not-hers"]["message"] == "ada may not answer; the group managers may."
    assert "valid boolean" in told["b-unclear"]["message"]
    assert "d-second" not in told  # the operator refuses what nobody waits for when the run ends
    assert told["f"]["message"] == "A signal paid with the key k was taken before."
    assert told["g-update"]["answer"] == {"limit": 7, "by": "ada"}
    assert {name: each["state"] for name, each in told.items()} == {
        "a-not-hers": "Rejected",
        "b-unclear": "Rejected",
        "c-first": "Consumed",
        "e": "Consumed",
        "f": "Rejected",
        "g-update": "Consumed",
    }


def _when_allowed(deed: Callable[[], Object]) -> Object:
    deadline = time.monotonic() + 10
    while True:
        try:
            return deed()
        except Refused:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
