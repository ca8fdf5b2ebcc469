"""A simulated API server, with the other hands in it: the job controller, the kubelet, the runner.

`Operator` plays the I/O around the plans: it observes (perhaps a stale copy), plans, looks up what
the plan asks for, and executes. It can be told to die after any of its writes.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from penstock_operator.reconcile import actions as do
from penstock_operator.reconcile import reading
from penstock_operator.reconcile.names import pool_name, snapshot_name
from penstock_operator.reconcile.observed import Look, ObservedRun, Refusal, Slot
from penstock_operator.reconcile.relatives import names_of_relatives
from penstock_operator.reconcile.runs import plan_run
from penstock_operator.reconcile.settings import Settings
from penstock_operator.reconcile.views import LimitView, RunView

START = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
SETTINGS = Settings(runner_image="runner:1", runner_cluster_role="penstock-runner")
Object = dict[str, Any]


class Conflict(Exception):
    """Somebody has written the object since it was observed."""


class Refused(Exception):
    """The API server refuses the Job."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Died(Exception):
    """The operator was killed after one of its writes."""


def wire_time(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Cluster:
    """The objects of one run, and who acts on them."""

    now: datetime = START
    flow: Object | None = None
    pool: Object | None = None
    run: Object = field(default_factory=dict)
    jobs: dict[str, Object] = field(default_factory=dict)
    pods: dict[str, Object] = field(default_factory=dict)
    events: list[Object] = field(default_factory=list)
    config_maps: dict[str, Object] = field(default_factory=dict)
    signals: dict[str, Object] = field(default_factory=dict)
    limits: dict[str, Object] = field(default_factory=dict)
    others: dict[str, Object] = field(default_factory=dict)
    """Runs that matter to the run: its parent, its children."""
    told: list[str] = field(default_factory=list)
    """Reasons of the Events about the run."""
    writes: list[str] = field(default_factory=list)
    created_jobs: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    refuse_job: Refusal | None = None
    serial: int = 100

    @classmethod
    def with_run(
        cls, *, flow: Object | None = None, pool: Object | None = None, run: Object | None = None
    ) -> Cluster:
        """Make the usual three objects; `flow`, `pool` and `run` are additions to their specs."""
        self = cls()
        source = {"inline": {"files": {"flow.py": "def daily(): ..."}}}
        self.flow = self.new(
            "daily", {"entrypoint": "flow.py:daily", "source": source} | (flow or {})
        )
        self.pool = self.new("default", pool or {})
        self.pool["status"] = {"observedGeneration": 1}
        self.run = self.new("one", {"flowRef": {"name": "daily"}} | (run or {}))
        return self

    def new(self, name: str, spec: Object) -> Object:
        return {
            "metadata": {
                "name": name,
                "namespace": "team",
                "uid": f"uid-{self.tick()}",
                "resourceVersion": self.tick(),
                "generation": 1,
                "creationTimestamp": wire_time(self.now),
            },
            "spec": spec,
        }

    def tick(self) -> str:
        self.serial += 1
        return str(self.serial)

    def touch(self) -> None:
        self.run["metadata"]["resourceVersion"] = self.tick()

    @property
    def status(self) -> Object:
        return self.run.get("status") or {}

    @property
    def state(self) -> str:
        return str(self.status.get("state"))

    @property
    def is_over(self) -> bool:
        return self.state in ("Completed", "Failed", "Crashed", "Cancelled")

    def job(self, attempt: int) -> Object:
        return self.jobs[f"one-{attempt}"]

    @property
    def told_of_changes(self) -> list[str]:
        return [each for each in self.told if each != "AttemptLost"]

    # Writes of the operator

    def execute(self, action: do.Action) -> None:
        match action:
            case do.PatchRunStatus(target, status):
                self._write_status(target, status.to_wire())
            case do.CreateJob(manifest, owner_uid):
                self._create_job(manifest, owner_uid)
            case do.DeleteJob(_, name, uid, propagation):
                self.delete_job(name, uid=uid, foreground=propagation == "Foreground")
            case do.PatchSignalStatus(target, status):
                self._write_signal(target, status.to_wire())
            case do.PutLimitStatus(target, manifest):
                self._put_limit(target, manifest)
            case do.CreateSnapshot(manifest):
                self.config_maps.setdefault(manifest["metadata"]["name"], manifest)  # type: ignore[index,call-overload,arg-type]
            case do.TellEvent(manifest):
                self.told.append(manifest["reason"])  # type: ignore[arg-type]
            case _:
                raise AssertionError(action)
        self.writes.append(type(action).__name__)

    def _write_status(self, target: do.Target, status: Object) -> None:
        if target.resource_version != self.run["metadata"]["resourceVersion"]:
            raise Conflict
        assert not self.is_over, "a finished run was written"
        assert "execution" not in status, "the operator wrote a field of the runner"
        assert status["attempt"] >= self.status.get("attempt", 0)
        execution = self.status.get("execution")
        self.run["status"] = status | ({"execution": execution} if execution else {})
        self.states.append(self.state)
        self.touch()

    def _put_limit(self, target: do.Target, limit: Object) -> None:
        if target.resource_version != self.limits[target.name]["metadata"]["resourceVersion"]:
            raise Conflict
        meta = limit["metadata"] | {"resourceVersion": self.tick()}
        stored = written(limit | {"metadata": meta})  # what was read and is kept stays as it was
        self.limits[target.name] = marshal.loads(stored)

    def _write_signal(self, target: do.Target, status: Object) -> None:
        signal = self.signals.get(target.name)
        if signal is None:
            return
        if target.resource_version != signal["metadata"]["resourceVersion"]:
            raise Conflict
        assert signal["status"]["state"] == "Pending", "a settled signal was written"
        signal["status"] = status
        signal["metadata"]["resourceVersion"] = self.tick()

    def _create_job(self, manifest: Object, owner_uid: str) -> None:
        name = manifest["metadata"]["name"]
        if self.refuse_job is not None:
            raise Refused(self.refuse_job)
        if name in self.jobs:
            assert self.jobs[name]["metadata"]["ownerReferences"][0]["uid"] == owner_uid
            return
        job = marshal.loads(written(manifest))
        job["metadata"] |= {"uid": f"uid-{self.tick()}", "creationTimestamp": wire_time(self.now)}
        job["status"] = {} if job["spec"].get("suspend") else {"active": 1}
        self.jobs[name] = job
        self.created_jobs.append(name)

    # Other hands

    def delete_job(self, name: str, *, uid: str = "", foreground: bool = False) -> None:
        job = self.jobs.get(name)
        if job is None or (uid and job["metadata"]["uid"] != uid):
            return
        pods = [each for each in self.pods.values() if owner(each) == job["metadata"]["uid"]]
        for pod in pods:
            pod["metadata"].setdefault(
                "deletionTimestamp", wire_time(self.now + timedelta(seconds=30))
            )
        if foreground and pods:
            job["metadata"].setdefault("deletionTimestamp", wire_time(self.now))
        else:
            del self.jobs[name]

    def start_pod(self, attempt: int, **status: Any) -> Object:
        """Give the Job its pod, scheduled and running unless told otherwise."""
        job = self.job(attempt)
        name = f"one-{attempt}-{self.tick()}"
        running = {"name": "flow", "state": {"running": {"startedAt": wire_time(self.now)}}}
        pod = {
            "metadata": {
                "name": name,
                "uid": f"uid-{name}",
                "creationTimestamp": wire_time(self.now),
                "ownerReferences": [{"controller": True, "uid": job["metadata"]["uid"]}],
                "labels": {"penstock.dev/attempt": str(attempt)},
            },
            "spec": {"nodeName": "node-1"},
            "status": {"phase": "Running", "containerStatuses": [running]} | status,
        }
        self.pods[name] = pod
        return pod

    def claim(self, attempt: int, *, pod: Object | None = None, **more: Any) -> bool:
        """Report as the attempt's runner, if the admission policy lets it."""
        pod = pod or self.start_pod(attempt)
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        old = self.status.get("execution") or {}
        taken = old.get("attempt") == attempt and old.get("podUID") != uid
        ended = pod["status"]["phase"] in ("Succeeded", "Failed")
        if self.is_over or attempt != self.status.get("attempt") or taken or ended:
            return False
        started = old.get("startedAt") if old.get("attempt") == attempt else wire_time(self.now)
        report = {"protocol": 1, "attempt": attempt, "podName": name, "podUID": uid}
        self.run["status"]["execution"] = report | {"startedAt": started} | more
        self.touch()
        return True

    def finish(
        self, attempt: int, state: str = "Completed", reason: str = "Completed", **more: Any
    ) -> bool:
        """Report an outcome, and end the pod and the Job."""
        pod = self.newest_pod(attempt) or self.start_pod(attempt)
        outcome = {"state": state, "reason": reason, "finishedAt": wire_time(self.now)}
        stored = self.claim(attempt, pod=pod, outcome=outcome, **more)
        self.end_pod(pod, exit_code=0 if state == "Completed" else 1)
        self.end_job(attempt, "Complete" if state == "Completed" else "Failed")
        return stored

    def leave(
        self,
        attempt: int,
        kind: str = "Sleep",
        *,
        seconds: float | None = None,
        settled: dict[str, str] | None = None,
        **more: Any,
    ) -> bool:
        """Report that the run waits (for so many seconds), and end the pod and the Job."""
        pod = self.newest_pod(attempt) or self.start_pod(attempt)
        suspension = {"kind": kind, "since": wire_time(self.now)} | more
        if seconds is not None:
            until = self.now + timedelta(seconds=seconds)
            suspension["until"] = until.isoformat()
        signals = [{"name": name, "state": state} for name, state in (settled or {}).items()]
        stored = self.claim(attempt, pod=pod, suspension=suspension, signals=signals)
        self.end_pod(pod, exit_code=0)
        self.end_job(attempt, "Complete")
        return stored

    def leave_for(self, attempt: int, successor: str, **more: Any) -> bool:
        """Report that the run goes on as another, and end the pod and the Job."""
        pod = self.newest_pod(attempt) or self.start_pod(attempt)
        outcome = {
            "state": "Completed",
            "reason": "ContinuedAsNew",
            "finishedAt": wire_time(self.now),
            "continuedAs": successor,
        }
        stored = self.claim(attempt, pod=pod, outcome=outcome, **more)
        self.end_pod(pod, exit_code=0)
        self.end_job(attempt, "Complete")
        return stored

    def newest_pod(self, attempt: int) -> Object | None:
        mine = [
            each
            for each in self.pods.values()
            if each["metadata"]["labels"]["penstock.dev/attempt"] == str(attempt)
        ]
        return mine[-1] if mine else None

    def end_pod(
        self, pod: Object, *, exit_code: int = 1, reason: str = "Error", **status: Any
    ) -> None:
        end = {"exitCode": exit_code, "reason": reason}
        told = pod["status"].get("containerStatuses") or [{"name": "flow", "image": "runner:1"}]
        pod["status"] = {
            "phase": "Failed" if exit_code else "Succeeded",
            "containerStatuses": [told[0] | {"state": {"terminated": end}}],
        } | status

    def end_job(
        self,
        attempt: int,
        kind: str = "Failed",
        *,
        reason: str = "PodFailurePolicy",
        message: str = "",
    ) -> None:
        job = self.jobs.get(f"one-{attempt}")
        if job is not None:
            condition = {"type": kind, "status": "True", "reason": reason, "message": message}
            job["status"] = {"conditions": [condition], "failed": int(kind == "Failed")}

    def crash_pod(self, attempt: int, *, exit_code: int = 1, reason: str = "Error") -> None:
        pod = self.newest_pod(attempt) or self.start_pod(attempt)
        self.end_pod(pod, exit_code=exit_code, reason=reason)
        self.end_job(attempt)

    def evict_pod(self, attempt: int, *, by: str = "EvictionByEvictionAPI") -> None:
        pod = self.newest_pod(attempt) or self.start_pod(attempt)
        condition = {"type": "DisruptionTarget", "status": "True", "reason": by, "message": "words"}
        self.end_pod(pod, exit_code=143, conditions=[condition])
        self.end_job(attempt, message="Pod has condition DisruptionTarget matching FailJob rule")

    def lose_node(self, attempt: int) -> None:
        pod = self.newest_pod(attempt) or self.start_pod(attempt)
        pod["metadata"]["deletionTimestamp"] = wire_time(self.now + timedelta(seconds=30))
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
        }
        pod["status"]["conditions"] = [condition]
        self.job(attempt)["status"] = {"active": 0, "terminating": 1}

    def admit(self, attempt: int) -> None:
        """Let a Job go, as Kueue does, and the job controller after it."""
        job = self.job(attempt)
        job["spec"]["suspend"] = False
        job["status"] = {"active": 1, "startTime": wire_time(self.now)}

    def preempt(self, attempt: int) -> None:
        """Take a Job's place away, as Kueue does; its pod has its grace period."""
        job = self.job(attempt)
        job["spec"]["suspend"] = True
        pod = self.newest_pod(attempt)
        job["status"] = {"terminating": int(pod is not None)}
        if pod is not None:
            ends = wire_time(self.now + timedelta(seconds=30))
            pod["metadata"].setdefault("deletionTimestamp", ends)

    def remove_pods(self) -> None:
        """End what is being deleted, as a kubelet does."""
        for name, pod in list(self.pods.items()):
            if "deletionTimestamp" in pod["metadata"]:
                del self.pods[name]
        left = {owner(each) for each in self.pods.values()}
        for name, job in list(self.jobs.items()):
            if "deletionTimestamp" in job["metadata"] and job["metadata"]["uid"] not in left:
                del self.jobs[name]

    def cancel(self) -> None:
        self.run["spec"]["cancel"] = True
        self.run["metadata"]["generation"] += 1
        self.touch()

    def suspend(self, suspend: bool = True) -> None:
        self.run["spec"]["suspend"] = suspend
        self.run["metadata"]["generation"] += 1
        self.touch()

    def resume(self) -> None:
        self.suspend(False)

    def go_on(self, attempt: int) -> None:
        """Say that what this attempt told of is mended."""
        self.run["spec"]["resume"] = {"attempt": attempt}
        self.run["metadata"]["generation"] += 1
        self.touch()

    def send(self, signal: str, *, name: str = "hello", payload_bytes: int = 0) -> Object:
        """Create a Signal for the run."""
        spec = {"flowRunRef": {"name": "one"}, "name": signal, "payloadBytes": payload_bytes}
        self.signals[name] = self.new(name, spec) | {"status": {"state": "Pending"}}
        return self.signals[name]

    def with_other(self, name: str, state: str = "Running", **spec: Object) -> Object:
        """Make another run, or change it."""
        known = self.others.setdefault(name, self.new(name, {"flowRef": {"name": "daily"}}))
        known["spec"] |= spec
        known["status"] = {"state": state}
        return known

    def warn(self, kind: str, name: str, reason: str, message: str) -> None:
        self.tell(kind, name, reason, message, type="Warning")

    def tell(
        self,
        kind: str,
        name: str,
        reason: str,
        message: str = "",
        *,
        type: str = "Normal",  # noqa: A002
    ) -> None:
        about = {"kind": kind, "name": name}
        event = {"type": type, "involvedObject": about, "reason": reason, "message": message}
        self.events.append(event | {"lastTimestamp": wire_time(self.now)})


def owner(pod: Object) -> str:
    return str(pod["metadata"]["ownerReferences"][0]["uid"])


@dataclass
class Operator:
    """Observes, plans and executes, as the operator's outer rings do."""

    cluster: Cluster
    writes_to_live: int | None = None
    """After so many writes it dies."""
    slot: Slot = field(default_factory=Slot)
    """What a run gets that asks for a slot."""
    is_superseded: bool = False
    seen: dict[str, bytes] = field(default_factory=dict)
    """Its caches: what `refresh` last copied."""

    def refresh(self) -> None:
        names = ("run", "jobs", "flow", "pool", "signals", "others", "limits")
        self.seen = {name: written(getattr(self.cluster, name)) for name in names}

    def observe(self) -> ObservedRun:
        run = _read(reading.read_run, self.seen["run"])
        flow = _read(reading.read_flow, self.seen["flow"])
        pool = _read(reading.read_pool, self.seen["pool"])
        assert not isinstance(run, reading.Malformed), run.sentence
        assert pool is None or pool.metadata.name == pool_name(run, flow=flow)
        jobs = _read_all(reading.read_job, self.seen["jobs"])
        signals = _read_all(reading.read_signal, self.seen["signals"])
        pending = tuple(each for each in signals if each.state == "Pending")
        others = _read_all(reading.read_relative, self.seen["others"])
        wanted = names_of_relatives(run)
        return ObservedRun(
            run=run,
            flow=flow,
            pool=pool,
            jobs=jobs,
            signals=pending,
            relatives={
                each.name: each for each in others if each.name in wanted and not each.is_over
            },
            heads=_heads(self.seen["others"]),
            limits=self.limits(self.seen["limits"]),
            is_superseded=self.is_superseded,
        )

    def limits(self, written: bytes) -> dict[str, LimitView]:
        return {each.metadata.name: each for each in _read_all(reading.read_limit, written)}

    def look(self, observed: ObservedRun, need: frozenset[Look]) -> ObservedRun:
        cluster, status = self.cluster, observed.run.status
        if Look.JOBS in need:
            jobs = _read_all(reading.read_job, written(cluster.jobs))
            observed = replace(observed, jobs=jobs, jobs_are_live=True)
        if Look.PODS in need:
            attempt = str(status.attempt)
            pods = tuple(
                reading.read_pod(each)
                for each in cluster.pods.values()
                if each["metadata"]["labels"]["penstock.dev/attempt"] == attempt
            )
            observed = replace(observed, pods=pods)
        if Look.IMAGE in need:
            report = status.execution
            pod = cluster.pods.get(report.pod_name) if report is not None else None
            observed = replace(observed, image_id=reading.image_of(pod) if pod else "")
        if Look.EVENTS in need:
            events = tuple(reading.read_event(each) for each in cluster.events)
            observed = replace(observed, events=events)
        if Look.SNAPSHOT in need:
            found = cluster.config_maps.get(
                snapshot_name("daily", code_version=status.code_version or "")
            )
            snapshot = _read(reading.read_config_map, written(found))
            observed = replace(observed, snapshot=snapshot)
        if Look.SOURCE in need:
            found = cluster.config_maps.get("code")
            observed = replace(observed, source=reading.read_config_map(found) if found else None)
        if Look.LIMITS in need:
            limits = self.limits(written(cluster.limits))
            observed = replace(observed, limits=limits, limits_are_live=True)
        if Look.SLOT in need:
            observed = replace(observed, slot=self.slot)
        if Look.RELATIVES in need:
            live = {name: reading.read_relative(each) for name, each in cluster.others.items()}
            found = {name: live.get(name) for name in names_of_relatives(observed.run)}
            observed = replace(observed, relatives=found | observed.relatives)
        return observed

    def plan(self, *, refusal: Refusal | None = None) -> do.Plan:
        observed = replace(self.observe(), refusal=refusal)
        for _ in range(6):
            plan = plan_run(observed, now=self.cluster.now, settings=SETTINGS)
            if not plan.need:
                return plan
            assert not plan.actions
            observed = self.look(observed, plan.need)
        raise AssertionError(f"the plan goes on asking for {plan.need}")

    def execute(self, plan: do.Plan) -> None:
        for action in plan.actions:
            self.cluster.execute(action)
            if self.writes_to_live is not None:
                self.writes_to_live -= 1
                if self.writes_to_live <= 0:
                    raise Died

    def reconcile(self) -> do.Plan:
        """Observe afresh, plan and execute once."""
        self.refresh()
        plan = self.plan()
        try:
            self.execute(plan)
        except Refused as refused:
            self.refresh()
            plan = self.plan(refusal=refused.refusal)
            self.execute(plan)
        return plan

    def settle(self) -> do.Plan:
        """Reconcile until there is nothing to do now."""
        for _ in range(20):
            before = len(self.cluster.writes)
            plan = self.reconcile()
            if len(self.cluster.writes) == before:
                return plan
        raise AssertionError(f"the plans never rest: {self.cluster.writes[-10:]}")

    def wait(self, *, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, and reconcile whenever a plan has asked for it."""
        end = self.cluster.now + timedelta(seconds=seconds)
        plan = self.settle()
        while self.cluster.now < end and not until():
            left = end - self.cluster.now
            self.cluster.now += min(left, plan.requeue_after or left)
            plan = self.settle()


def written(value: Any) -> bytes:
    """Copy JSON, so that equal values are read once; ``copy.deepcopy`` takes long."""
    return marshal.dumps(value, 2)


def _heads(written: bytes) -> dict[str, RunView]:
    """Return the unfinished runs that go on from others, by the first of their chain."""
    found = {}
    for each in marshal.loads(written).values():
        view = reading.read_relative(each)
        if (before := each["spec"].get("continuedFrom")) and not view.is_over:
            found[before["first"]] = view
    return found


@lru_cache(4096)
def _read(read: Callable[[Object], Any], written: bytes) -> Any:
    value = marshal.loads(written)
    return read(value) if value else None


@lru_cache(4096)
def _read_all(read: Callable[[Object], Any], written: bytes) -> tuple[Any, ...]:
    return tuple(read(each) for each in marshal.loads(written).values())
