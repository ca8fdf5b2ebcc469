"""Two operators with stale caches, in a cluster where everything happens at any time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.operator.reconcile.cluster import (
    Cluster,
    Conflict,
    Died,
    Operator,
    Refused,
)

from penstock_operator.reconcile import reading

OPERATORS = st.sampled_from([0, 1])


class Contended(RuleBasedStateMachine):
    """Operators see the past, die between writes and meet each other; the cluster plays on."""

    @initialize(
        timeout=st.sampled_from([None, None, 40]),
        recoveries=st.sampled_from([1, 10]),
        launched=st.sampled_from([True, True, False]),
    )
    def begin(self, timeout: int | None, recoveries: int, launched: bool) -> None:
        flow: dict[str, Any] = {"maxRecoveries": recoveries}
        if timeout is not None:
            flow["timeoutSeconds"] = timeout
        self.cluster = Cluster.with_run(flow=flow)
        self.operators = [Operator(self.cluster), Operator(self.cluster)]
        if launched:
            self.operators[0].settle()
        for operator in self.operators:
            operator.refresh()
        self.deleted_unclaimed: set[str] = set()
        self.outcome = ""
        self.taken: set[str] = set()
        self.waits: list[tuple[int, str, datetime]] = []
        self.sent_at: datetime | None = None

    @property
    def attempt(self) -> int:
        return int(self.cluster.status.get("attempt", 0))

    def has_job(self) -> bool:
        return f"one-{self.attempt}" in self.cluster.jobs

    def job_runs(self) -> bool:
        job = self.cluster.jobs.get(f"one-{self.attempt}")
        return job is not None and "conditions" not in job["status"]

    @rule(which=OPERATORS)
    def caches_catch_up(self, which: int) -> None:
        self.operators[which].refresh()

    @rule(which=OPERATORS, writes=st.sampled_from([1, 2, 99]))
    def operator_acts(self, which: int, writes: int) -> None:
        self.act(which, writes)

    def act(self, which: int, writes: int) -> None:
        operator = self.operators[which]
        operator.writes_to_live = writes
        try:
            operator.execute(operator.plan())
        except (Conflict, Died, Refused):
            return

    @rule(which=OPERATORS, writes=st.sampled_from([1, 2, 99]))
    def operator_looks_and_acts(self, which: int, writes: int) -> None:
        self.operators[which].refresh()
        self.act(which, writes)

    @rule(seconds=st.sampled_from([1, 5, 50]))
    def time_passes(self, seconds: int) -> None:
        self.cluster.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.job_runs())
    @rule()
    def runner_claims(self) -> None:
        self.cluster.claim(self.attempt, pod=self.cluster.newest_pod(self.attempt))

    @precondition(lambda self: self.job_runs())
    @rule(state=st.sampled_from(["Completed", "Failed"]))
    def runner_finishes(self, state: str) -> None:
        reason = "Completed" if state == "Completed" else "FlowFailed"
        if self.cluster.finish(self.attempt, state, reason):
            self.outcome = state

    @precondition(lambda self: self.job_runs())
    @rule(how=st.sampled_from(["evict", "crash", "lose"]))
    def pod_is_lost(self, how: str) -> None:
        if how == "evict":
            self.cluster.evict_pod(self.attempt)
        elif how == "crash":
            self.cluster.crash_pod(self.attempt)
        else:
            self.cluster.lose_node(self.attempt)

    @precondition(lambda self: self.job_runs())
    @rule(kind=st.sampled_from(["Sleep", "Signal", "Suspend"]), seconds=st.sampled_from([5, 60]))
    def runner_leaves_to_wait(self, kind: str, seconds: int) -> None:
        if kind == "Suspend" and not self.cluster.run["spec"].get("suspend"):
            return
        settled = dict.fromkeys(self.taken, "Consumed")
        stored = self.cluster.leave(
            self.attempt, kind, seconds=seconds, name="approve", settled=settled
        )
        if stored:
            self.waits.append((self.attempt, kind, self.cluster.now + timedelta(seconds=seconds)))

    @rule()
    def person_sends_a_signal(self) -> None:
        self.cluster.send("approve", name=f"hello-{len(self.cluster.signals)}")
        self.sent_at = self.cluster.now

    @precondition(lambda self: self.job_runs())
    @rule()
    def runner_takes_the_signals(self) -> None:
        pod = self.cluster.newest_pod(self.attempt)
        names = list(self.cluster.signals)
        taken = [{"name": name, "state": "Consumed"} for name in names]
        if self.cluster.claim(self.attempt, pod=pod, signals=taken):
            self.taken.update(names)

    @rule(suspend=st.sampled_from([False, False, True]))
    def person_suspends_or_resumes(self, suspend: bool) -> None:
        self.cluster.suspend(suspend)

    @precondition(lambda self: self.has_job())
    @rule()
    def job_is_deleted(self) -> None:
        self.cluster.delete_job(f"one-{self.attempt}")

    @rule()
    def kubelet_removes_pods(self) -> None:
        self.cluster.remove_pods()

    @rule(whim=st.integers(0, 5))
    def person_cancels(self, whim: int) -> None:
        if whim == 5:
            self.cluster.cancel()

    @invariant()
    def ends_once_and_never_leaves(self) -> None:
        states = [
            each
            for each in self.cluster.states
            if each in ("Completed", "Failed", "Crashed", "Cancelled")
        ]
        assert len(states) <= 1

    @invariant()
    def a_stored_outcome_of_the_current_attempt_is_the_end(self) -> None:
        if self.outcome and self.cluster.is_over:
            assert self.cluster.state == self.outcome

    @invariant()
    def nobody_is_woken_early(self) -> None:
        for attempt, kind, until in self.waits:
            slept_out = kind != "Sleep" or self.cluster.now >= until
            woken = f"one-{attempt + 1}" in self.cluster.created_jobs
            assert slept_out or not woken

    @invariant()
    def a_taken_signal_stays_taken(self) -> None:
        for name, signal in self.cluster.signals.items():
            if signal["status"]["state"] == "Consumed":
                assert name in self.taken

    @invariant()
    def jobs_are_fenced(self) -> None:
        for name in self.cluster.created_jobs:
            assert int(name.rpartition("-")[2]) <= self.attempt

    def teardown(self) -> None:
        """Whatever happened, one operator that sees clearly brings the run to an end."""
        operator = Operator(self.cluster)
        self.cluster.resume()
        operator.wait(seconds=1)
        for _ in range(40):
            if self.cluster.is_over:
                break
            self.cluster.remove_pods()
            if self.job_runs():
                self.cluster.finish(self.attempt)
            operator.wait(seconds=60)
        assert self.cluster.is_over
        operator.wait(seconds=200)
        live = [job for job in self.cluster.jobs.values() if not reading.read_job(job).is_finished]
        live = [job for job in live if "deletionTimestamp" not in job["metadata"]]
        assert not live, "a Job outlives its run"


TestContended = Contended.TestCase
TestContended.settings = settings(
    stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
