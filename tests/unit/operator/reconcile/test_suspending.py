"""Runs that wait without a pod: what they say meanwhile, what wakes them, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.unit.operator.reconcile.cluster import START, Cluster, Died, Object, Operator, wire_time

from penstock_operator.reconcile.names import job_name

HOUR = 3600


def running(**specs: Object) -> tuple[Cluster, Operator]:
    cluster = Cluster.with_run(**specs)
    operator = Operator(cluster)
    operator.settle()
    cluster.claim(1)
    operator.settle()
    return cluster, operator


def sleeping(*, seconds: float = HOUR, **specs: Object) -> tuple[Cluster, Operator]:
    """Return a run that sleeps, as the operator has seen it."""
    cluster, operator = running(**specs)
    cluster.leave(1, seconds=seconds)
    operator.settle()
    return cluster, operator


def waiting_for(signal: str, **more: object) -> tuple[Cluster, Operator]:
    cluster, operator = running()
    cluster.leave(1, "Signal", name=signal, **more)  # type: ignore[arg-type]
    operator.settle()
    return cluster, operator


def test_a_run_that_sleeps_says_until_when() -> None:
    cluster, operator = sleeping()

    plan = operator.reconcile()

    assert (cluster.state, cluster.status["reason"]) == ("Suspended", "Sleeping")
    assert cluster.status["waitingFor"] == {
        "kind": "Sleep",
        "since": "2026-11-21T09:00:00Z",
        "until": "2026-11-21T10:00:00Z",
    }
    assert cluster.status["message"] == (
        "The run sleeps until 2026-11-21 10:00:00 UTC, without a pod."
    )
    assert plan.requeue_after == timedelta(hours=1)


@pytest.mark.parametrize(
    ("kind", "more", "reason", "words"),
    [
        ("Signal", {"name": "go"}, "WaitingForSignal", "Send it: kubectl penstock signal one go."),
        (
            *("Signal", {"name": "go", "payloadSchema": {"title": "Approval"}}),
            *("WaitingForSignal", "Answer it: kubectl penstock approve one, or reject one."),
        ),
        ("RetryDelay", {"name": "load"}, "WaitingForRetry", "to retry load"),
        ("Sleep", {"message": "Until the market opens."}, "Sleeping", "Until the market opens."),
    ],
)
def test_a_run_says_what_it_waits_for(kind: str, more: Object, reason: str, words: str) -> None:
    cluster, operator = running()

    cluster.leave(1, kind, seconds=HOUR, **more)
    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Suspended", reason)
    assert cluster.status["waitingFor"]["kind"] == kind
    assert cluster.status["waitingFor"].get("name") == more.get("name")
    assert words in cluster.status["message"]


def test_a_run_that_waits_is_neither_finished_nor_stalled() -> None:
    cluster, _ = sleeping()

    assert {each["type"]: each["status"] for each in cluster.status["conditions"]} == {
        "Succeeded": "Unknown",
        "Reconciling": "True",
        "Stalled": "False",
    }


def test_a_sleep_ends_when_it_is_over_and_not_before() -> None:
    cluster, operator = sleeping(seconds=HOUR + 0.2)

    operator.wait(seconds=HOUR)
    early = list(cluster.created_jobs)
    operator.wait(seconds=1)

    assert early == ["one-1"]
    assert cluster.created_jobs == ["one-1", "one-2"]
    assert (cluster.state, cluster.status["reason"]) == ("Pending", "Resuming")
    assert "waitingFor" not in cluster.status


def test_a_wake_is_no_recovery_and_no_crash() -> None:
    cluster, operator = running(flow={"maxRecoveries": 1})
    cluster.crash_pod(1)
    operator.settle()

    for attempt in range(2, 12):
        cluster.leave(attempt, seconds=HOUR)
        operator.wait(seconds=HOUR)

    assert (cluster.status["attempt"], cluster.status["recoveries"]) == (12, 1)
    assert cluster.status["crashes"] == 0
    assert cluster.status["startedAt"] == "2026-11-21T09:00:00Z"


def test_a_wake_is_counted_by_its_cause() -> None:
    cluster, operator = sleeping()
    cluster.now += timedelta(seconds=HOUR)
    operator.refresh()

    plan = operator.plan()

    assert [getattr(each, "woken_by", "") for each in plan.actions] == ["Due", ""]


@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(lambda cluster: None, id="it exits as it should"),
        pytest.param(lambda cluster: cluster.crash_pod(1, exit_code=137), id="it is killed"),
        pytest.param(lambda cluster: cluster.evict_pod(1), id="it is evicted"),
        pytest.param(lambda cluster: cluster.lose_node(1), id="its node is lost"),
        pytest.param(lambda cluster: cluster.jobs.clear(), id="its Job is gone"),
    ],
)
def test_what_becomes_of_the_pod_after_its_last_report_does_not_matter(
    happens: Callable[[Cluster], None],
) -> None:
    cluster, operator = running()
    cluster.leave(1, seconds=HOUR)
    happens(cluster)

    operator.wait(seconds=HOUR - 1)
    waiting = (cluster.state, cluster.status["recoveries"])
    operator.wait(seconds=1)

    assert waiting == ("Suspended", 0)
    assert (cluster.status["attempt"], cluster.status["recoveries"]) == (2, 0)


def test_an_operator_that_was_away_wakes_a_run_at_once() -> None:
    cluster, _ = sleeping()
    cluster.now += timedelta(days=3)

    Operator(cluster).settle()

    assert cluster.created_jobs == ["one-1", "one-2"]


def test_an_operator_that_never_saw_the_run_wait_wakes_it_at_once() -> None:
    cluster, _ = running()
    cluster.leave(1, seconds=HOUR)
    cluster.now += timedelta(days=3)

    Operator(cluster).settle()

    assert cluster.created_jobs == ["one-1", "one-2"]
    assert "Suspended" not in cluster.states


def test_a_runner_whose_clock_is_behind_does_not_come_back_in_a_rush() -> None:
    """It takes each wake for an early one, and reports the same date again."""
    cluster, operator = running()

    attempt = 1
    for _ in range(300):
        if f"one-{attempt}" in cluster.jobs and cluster.status["attempt"] == attempt:
            cluster.leave(attempt, seconds=-1)
            attempt += 1
        operator.wait(seconds=1)

    assert 9 <= len(cluster.created_jobs) <= 12


def test_a_runner_whose_clock_is_ahead_is_written_once() -> None:
    cluster, operator = running()
    since = wire_time(cluster.now + timedelta(hours=1))

    cluster.leave(1, seconds=2 * HOUR, since=since)
    operator.wait(seconds=60)
    before = len(cluster.writes)
    operator.wait(seconds=60)

    assert len(cluster.writes) == before
    assert cluster.status["waitingFor"]["since"] == "2026-11-21T09:00:00Z"


def test_a_pod_that_does_not_leave_is_ended() -> None:
    """A sidecar, or a thread that holds the process."""
    cluster, operator = running()
    pod = cluster.newest_pod(1)
    suspension = {"kind": "Sleep", "since": wire_time(START), "until": wire_time(START)}
    suspension["until"] = wire_time(START + timedelta(hours=1))
    cluster.claim(1, pod=pod, suspension=suspension)

    operator.wait(seconds=80)
    patient = list(cluster.jobs)
    operator.wait(seconds=20)

    assert patient == ["one-1"]
    assert not cluster.jobs
    assert cluster.state == "Suspended"


def test_a_signal_wakes_the_run_that_waits_for_it() -> None:
    cluster, operator = waiting_for("approve")

    cluster.send("approve")
    operator.settle()

    assert cluster.created_jobs == ["one-1", "one-2"]
    assert "The signal approve has come (Signal hello)" in cluster.status["message"]


def test_another_signal_wakes_nobody() -> None:
    cluster, operator = waiting_for("approve")

    cluster.send("reject")
    operator.settle()

    assert cluster.state == "Suspended"


def test_a_signal_that_came_before_the_run_waited_is_not_lost() -> None:
    """G6: the runner had listed the signals a moment before."""
    cluster, operator = running()
    cluster.send("approve")
    operator.settle()

    cluster.leave(1, "Signal", name="approve")
    operator.settle()

    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_signal_that_was_sent_before_the_run_existed_is_kept_for_it() -> None:
    cluster = Cluster.with_run()
    cluster.send("approve")
    operator = Operator(cluster)

    operator.settle()

    assert cluster.signals["hello"]["status"] == {
        "state": "Pending",
        "flowRunUID": cluster.run["metadata"]["uid"],
    }


def test_a_signal_to_an_earlier_run_of_the_name_is_not_for_this_one() -> None:
    cluster, operator = waiting_for("approve")

    cluster.send("approve")["status"]["flowRunUID"] = "uid-earlier"
    operator.settle()

    assert cluster.state == "Suspended"
    assert cluster.signals["hello"]["status"]["state"] == "Rejected"
    assert "earlier run" in cluster.signals["hello"]["status"]["message"]


def test_a_wait_for_a_signal_can_have_an_end() -> None:
    cluster, operator = waiting_for("approve", seconds=60)

    operator.wait(seconds=60)

    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_run_that_waits_for_several_things_is_woken_by_the_first() -> None:
    cluster, operator = running()
    cluster.leave(1, "Sleep", seconds=HOUR, signals=["left", "right"])
    operator.settle()

    cluster.send("right")
    operator.settle()

    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_signal_that_the_run_has_taken_is_marked_and_wakes_it_no_more() -> None:
    cluster, operator = waiting_for("tick")
    cluster.send("tick")
    operator.settle()

    cluster.leave(2, "Signal", name="tick", settled={"hello": "Consumed"})
    operator.settle()

    assert cluster.signals["hello"]["status"]["state"] == "Consumed"
    assert (cluster.state, cluster.status["attempt"]) == ("Suspended", 2)


def test_a_signal_that_the_run_refuses_is_marked_and_wakes_it_no_more() -> None:
    cluster, operator = waiting_for("tick")
    cluster.send("tick")
    operator.settle()

    cluster.leave(2, "Signal", name="tick", settled={"hello": "Rejected"})
    operator.settle()

    assert cluster.signals["hello"]["status"]["state"] == "Rejected"
    assert cluster.state == "Suspended"


def test_an_answer_is_passed_on_as_it_is() -> None:
    cluster, operator = waiting_for("limit")
    cluster.send("limit")
    operator.settle()

    answer = {"limit": 5, "before": None}
    cluster.claim(2, signals=[{"name": "hello", "state": "Consumed", "answer": answer}])
    operator.settle()

    assert cluster.signals["hello"]["status"] == {
        "state": "Consumed",
        "answer": answer,
        "flowRunUID": cluster.run["metadata"]["uid"],
    }


def test_an_update_that_the_run_has_and_has_not_answered_wakes_it_no_more() -> None:
    cluster, operator = waiting_for("limit")
    cluster.send("limit")
    operator.settle()

    cluster.leave(2, "Signal", name="limit", settled={"hello": "Received"})
    operator.settle()

    assert cluster.signals["hello"]["status"]["state"] == "Pending"
    assert (cluster.state, cluster.status["attempt"]) == ("Suspended", 2)


def test_an_update_that_is_never_answered_is_refused_when_the_run_ends() -> None:
    cluster, operator = running()
    cluster.send("limit")
    operator.settle()

    cluster.finish(1, signals=[{"name": "hello", "state": "Received"}])
    operator.settle()

    assert cluster.signals["hello"]["status"]["state"] == "Rejected"
    assert "ended as Completed without answering" in cluster.signals["hello"]["status"]["message"]


def test_what_a_signal_may_say_is_shown_where_the_run_waits_for_it() -> None:
    schema = {"type": "object", "properties": {"limit": {"type": "integer", "default": None}}}

    cluster, _ = waiting_for("limit", payloadSchema=schema)

    assert cluster.status["waitingFor"]["payloadSchema"] == schema


def test_what_the_last_attempt_said_of_a_signal_still_counts_after_the_fence() -> None:
    cluster, operator = waiting_for("tick", seconds=HOUR)
    cluster.send("tick")
    operator.settle()
    cluster.claim(2, signals=[{"name": "hello", "state": "Consumed"}])
    cluster.evict_pod(2)

    operator.settle()

    assert cluster.status["attempt"] == 3
    assert cluster.signals["hello"]["status"]["state"] == "Consumed"


def test_a_payload_that_is_too_large_is_refused() -> None:
    cluster, operator = waiting_for("approve")

    cluster.send("approve", payload_bytes=20_000)
    operator.settle()

    assert cluster.state == "Suspended"
    assert "20000 bytes; at most 16384" in cluster.signals["hello"]["status"]["message"]


def test_a_signal_that_nobody_waited_for_is_refused_when_the_run_ends() -> None:
    cluster, operator = running()
    cluster.send("approve")
    operator.settle()

    cluster.finish(1)
    operator.settle()

    assert cluster.signals["hello"]["status"]["state"] == "Rejected"
    assert "ended as Completed" in cluster.signals["hello"]["status"]["message"]


def test_a_run_that_is_suspended_before_it_starts_has_no_pod_until_it_is_resumed() -> None:
    cluster = Cluster.with_run(run={"suspend": True})
    operator = Operator(cluster)

    operator.wait(seconds=HOUR)
    before = (cluster.state, cluster.status["reason"], list(cluster.jobs))
    cluster.resume()
    operator.settle()

    assert before == ("Suspended", "SuspendRequested", [])
    assert (cluster.state, cluster.created_jobs) == ("Pending", ["one-1"])
    assert cluster.status["reason"] == "Launching"


def test_a_running_run_is_suspended_by_ending_its_pod() -> None:
    cluster, operator = running()

    cluster.suspend()
    operator.settle()
    leaving = (cluster.state, cluster.status["reason"])
    told = cluster.job(1)["metadata"].get("deletionTimestamp")
    cluster.leave(1, "Suspend")
    operator.settle()

    assert leaving == ("Running", "SuspendRequested")
    assert told is not None
    assert (cluster.state, cluster.status["reason"]) == ("Suspended", "SuspendRequested")
    assert cluster.status["waitingFor"]["kind"] == "Suspend"


def test_a_suspended_run_goes_on_with_the_next_attempt() -> None:
    cluster, operator = running()
    cluster.suspend()
    operator.settle()
    cluster.leave(1, "Suspend")
    operator.wait(seconds=HOUR)

    cluster.resume()
    operator.settle()

    assert cluster.created_jobs == ["one-1", "one-2"]
    assert (cluster.status["attempt"], cluster.status["recoveries"]) == (2, 0)


def suspend_pool(cluster: Cluster, suspend: bool | str) -> None:
    assert cluster.pool is not None
    cluster.pool["spec"]["suspend"] = suspend


def test_a_pool_that_is_suspended_with_what_runs_lets_its_runs_leave_and_go_on() -> None:
    cluster, operator = running()

    suspend_pool(cluster, "Running")
    operator.settle()
    leaving = (cluster.state, cluster.status["reason"])
    cluster.leave(1, "Suspend")
    operator.wait(seconds=HOUR)
    suspended = cluster.status
    suspend_pool(cluster, suspend=False)
    operator.settle()

    assert leaving == ("Running", "SuspendRequested")
    assert (suspended["state"], suspended["reason"]) == ("Suspended", "SuspendRequested")
    assert suspended["waitingFor"]["kind"] == "WorkPool"
    assert "with its WorkPool default" in suspended["message"]
    assert cluster.created_jobs == ["one-1", "one-2"]
    assert cluster.status["recoveries"] == 0


def test_a_sleeping_run_is_not_woken_in_a_pool_that_is_suspended_with_what_runs() -> None:
    cluster, operator = sleeping()
    suspend_pool(cluster, "Running")
    operator.wait(seconds=2 * HOUR)
    jobs = list(cluster.created_jobs)

    suspend_pool(cluster, suspend=True)
    operator.settle()

    assert jobs == ["one-1"]
    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_new_run_waits_for_a_pool_that_is_suspended_with_what_runs() -> None:
    cluster = Cluster.with_run(pool={"suspend": "Running"})
    operator = Operator(cluster)

    operator.settle()

    assert (cluster.state, cluster.status["reason"]) == ("Scheduled", "WorkPoolSuspended")


@pytest.mark.parametrize(
    "ends",
    [
        pytest.param(lambda cluster: cluster.crash_pod(1, exit_code=137), id="it is killed"),
        pytest.param(lambda cluster: cluster.evict_pod(1), id="it is evicted"),
        pytest.param(lambda cluster: (cluster.pods.clear(), cluster.jobs.clear()), id="it is gone"),
        pytest.param(lambda cluster: None, id="its node does not answer"),
    ],
)
def test_a_pod_that_leaves_without_a_word_uses_no_recovery(
    ends: Callable[[Cluster], object],
) -> None:
    cluster, operator = running()
    cluster.suspend()
    operator.settle()

    ends(cluster)
    operator.wait(seconds=60)
    suspended = cluster.state
    cluster.resume()
    operator.settle()

    assert suspended == "Suspended"
    assert (cluster.status["attempt"], cluster.status["recoveries"]) == (2, 0)
    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_run_that_is_resumed_while_its_pod_leaves_waits_for_that_and_uses_no_recovery() -> None:
    cluster, operator = running()
    cluster.suspend()
    operator.settle()

    cluster.resume()
    operator.settle()
    leaving, said = list(cluster.created_jobs), cluster.status["message"]
    cluster.crash_pod(1, exit_code=143)
    operator.settle()

    assert leaving == ["one-1"]
    assert said.startswith("The run goes on by itself when its pod of attempt 1 has left")
    assert (cluster.status["attempt"], cluster.status["recoveries"]) == (2, 0)


def test_a_run_that_is_resumed_before_its_pod_was_told_runs_on() -> None:
    cluster, _ = running()
    cluster.suspend()
    dying = Operator(cluster, writes_to_live=1)
    with pytest.raises(Died):
        dying.reconcile()
    asked = cluster.status["reason"]

    cluster.resume()
    Operator(cluster).settle()

    assert asked == "SuspendRequested"
    assert (cluster.state, cluster.status["reason"]) == ("Running", "Running")
    assert cluster.created_jobs == ["one-1"]


def test_a_run_that_is_suspended_while_its_pod_starts_has_none() -> None:
    cluster = Cluster.with_run()
    operator = Operator(cluster)
    operator.settle()

    cluster.suspend()
    operator.wait(seconds=HOUR)
    suspended = (cluster.state, list(cluster.jobs))
    cluster.resume()
    operator.settle()

    assert suspended == ("Suspended", [])
    assert cluster.created_jobs == ["one-1", "one-2"]
    assert cluster.status["recoveries"] == 0


def test_a_run_that_is_suspended_in_the_pause_before_a_recovery_stays_without_a_pod() -> None:
    cluster, operator = running()
    for attempt in (1, 2, 3):
        cluster.evict_pod(attempt)
        operator.settle()
    paused = cluster.status["waitingFor"]["kind"]

    cluster.suspend()
    operator.wait(seconds=HOUR)
    jobs = list(cluster.created_jobs)
    cluster.resume()
    operator.settle()

    assert paused == "Recovery"
    assert jobs == ["one-1", "one-2", "one-3"]
    assert cluster.created_jobs == [*jobs, "one-5"]
    assert cluster.status["recoveries"] == 3


def test_a_run_that_is_suspended_while_its_pool_is_missing_goes_on_when_both_are_mended() -> None:
    cluster, operator = running()
    pool, cluster.pool = cluster.pool, None
    cluster.evict_pod(1)
    operator.settle()
    cluster.suspend()
    operator.settle()
    suspended = cluster.state

    cluster.resume()
    operator.settle()
    held = cluster.status["reason"]
    cluster.pool = pool
    operator.settle()

    assert (suspended, held) == ("Suspended", "WorkPoolNotFound")
    assert cluster.created_jobs == ["one-1", "one-3"]


def test_a_sleeping_run_that_is_suspended_is_not_woken_by_the_clock() -> None:
    cluster, operator = sleeping()
    cluster.suspend()
    operator.wait(seconds=2 * HOUR)
    suspended = (cluster.state, cluster.status["reason"], list(cluster.jobs))

    cluster.resume()
    operator.settle()

    assert suspended == ("Suspended", "SuspendRequested", ["one-1"])
    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_sleeping_run_that_was_suspended_meanwhile_sleeps_on() -> None:
    cluster, operator = sleeping()
    cluster.suspend()
    operator.wait(seconds=60)

    cluster.resume()
    operator.wait(seconds=60)

    assert (cluster.state, cluster.status["reason"]) == ("Suspended", "Sleeping")
    assert cluster.status["waitingFor"]["until"] == "2026-11-21T10:00:00Z"


def test_a_signal_waits_for_a_suspended_run() -> None:
    cluster, operator = waiting_for("approve")
    cluster.suspend()
    operator.settle()
    cluster.send("approve")
    operator.settle()
    suspended = cluster.state

    cluster.resume()
    operator.settle()

    assert suspended == "Suspended"
    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_flow_that_completes_while_it_is_suspended_has_completed() -> None:
    cluster, operator = running()
    cluster.suspend()
    operator.settle()

    cluster.finish(1)
    operator.settle()

    assert cluster.state == "Completed"


@pytest.mark.parametrize("first", ["cancel", "suspend"])
def test_a_cancel_goes_before_a_suspend(first: str) -> None:
    cluster, operator = running()
    for deed in ("cancel", "suspend") if first == "cancel" else ("suspend", "cancel"):
        getattr(cluster, deed)()
        operator.settle()

    cluster.leave(1, "Suspend")
    operator.settle()

    assert cluster.state == "Cancelled"


@pytest.mark.parametrize("how", ["sleeping", "suspended", "suspended before its start"])
def test_a_run_without_a_pod_is_cancelled_at_once(how: str) -> None:
    cluster, operator = sleeping()
    if how == "suspended":
        cluster.suspend()
    elif how == "suspended before its start":
        cluster = Cluster.with_run(run={"suspend": True})
        operator = Operator(cluster)
    cluster.jobs.clear()
    operator.settle()

    cluster.cancel()
    operator.reconcile()

    assert cluster.state == "Cancelled"


@pytest.mark.parametrize("suspend", [False, True], ids=["sleeping", "suspended"])
def test_the_timeout_goes_on_while_a_run_waits(suspend: bool) -> None:
    cluster, operator = sleeping(flow={"timeoutSeconds": 600})
    if suspend:
        cluster.suspend()

    operator.wait(seconds=599)
    waiting = cluster.state
    operator.wait(seconds=1)

    assert waiting == "Suspended"
    assert (cluster.state, cluster.status["reason"]) == ("Failed", "TimedOut")


@pytest.mark.parametrize("which", ["flow", "pool"])
def test_a_run_that_has_started_is_woken_although_new_ones_are_held(which: str) -> None:
    cluster, operator = sleeping()
    getattr(cluster, which)["spec"]["suspend"] = True

    operator.wait(seconds=HOUR)

    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_run_that_is_due_waits_for_its_pool() -> None:
    cluster, operator = sleeping()
    pool, cluster.pool = cluster.pool, None

    operator.wait(seconds=HOUR)
    held = (cluster.state, cluster.status["reason"])
    cluster.pool = pool
    operator.settle()

    assert held == ("Scheduled", "WorkPoolNotFound")
    assert cluster.created_jobs == ["one-1", "one-2"]


def test_a_run_that_has_an_outcome_does_not_wait() -> None:
    cluster, operator = running()
    suspension = {"kind": "Sleep", "since": wire_time(START), "until": wire_time(START)}
    outcome = {"state": "Completed", "reason": "Completed", "finishedAt": wire_time(START)}

    cluster.claim(1, pod=cluster.newest_pod(1), suspension=suspension, outcome=outcome)
    operator.settle()

    assert cluster.state == "Completed"


def test_a_run_may_wake_ten_thousand_times_whatever_its_name() -> None:
    long, twin = "a" * 51 + "b", "a" * 51 + "c"

    names = {job_name(run, attempt=n) for run in (long, twin) for n in (9_999, 10_000, 2**31 - 1)}

    assert len(names) == 6
    assert max(map(len, names)) == 57
    assert job_name(long, attempt=9_999) == f"{long}-9999"
