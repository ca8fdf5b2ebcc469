"""A run's object to its end, over connections that break."""

import json
from typing import Any

import pytest
from tests.integration.cli.apiserver import Answer, Script, no_such, of

from penstock.cli.cluster import Cluster
from penstock.cli.errors import CommandError, UnreachableError
from penstock.cli.following import follow_run
from penstock.cli.outcome import state_of

RUNS = "/apis/penstock.dev/v1alpha1/namespaces/default/flowruns"
ONE = f"{RUNS}/daily-1"
WATCH = f"{RUNS}?watch"


def run(state: str, *, version: int = 1, uid: str = "a") -> dict[str, Any]:
    metadata = {"name": "daily-1", "uid": uid, "resourceVersion": str(version)}
    return {"metadata": metadata, "status": {"state": state}}


def events(*changes: tuple[str, dict[str, Any]], breaks: bool = False) -> Answer:
    lines = [json.dumps({"type": kind, "object": obj}) + "\n" for kind, obj in changes]
    return Answer(body="".join(lines).encode(), breaks=breaks)


class Clock:
    """Goes on by what is paused."""

    def __init__(self) -> None:
        self.now = 0.0

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def __call__(self) -> float:
        return self.now


def states(cluster: Cluster, troubles: list[str] | None = None) -> list[str]:
    clock = Clock()
    trouble = (troubles if troubles is not None else []).append
    runs = follow_run(cluster, "daily-1", trouble=trouble, pause=clock.pause, clock=clock)
    return [state_of(run) for run in runs]


def test_a_run_that_has_ended_is_not_watched(cluster: Cluster, script: Script) -> None:
    script.on(ONE, of(run("Completed")))

    assert states(cluster) == ["Completed"]
    assert len(script.seen) == 1


def test_each_change_is_seen_until_the_last(cluster: Cluster, script: Script) -> None:
    script.on(ONE, of(run("Pending", version=7)))
    script.on(WATCH, events(("MODIFIED", run("Running")), ("MODIFIED", run("Failed"))))

    assert states(cluster) == ["Pending", "Pending", "Running", "Failed"]
    assert script.seen[-1][2]["resourceVersion"] == "7"
    assert script.seen[-1][2]["fieldSelector"] == "metadata.name=daily-1"


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(events(("MODIFIED", run("Running")), breaks=True), id="connection lost"),
        pytest.param(events(("MODIFIED", run("Running"))), id="time is up"),
        pytest.param(events(("MODIFIED", run("Running")), ("ERROR", {"code": 410})), id="expired"),
        pytest.param(of({"message": "etcd is away"}, status=503), id="unavailable"),
    ],
)
def test_a_watch_that_ends_is_begun_again_from_the_present(
    cluster: Cluster, script: Script, end: Answer
) -> None:
    script.on(ONE, of(run("Running")), of(run("Running")), of(run("Completed")))
    script.on(WATCH, end)

    assert states(cluster)[-1] == "Completed"


def test_trouble_is_told_while_it_lasts(cluster: Cluster, script: Script) -> None:
    away = of({"message": "etcd is away"}, status=503)
    script.on(ONE, of(run("Running")), away, away, of(run("Completed")))
    troubles: list[str] = []

    states(cluster, troubles)

    assert ["etcd is away" in trouble for trouble in troubles] == [True, True, False]
    assert troubles[-1] == ""


def test_after_two_minutes_without_an_answer_it_gives_up(cluster: Cluster, script: Script) -> None:
    script.on(ONE, of(run("Running")), Answer(breaks=True))

    with pytest.raises(UnreachableError, match="does not answer") as caught:
        states(cluster)

    assert caught.value.exit_code == 75


@pytest.mark.parametrize("present", [run("Running", uid="b"), None], ids=["another", "none"])
def test_a_run_that_was_deleted_meanwhile_is_not_taken_for_ended(
    cluster: Cluster, script: Script, present: dict[str, Any] | None
) -> None:
    script.on(ONE, of(run("Running")), of(present) if present else no_such("flowruns", "daily-1"))

    with pytest.raises(CommandError, match=r"deleted|There is no run"):
        states(cluster)


def test_a_deletion_that_is_watched_is_said(cluster: Cluster, script: Script) -> None:
    script.on(ONE, of(run("Running")))
    script.on(WATCH, events(("DELETED", run("Running"))))

    with pytest.raises(CommandError, match="was deleted while it was watched"):
        states(cluster)


def test_a_run_that_goes_on_as_a_new_one_is_followed_by_that(
    cluster: Cluster, script: Script
) -> None:
    first = run("Completed")
    first["status"]["continuedAs"] = "daily-2"
    script.on(ONE, of(first))
    script.on(f"{RUNS}/daily-2", of(run("Failed")))

    assert states(cluster) == ["Completed", "Failed"]
