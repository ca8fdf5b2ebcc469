"""The reporter's thread against an API server that misbehaves."""

import queue
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.integration.runner.faulty_server import Answer, Delay, Drop, Fault, FaultyServer

from penstock.engine.runs import TaskRun
from penstock.runner import exits
from penstock.runner.apiserver import ApiServer
from penstock.runner.board import NoticeBoard
from penstock.runner.environment import Environment
from penstock.runner.own_run import OwnRun
from penstock.runner.ownership import Claim
from penstock.runner.pace import Pace
from penstock.runner.publisher import Publisher
from penstock.runner.report import Conclusion
from penstock.runner.signals import Wakeup
from penstock.states import State, StateType

QUICK = Pace(
    interval=0.1,
    patience=1.5,
    inquiry=0.3,
    margin=5.0,
    farewell=0.3,
    first_retry=0.02,
    longest_retry=0.1,
)
COMPLETED = Conclusion(
    state="Completed",
    reason="Completed",
    message="Done.",
    finished_at=datetime(2026, 1, 1, tzinfo=UTC),
)


class Pod:
    """A runner's threads without its process: `left` has what would have been its exit."""

    def __init__(self, server: FaultyServer, *, grace_seconds: float = 1.0) -> None:
        self.faulty = server
        self.left: queue.Queue[tuple[int, str]] = queue.Queue()
        self.cancelled = threading.Event()
        self.wakeup = Wakeup()
        claim = Claim(1, pod_name="daily-1-abcde", pod_uid="u-1")
        self.board = NoticeBoard(claim, ring=self.wakeup.poke)
        self.server = ApiServer(
            "127.0.0.1", port=server.port, credentials=server.credentials, timeout=0.2
        )
        self.publisher = Publisher(
            OwnRun(_environment(server), server=self.server),
            claim=claim,
            board=self.board,
            wakeup=self.wakeup,
            grace_seconds=grace_seconds,
            leave=lambda code, sentence: self.left.put((code, sentence)),
            pace=QUICK,
        )
        self.publisher.on_cancel = self.cancelled.set

    def claim(self) -> None:
        self.publisher.start()
        assert self.publisher._settled.wait(60), self.left.get()

    def work(self, number: int, kind: StateType = StateType.COMPLETED) -> None:
        run = TaskRun(
            f"daily/clean-{number}",
            name=f"clean-{number}",
            task_name="clean",
            flow_run=None,
            parent=None,
            tags=frozenset(),
            state=State(StateType.PENDING),
        )
        self.board.task_run_changed(run, State(kind))

    def end(self) -> None:
        self.board.conclude(COMPLETED)
        self.publisher.deliver()

    def terminate(self) -> None:
        self.wakeup._handle(signal.SIGTERM, None)

    def exit_code(self) -> int:
        return self.left.get(timeout=60)[0]

    def close(self) -> None:
        self.faulty.run = None
        for faults in self.faulty.faults.values():
            faults.clear()
        self.terminate()
        if self.publisher._thread.is_alive():
            self.publisher._thread.join()
        self.server.close()
        self.wakeup.close()


@pytest.fixture
def pod(server: FaultyServer) -> Iterator[Pod]:
    pod = Pod(server)
    yield pod
    pod.close()


def _environment(server: FaultyServer) -> Environment:
    return Environment(
        namespace="default",
        run="daily",
        flow="daily",
        attempt=1,
        pod_name="daily-1-abcde",
        pod_uid="u-1",
        grace_seconds=1.0,
        linger_seconds=30.0,
        server_host="127.0.0.1",
        server_port=server.port,
        credentials=server.credentials,
        snapshot=Path("/nowhere"),
        result_preview=False,
    )


TRANSIENT: dict[str, Fault] = {
    "500": Answer(500),
    "200 that is torn": Answer(200, body=b'{"metadata": {"na'),
    "429 with Retry-After": Answer(429, retry_after="0.05"),
    "503 that is no JSON": Answer(503, body=b"bad gateway"),
    "401": Answer(401),
    "403 although the run is ours": Answer(403),
    "409 although the run is ours": Answer(409),
    "dropped": Drop(),
    "dropped after the write": Drop(carried_out=True),
    "slower than the time-out": Delay(0.3),
}
each_transient = pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT.keys())


def test_an_undisturbed_run_is_claimed_and_concluded_in_three_requests(
    server: FaultyServer, pod: Pod
) -> None:
    pod.claim()
    pod.end()

    assert [request.split()[0] for request in server.requests] == ["GET", "PATCH", "PATCH"]
    assert "outcome" not in server.reports[0]
    assert server.reports[-1]["outcome"]["state"] == "Completed"
    assert "fieldManager=penstock-runner&force=true" in server.requests[1]


def test_news_is_written_without_being_asked_for(server: FaultyServer, pod: Pod) -> None:
    pod.claim()
    pod.work(1)
    server.wait_for(lambda it: it.reports[-1]["progress"] == "1/1")

    assert "outcome" not in server.reports[-1]


def test_many_changes_are_few_writes(server: FaultyServer, pod: Pod) -> None:
    began = time.monotonic()
    pod.claim()
    for number in range(2000):
        pod.work(number)
    server.wait_for(lambda it: it.reports[-1]["progress"] == "2000/2000")
    pod.end()

    *reports, _outcome = server.times
    assert (len(reports) - 1) * QUICK.interval * 0.9 < reports[-1] - began


def test_no_news_is_no_write(server: FaultyServer, pod: Pod) -> None:
    pod.claim()

    assert not server.changed_within(3 * QUICK.interval)


@each_transient
def test_the_claim_survives(server: FaultyServer, pod: Pod, fault: Fault) -> None:
    server.faults["GET"].append(fault)
    server.faults["PATCH"].append(fault)

    pod.claim()

    assert server.reports[-1]["podUID"] == "u-1"


@each_transient
def test_a_report_is_sent_again_after(server: FaultyServer, pod: Pod, fault: Fault) -> None:
    pod.claim()
    server.faults["PATCH"].append(fault)
    pod.work(1)
    server.wait_for(lambda it: it.reports[-1]["progress"] == "1/1")

    assert not server.faults["PATCH"]


@each_transient
def test_the_outcome_survives(server: FaultyServer, pod: Pod, fault: Fault) -> None:
    pod.claim()
    server.faults["PATCH"].extend([fault, fault])

    pod.end()

    assert server.reports[-1]["outcome"]["state"] == "Completed"
    assert pod.left.empty()


def test_the_outcome_survives_a_restart_of_the_api_server(server: FaultyServer, pod: Pod) -> None:
    pod.claim()
    server.stop()
    restart = threading.Timer(0.3, server.start)
    restart.start()

    pod.end()

    restart.join()
    assert server.reports[-1]["outcome"]["state"] == "Completed"


def test_an_outcome_whose_answer_was_lost_counts_as_stored(server: FaultyServer, pod: Pod) -> None:
    """The operator may have finished the run before the runner tries again."""
    pod.claim()
    server.faults["PATCH"].append(Drop(carried_out=True))
    server.after_report = lambda run: run["status"].update(state="Completed")

    pod.end()

    assert pod.left.empty()


def test_an_outcome_that_nobody_takes_is_given_up_in_the_end(
    server: FaultyServer, pod: Pod
) -> None:
    pod.claim()
    server.faults["PATCH"].extend([Answer(500)] * 1000)

    pod.end()

    assert pod.exit_code() == exits.UNREPORTED


def test_a_report_that_cannot_be_stored_is_made_terser(server: FaultyServer, pod: Pod) -> None:
    pod.claim()
    pod.work(1)
    server.wait_for(lambda it: it.reports[-1]["progress"] == "1/1")
    server.faults["PATCH"].append(Answer(422))

    pod.end()

    assert server.reports[-1]["tasks"] == []
    assert server.reports[-1]["outcome"]["state"] == "Completed"


def test_an_api_server_that_is_away_keeps_the_run_from_starting(
    server: FaultyServer, pod: Pod
) -> None:
    server.faults["GET"].extend([Drop()] * 1000)
    pod.publisher.start()

    assert pod.exit_code() == exits.UNREPORTED
    assert server.reports == []


@pytest.mark.parametrize(
    "status",
    [
        {"state": "Running", "attempt": 2},
        {"state": "Failed", "attempt": 1},
        {"state": "Running", "attempt": 1, "execution": {"attempt": 1, "podUID": "u-2"}},
    ],
    ids=["another attempt", "a finished run", "another pod"],
)
class TestFenced:
    def test_before_the_claim_nothing_is_written(
        self, server: FaultyServer, pod: Pod, status: dict[str, object]
    ) -> None:
        assert server.run is not None
        server.run["status"] = status
        pod.publisher.start()

        assert pod.exit_code() == exits.FENCED
        assert server.reports == []

    def test_during_the_run_it_stops_without_a_report(
        self, server: FaultyServer, pod: Pod, status: dict[str, object]
    ) -> None:
        pod.claim()
        assert server.run is not None
        server.run["status"] = status
        pod.work(1)

        assert pod.exit_code() == exits.FENCED
        assert len(server.reports) == 1

    def test_at_the_end_the_outcome_is_dropped(
        self, server: FaultyServer, pod: Pod, status: dict[str, object]
    ) -> None:
        pod.claim()
        assert server.run is not None
        server.run["status"] = status
        pod.end()

        assert pod.exit_code() == exits.FENCED
        assert len(server.reports) == 1

    def test_on_sigterm_it_stops_without_a_report(
        self, server: FaultyServer, pod: Pod, status: dict[str, object]
    ) -> None:
        pod.claim()
        assert server.run is not None
        server.run["status"] = status
        pod.terminate()

        assert pod.exit_code() == exits.FENCED
        assert len(server.reports) == 1


def test_a_newer_attempt_is_noticed_without_policies(server: FaultyServer, pod: Pod) -> None:
    """Clusters may lack the admission policies; the answer to a report tells all the same."""
    pod.claim()
    server.lenient = True
    assert server.run is not None
    server.run["status"]["attempt"] = 2
    pod.work(1)

    assert pod.exit_code() == exits.FENCED


def test_a_deleted_run_stops_its_pod(server: FaultyServer, pod: Pod) -> None:
    pod.claim()
    server.run = None
    pod.work(1)

    assert pod.exit_code() == exits.FENCED


def test_sigterm_of_a_disruption_leaves_at_once_after_a_last_report(
    server: FaultyServer, pod: Pod
) -> None:
    pod.claim()
    pod.work(1)
    pod.terminate()

    assert pod.exit_code() == exits.TERMINATED
    assert server.reports[-1]["progress"] == "1/1"
    assert "outcome" not in server.reports[-1]
    assert not pod.cancelled.is_set()


def test_sigterm_without_an_api_server_leaves_all_the_same(server: FaultyServer, pod: Pod) -> None:
    pod.claim()
    server.faults["GET"].extend([Drop()] * 1000)
    pod.terminate()

    assert pod.exit_code() == exits.TERMINATED


def test_sigterm_before_the_claim_leaves(server: FaultyServer, pod: Pod) -> None:
    server.faults["GET"].extend([Answer(500)] * 3)
    pod.publisher.start()
    pod.terminate()

    assert pod.exit_code() == exits.TERMINATED
    assert server.reports == []


def test_sigterm_of_a_cancel_cancels_the_flow_and_delivers_its_outcome(
    server: FaultyServer, pod: Pod
) -> None:
    pod.claim()
    assert server.run is not None
    server.run["spec"]["cancel"] = True
    pod.terminate()

    assert pod.cancelled.wait(60)
    pod.end()
    assert server.reports[-1]["outcome"]["state"] == "Completed"
    assert pod.left.empty()


def test_a_cancel_is_understood_although_the_first_questions_fail(
    server: FaultyServer, pod: Pod
) -> None:
    pod.claim()
    assert server.run is not None
    server.run["spec"]["cancel"] = True
    server.faults["GET"].extend([Drop(), Answer(500), Answer(429)])
    pod.terminate()

    assert pod.cancelled.wait(60)


def test_a_cancelled_flow_that_does_not_end_is_left_behind_in_time(
    server: FaultyServer, pod: Pod
) -> None:
    pod.claim()
    assert server.run is not None
    server.run["spec"]["cancel"] = True
    pod.terminate()

    assert pod.exit_code() == exits.CANCELLED
    assert server.reports[-1]["outcome"]["reason"] == "CancelRequested"
    assert "grace period" in server.reports[-1]["outcome"]["message"]


def test_a_run_cancelled_before_it_began_says_so_to_the_main_thread(
    server: FaultyServer, pod: Pod
) -> None:
    assert server.run is not None
    server.run["spec"]["cancel"] = True

    pod.claim()

    assert pod.publisher.cancelling


def test_an_api_server_that_hangs_does_not_hold_a_cancelled_pod(
    server: FaultyServer, pod: Pod
) -> None:
    """Each request's time shrinks as the kubelet's SIGKILL comes closer."""
    pod.claim()
    assert server.run is not None
    server.run["spec"]["cancel"] = True
    pod.terminate()
    assert pod.cancelled.wait(60)
    asked = time.monotonic()
    server.faults["PATCH"].extend([Delay(0.3)] * 50)
    server.faults["GET"].extend([Delay(0.3)] * 50)
    pod.work(1)

    assert pod.exit_code() == exits.CANCELLED
    assert time.monotonic() - asked < 10


def test_sigterm_while_the_outcome_is_on_its_way_bounds_the_wait(
    server: FaultyServer, pod: Pod
) -> None:
    pod.claim()
    server.faults["PATCH"].extend([Answer(500)] * 1000)
    threading.Timer(0.1, pod.terminate).start()

    pod.end()

    assert pod.exit_code() == exits.UNREPORTED
