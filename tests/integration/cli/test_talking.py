"""`penstock signal`, `approve`, `reject` and `update`: what is said to a run, and its answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.integration.cli.apiserver import Script, no_such, of
from tests.integration.cli.test_local_runs import finish, listed
from tests.integration.cli.test_run_local import start

Penstock = Callable[..., Any]
HERE = "/apis/penstock.dev/v1alpha1/namespaces/default"
REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
FLOW = """
from penstock import flow, wait_for_update

@flow
def limits(times: int = 2) -> list[int]:
    taken = []
    for _ in range(times):
        with wait_for_update("limit", int) as update:
            if update.payload > 100:
                update.reject("It is too much.")
            else:
                taken.append(update.payload)
                update.answer({"taken": taken, "by": update.sender})
    return taken
"""


@pytest.fixture
def ask(penstock: Penstock, script: Script, tmp_path: Path) -> Penstock:
    """Type a command while the run daily waits for the signal limit, and ada is who asks."""
    kubeconfig = str(script.kubeconfig(tmp_path))
    waiting = {"kind": "Signal", "name": "limit", "payloadSchema": {"type": "integer"}}
    script.on(
        f"{HERE}/flowruns/daily",
        of({"metadata": {"name": "daily"}, "status": {"waitingFor": waiting}}),
    )
    script.on(REVIEW, of({"status": {"userInfo": {"username": "ada", "groups": ["finance"]}}}))
    script.on(f"{HERE}/signals", of({"metadata": {"name": "daily-x7k2p"}}))
    return lambda command, *options: penstock(command, "--kubeconfig", kubeconfig, *options)


def becomes(script: Script, *statuses: dict[str, object]) -> None:
    """Have the signal that was sent become this and that."""
    script.on(f"{HERE}/signals/daily-x7k2p", *[of({"status": each}) for each in statuses])


def waits_in_its_pod(script: Script, *signals: str) -> None:
    execution = {"attempt": 1, "awaitedSignals": list(signals)}
    status = {"state": "Running", "attempt": 1, "execution": execution}
    run = {"metadata": {"name": "daily"}, "status": status}
    script.answers[f"{HERE}/flowruns/daily"] = [of(run)]


def sent(script: Script) -> dict[str, Any]:
    spec: dict[str, Any] = script.bodies[-1]["spec"]
    return spec


def test_a_signal_is_sent_in_the_name_of_whoever_types(ask: Penstock, script: Script) -> None:
    done = ask("signal", "daily", "limit", "--payload", '{"value": 5}', "--key", "k")

    assert (done.exit_code, done.stdout) == (0, "daily-x7k2p sent to daily: limit\n")
    assert sent(script) == {
        "flowRunRef": {"name": "daily"},
        "name": "limit",
        "payload": {"value": 5},
        "sender": "ada",
        "senderGroups": ["finance"],
        "idempotencyKey": "k",
    }


def test_an_approval_is_for_what_the_run_waits_for(ask: Penstock, script: Script) -> None:
    done = ask("approve", "daily", "--comment", "looks good")

    assert done.exit_code == 0
    assert sent(script)["name"] == "limit"
    assert sent(script)["payload"] == {"approved": True, "comment": "looks good"}


def test_an_approval_reaches_a_run_that_waits_in_its_pod(ask: Penstock, script: Script) -> None:
    waits_in_its_pod(script, "go")

    done = ask("approve", "daily")

    assert (done.exit_code, sent(script)["name"]) == (0, "go")


@pytest.mark.parametrize(
    ("awaited", "words"),
    [([], "daily waits for no signal now"), (["go", "stop"], "daily waits for go and stop")],
)
def test_an_approval_says_what_it_is_for_where_that_is_not_plain(
    ask: Penstock, script: Script, awaited: list[str], words: str
) -> None:
    waits_in_its_pod(script, *awaited)

    done = ask("approve", "daily")

    assert done.exit_code == 2
    assert words in done.stderr
    assert "penstock approve daily NAME" in done.stderr


def test_what_may_be_a_mistake_is_sent_and_said(ask: Penstock, script: Script) -> None:
    other = ask("signal", "daily", "limitt", "--payload", "5")
    unfit = ask("signal", "daily", "limit", "--payload", "much")
    fit = ask("signal", "daily", "limit", "--payload", "5")

    assert [each.exit_code for each in (other, unfit, fit)] == [0, 0, 0]
    assert "daily waits for limit; limitt is kept until it is asked for." in other.stderr
    assert "will hardly take that payload: 'much' is not of type 'integer'." in unfit.stderr
    assert fit.stderr == ""


def test_an_update_prints_the_answer(ask: Penstock, script: Script) -> None:
    becomes(script, {"state": "Pending"}, {"state": "Consumed", "answer": {"limit": 5}})

    done = ask("update", "daily", "limit", "--payload", "5")

    assert (done.exit_code, json.loads(done.stdout)) == (0, {"limit": 5})
    assert sent(script)["payload"] == 5


def test_an_update_without_an_answer_prints_null(ask: Penstock, script: Script) -> None:
    becomes(script, {"state": "Consumed"})

    assert ask("update", "daily", "limit").stdout == "null\n"


def test_a_rejected_update_exits_with_1_and_says_why(ask: Penstock, script: Script) -> None:
    becomes(script, {"state": "Rejected", "message": "It is too much."})

    done = ask("update", "daily", "limit", "--payload", "500")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "The update was rejected: It is too much.\n"


def test_an_update_that_is_not_answered_in_time_exits_with_124(
    ask: Penstock, script: Script
) -> None:
    becomes(script, {"state": "Pending"})

    done = ask("update", "daily", "limit", "--timeout", "0.1")

    assert done.exit_code == 124
    assert "has not answered within 0.1 s" in done.stderr
    assert "kubectl get signal daily-x7k2p -n default" in done.stderr


def test_an_update_that_is_gone_is_not_waited_for(ask: Penstock, script: Script) -> None:
    script.on(f"{HERE}/signals/daily-x7k2p", no_such("signals", "daily-x7k2p"))

    done = ask("update", "daily", "limit")

    assert done.exit_code == 1
    assert "taken back" in done.stderr


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    (tmp_path / "limits.py").write_text(FLOW)
    return tmp_path


def update_here(folder: Path, payload: str, *more: str) -> tuple[int, str, str]:
    return finish("update", "--here", "one", "limit", "--payload", payload, *more, folder=folder)


def until_listed(folder: Path) -> None:
    deadline = time.monotonic() + 30
    while "one" not in listed(folder):
        assert time.monotonic() < deadline, "the run does not begin"


def test_a_run_of_this_machine_answers_and_rejects(folder: Path) -> None:
    run = start("run", "limits.py:limits", "--run-id", "one", folder=folder)
    until_listed(folder)

    code, said, _ = update_here(folder, "5")
    rejected = update_here(folder, "500")
    run.communicate(timeout=60)
    late = update_here(folder, "6")

    assert (code, json.loads(said)["taken"]) == (0, [5])
    assert rejected[0] == 1
    assert "It is too much." in rejected[2]
    assert late[0] == 2
    assert "one has ended already: Completed" in late[2]


def test_an_update_for_a_run_that_does_not_run_waits_for_it(folder: Path) -> None:
    """What its process had no time to say is said by the next one."""
    run = start(*("run", "limits.py:limits", "--run-id", "one", "-p", "times=1"), folder=folder)
    until_listed(folder)
    run.kill()
    run.communicate(timeout=60)

    unanswered = update_here(folder, "5", "--timeout", "0.2")
    resumed = finish("run", "--resume", "one", "-o", "json", folder=folder)

    assert unanswered[0] == 124
    assert json.loads(resumed[1]) == [5]


APPROVAL = """
from penstock import flow
from penstock.input import Approval, wait_for_signal

@flow
def release() -> list[object]:
    answer = wait_for_signal("go", Approval)
    return [answer.approved, answer.comment]
"""


@pytest.mark.parametrize(("word", "approved"), [("approve", True), ("reject", False)])
def test_a_run_of_this_machine_is_approved_or_rejected(
    folder: Path, word: str, approved: bool
) -> None:
    (folder / "release.py").write_text(APPROVAL)
    run = start("run", "release.py:release", "--run-id", "one", "-o", "json", folder=folder)
    until_listed(folder)

    unnamed = finish(word, "--here", "one", folder=folder)
    named = finish(word, "--here", "one", "go", "--comment", "so be it", folder=folder)
    out, _ = run.communicate(timeout=60)

    assert (unnamed[0], named[0]) == (2, 0)
    assert f"penstock {word} --here one NAME" in unnamed[2]
    assert json.loads(out) == [approved, "so be it"]
