"""What a run printed: whole, in order, over attempts and broken connections."""

from typing import Any

import pytest
from tests.integration.cli.apiserver import Answer, Script, no_such, of

from penstock.cli.cluster import Cluster
from penstock.cli.errors import CommandError
from penstock.cli.logs import LogReader

RUN = "/apis/penstock.dev/v1alpha1/namespaces/default/flowruns/daily-1"
PODS = "/api/v1/namespaces/default/pods"
RUNNING = {"running": {}}
ENDED = {"terminated": {"exitCode": 0}}


def run(state: str, *, attempt: int | None = 1, message: str = "", reported_by: str = "") -> Answer:
    status: dict[str, Any] = {"state": state, "attempt": attempt, "message": message}
    if reported_by:
        status["execution"] = {"attempt": attempt, "podName": reported_by}
    return of({"metadata": {"name": "daily-1"}, "status": status})


def pod(name: str, state: dict[str, Any]) -> dict[str, Any]:
    containers = [{"name": "proxy", "state": RUNNING}, {"name": "flow", "state": state}]
    metadata = {"name": name, "creationTimestamp": "2026-11-20T12:00:00Z"}
    return {"metadata": metadata, "status": {"containerStatuses": containers}}


def pods(*items: dict[str, Any]) -> Answer:
    return of({"metadata": {}, "items": list(items)})


class Screen:
    """Keeps what is printed and what is told beside it."""

    def __init__(self, cluster: Cluster) -> None:
        self.printed = b""
        self.told: list[str] = []
        self.reader = LogReader(
            cluster, "daily-1", write=self.write, tell=self.told.append, pause=lambda _: None
        )

    def write(self, chunk: bytes) -> None:
        self.printed += chunk


@pytest.fixture
def screen(cluster: Cluster) -> Screen:
    return Screen(cluster)


def test_the_log_of_the_latest_attempt_is_copied_as_it_is(screen: Screen, script: Script) -> None:
    script.on(RUN, run("Completed", attempt=2))
    script.on(PODS, pods(pod("daily-1-2-abcde", ENDED)))
    script.on(f"{PODS}/daily-1-2-abcde/log", Answer(body="grüße\x1b[31m\n".encode()))

    screen.reader.read(attempt=None)

    assert screen.printed == "grüße\x1b[31m\n".encode()
    assert script.seen[1][2]["labelSelector"] == "batch.kubernetes.io/job-name=daily-1-2"
    assert script.seen[2][2] == {"container": "flow"}


def test_it_waits_for_the_pod_and_says_why_once(screen: Screen, script: Script) -> None:
    waiting = run("Pending", message="No node fits.")
    script.on(RUN, run("Scheduled", attempt=None), waiting, waiting, run("Running"))
    script.on(PODS, pods(), pods(pod("p", {"waiting": {}})), pods(pod("p", RUNNING)))
    script.on(f"{PODS}/p/log", Answer(body=b"hello\n"))

    screen.reader.read(attempt=None)

    assert screen.printed == b"hello\n"
    assert screen.told == [
        "Waiting for the pod of daily-1, attempt 1: it is Scheduled.",
        "Waiting for the pod of daily-1, attempt 1: No node fits.",
    ]


def test_a_run_that_ended_before_its_containers_start_was_told_has_a_log(
    screen: Screen, script: Script
) -> None:
    """A short flow is over before the kubelet has written that its container runs."""
    script.on(RUN, run("Completed", reported_by="p"))
    script.on(PODS, pods(pod("p", {"waiting": {}})), pods(pod("p", ENDED)))
    script.on(f"{PODS}/p/log", Answer(body=b"hello\n"))

    screen.reader.read(attempt=None)

    assert screen.printed == b"hello\n"


@pytest.mark.parametrize(
    ("state", "attempt", "asked", "found", "words"),
    [
        pytest.param("Completed", 1, None, [], "is gone, and its log with it", id="collected"),
        pytest.param("Failed", None, None, [], "never had a pod", id="never launched"),
        pytest.param("Failed", 1, None, [pod("p", {})], "never started", id="never started"),
        pytest.param("Completed", 1, 3, [], "had no attempt 3, only 1", id="no such attempt"),
        pytest.param("Running", 2, 1, [], "is gone", id="an earlier attempt's"),
    ],
)
def test_where_there_is_no_log_a_sentence_says_why(
    screen: Screen,
    script: Script,
    state: str,
    attempt: int | None,
    asked: int | None,
    found: list[dict[str, Any]],
    words: str,
) -> None:
    script.on(RUN, run(state, attempt=attempt))
    script.on(PODS, pods(*found))

    with pytest.raises(CommandError, match=words):
        screen.reader.read(attempt=asked)


def test_following_goes_on_over_attempts_to_the_runs_end(screen: Screen, script: Script) -> None:
    script.on(RUN, run("Running"), run("Pending", attempt=2), run("Running", attempt=2))
    script.on(RUN, run("Completed", attempt=2))
    script.on(PODS, pods(pod("one", RUNNING)), pods(pod("two", RUNNING)))
    for name, text in (("one", b"first\n"), ("two", b"second\n")):
        script.on(f"{PODS}/{name}/log", Answer(body=text))
        script.on(f"{PODS}/{name}", of(pod(name, ENDED)))

    screen.reader.follow(attempt=None)

    assert screen.printed == b"first\nsecond\n"
    assert screen.told == ["Attempt 1 of daily-1 has ended; the next one follows."]


@pytest.mark.parametrize("breaks", [True, False], ids=["connection lost", "server stopped"])
def test_a_log_that_breaks_off_is_taken_up_without_a_byte_lost_or_doubled(
    screen: Screen, script: Script, *, breaks: bool
) -> None:
    script.on(RUN, run("Running"), run("Completed"))
    script.on(PODS, pods(pod("p", RUNNING)))
    script.on(f"{PODS}/p/log", Answer(body=b"one\ntw", breaks=breaks), Answer(body=b"one\ntwo\n"))
    script.on(f"{PODS}/p", of(pod("p", ENDED if breaks else RUNNING)), of(pod("p", ENDED)))

    screen.reader.follow(attempt=None)

    assert screen.printed == b"one\ntwo\n"


def test_the_last_lines_are_read_although_the_stream_ended_before_them(
    screen: Screen, script: Script
) -> None:
    script.on(RUN, run("Running"), run("Completed"))
    script.on(PODS, pods(pod("p", RUNNING)))
    script.on(f"{PODS}/p/log", Answer(body=b"one\n"), Answer(body=b"one\nlast words\n"))
    script.on(f"{PODS}/p", of(pod("p", ENDED)))

    screen.reader.follow(attempt=None)

    assert screen.printed == b"one\nlast words\n"


def test_a_pod_that_goes_away_after_its_log_was_followed_is_no_error(
    screen: Screen, script: Script
) -> None:
    script.on(RUN, run("Running"), run("Completed"))
    script.on(PODS, pods(pod("p", RUNNING)))
    script.on(f"{PODS}/p/log", Answer(body=b"all\n"), no_such("pods", "p"))
    script.on(f"{PODS}/p", no_such("pods", "p"))

    screen.reader.follow(attempt=None)

    assert screen.printed == b"all\n"
