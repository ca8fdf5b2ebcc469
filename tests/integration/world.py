"""Everything around the operator that an API server alone does not have.

`World` makes the objects of people (Flows, pools, runs), and plays the job controller, the kubelet
and the runner one step at a time. `Automaton` plays the last three by itself, for tests that only
care about the end. `Operator` runs an operator in a thread, and can end it as a SIGKILL would.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

from tests.integration.apiserver import GROUP, ApiServer, Object, Refused

from penstock_operator.app.build import App, build_app
from penstock_operator.app.options import Options
from penstock_operator.kube.connection import connect
from penstock_operator.kube.errors import Unavailable
from penstock_operator.kube.lease import LeaseTimes
from penstock_operator.kube.resources import Resource
from penstock_operator.kube.transport import HttpTransport, Request, Response, Transport
from penstock_operator.reconcile.settings import Settings

T = TypeVar("T")

TERMINAL = ("Completed", "Failed", "Crashed", "Cancelled")


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def eventually(fact: Callable[[], T | None], *, within: float = 60.0, what: str = "") -> T:
    """Return a fact once it is true."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if found := fact():
            return found
        time.sleep(0.02)
    raise AssertionError(f"did not happen within {within} s: {what or fact}")


@dataclass(frozen=True, slots=True)
class World:
    """One namespace, and all who act in it but the operator."""

    api: ApiServer
    namespace: str

    @contextmanager
    def neighbour(self) -> Iterator[World]:
        """Another namespace, for a while."""
        name = f"it-{uuid.uuid4().hex[:8]}"
        self.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        try:
            yield World(self.api, name)
        finally:
            self.api.delete(f"/api/v1/namespaces/{name}")

    def path(self, plural: str, name: str = "", subresource: str = "") -> str:
        root = {
            "jobs": "/apis/batch/v1",
            "pods": "/api/v1",
            "events": "/api/v1",
            "configmaps": "/api/v1",
            "serviceaccounts": "/api/v1",
            "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
            "leases": "/apis/coordination.k8s.io/v1",
        }.get(plural, GROUP)
        parts = [root, "namespaces", self.namespace, plural, name, subresource]
        return "/".join(part for part in parts if part)

    def get(self, plural: str, name: str) -> Object | None:
        try:
            return self.api.get(self.path(plural, name))
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def list(self, plural: str, **query: str) -> list[Object]:
        return list(self.api.get(self.path(plural), **query)["items"])

    # What people do

    def create(self, plural: str, kind: str, name: str, spec: Object) -> Object:
        return self.api.create(
            self.path(plural),
            {
                "apiVersion": "penstock.dev/v1alpha1",
                "kind": kind,
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": spec,
            },
        )

    def create_pool(self, name: str = "default", **spec: Any) -> Object:
        return self.create("workpools", "WorkPool", name, spec)

    def create_flow(self, name: str = "daily", **spec: Any) -> Object:
        source = {"inline": {"files": {"flow.py": "def daily(): ..."}}}
        spec = {"source": source, "entrypoint": "flow.py:daily"} | spec
        return self.create("flows", "Flow", name, spec)

    def create_run(self, name: str, flow: str = "daily", **spec: Any) -> Object:
        return self.create("flowruns", "FlowRun", name, {"flowRef": {"name": flow}, **spec})

    def start_run(self, run: str = "one", **spec: Any) -> None:
        """Make a run whose first attempt has reported."""
        self.create_pool()
        self.create_flow()
        self.create_run(run, **spec)
        self.wait_for_job(f"{run}-1")
        self.start_job(f"{run}-1")
        self.report(run, attempt=1)
        self.wait_for_state(run, "Running")

    def change(self, plural: str, name: str, spec: Object) -> Object:
        return self.api.merge(self.path(plural, name), {"spec": spec})

    def cancel(self, run: str) -> Object:
        return self.change("flowruns", run, {"cancel": True})

    def suspend(self, run: str, *, suspend: bool = True) -> Object:
        return self.change("flowruns", run, {"suspend": suspend})

    def send(self, run: str, signal: str, *, name: str = "hello", **spec: Any) -> Object:
        given = {"flowRunRef": {"name": run}, "name": signal, "sender": "ada"}
        return self.create("signals", "Signal", name, given | spec)

    # What can be seen

    def status(self, run: str) -> Object:
        found = self.get("flowruns", run)
        return (found or {}).get("status") or {}

    def wait_for_state(self, run: str, *states: str, within: float = 60.0) -> Object:
        def reached() -> Object | None:
            status = self.status(run)
            return status if status.get("state") in states else None

        try:
            return eventually(reached, within=within, what=f"{run} {states}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.status(run)}") from None

    def wait_for_reason(self, run: str, reason: str, *, within: float = 60.0) -> Object:
        def reached() -> Object | None:
            status = self.status(run)
            return status if status.get("reason") == reason else None

        try:
            return eventually(reached, within=within, what=f"{run} {reason}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.status(run)}") from None

    def wait_for_job(self, name: str, *, within: float = 60.0) -> Object:
        return eventually(lambda: self.get("jobs", name), within=within, what=f"Job {name}")

    def jobs_of(self, run: str) -> list[Object]:
        return self.list("jobs", labelSelector=f"penstock.dev/run={run}")

    def condition(self, run: str, kind: str) -> str | None:
        for each in self.status(run).get("conditions") or ():
            if each["type"] == kind:
                return str(each["status"])
        return None

    # What the job controller and the kubelet do

    def set_job_status(self, name: str, **status: Any) -> Object:
        if "startTime" in status:  # it cannot be changed once it is set
            known = (self.get("jobs", name) or {}).get("status") or {}
            status["startTime"] = known.get("startTime") or status["startTime"]
        return self.api.merge(self.path("jobs", name, "status"), {"status": status})

    def start_job(self, name: str) -> Object:
        return self.set_job_status(name, startTime=now(), active=1, ready=1)

    def complete_job(self, name: str) -> Object:
        return self.set_job_status(
            name,
            startTime=now(),
            completionTime=now(),
            active=0,
            ready=0,
            succeeded=1,
            conditions=[_condition("SuccessCriteriaMet"), _condition("Complete")],
        )

    def fail_job(
        self, name: str, *, reason: str = "PodFailurePolicy", message: str = "pod failed"
    ) -> Object:
        return self.set_job_status(
            name,
            startTime=now(),
            active=0,
            ready=0,
            failed=1,
            conditions=[
                _condition("FailureTarget", reason=reason, message=message),
                _condition("Failed", reason=reason, message=message),
            ],
        )

    def create_pod(self, job: Object, *, status: Object | None = None) -> Object:
        """Create the pod of a Job, as the job controller would, with a status by the kubelet."""
        name = f"{job['metadata']['name']}-abcde"
        template = job["spec"]["template"]
        spec = {
            **template["spec"],
            "containers": [{"name": "flow", "image": "none"}],
            "serviceAccountName": "",
            "volumes": [],
        }
        body = {
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": template["metadata"]["labels"],
                "ownerReferences": [
                    {
                        "apiVersion": "batch/v1",
                        "kind": "Job",
                        "name": job["metadata"]["name"],
                        "uid": job["metadata"]["uid"],
                        "controller": True,
                    }
                ],
            },
            "spec": spec,
        }
        self._ensure_default_account()
        pod = self.api.create(self.path("pods"), body)
        if status is not None:
            pod = self.set_pod_status(name, status)
        return pod

    def set_pod_status(self, name: str, status: Object) -> Object:
        return self.api.merge(self.path("pods", name, "status"), {"status": status})

    def create_event(self, about: Object, kind: str, *, reason: str, message: str) -> Object:
        return self.api.create(
            self.path("events"),
            {
                "metadata": {"generateName": "e-", "namespace": self.namespace},
                "involvedObject": {
                    "kind": kind,
                    "name": about["metadata"]["name"],
                    "namespace": self.namespace,
                    "uid": about["metadata"]["uid"],
                },
                "type": "Warning",
                "reason": reason,
                "message": message,
                "firstTimestamp": now(),
                "lastTimestamp": now(),
                "count": 1,
            },
        )

    def remove_job(self, name: str) -> None:
        """Delete a Job and finish what the garbage collector would."""
        with suppress(Refused):
            self.api.request("DELETE", self.path("jobs", name), {"propagationPolicy": "Background"})
        self.finish_deletion("jobs", name)

    def finish_deletion(self, plural: str, name: str) -> None:
        """Take off the finalizer that the garbage collector would take off."""
        with suppress(Refused):
            self.api.merge(self.path(plural, name), {"metadata": {"finalizers": None}})

    def _ensure_default_account(self) -> None:
        # Without a controller manager, nobody makes the account that pods need.
        with suppress(Refused):
            self.api.create(
                self.path("serviceaccounts"),
                {"metadata": {"name": "default", "namespace": self.namespace}},
            )

    # What the runner does

    def report(self, run: str, *, attempt: int, pod_uid: str = "pod-1", **execution: Any) -> Object:
        body = {
            "apiVersion": "penstock.dev/v1alpha1",
            "kind": "FlowRun",
            "metadata": {"name": run, "namespace": self.namespace},
            "status": {
                "execution": {
                    "protocol": 1,
                    "attempt": attempt,
                    "podName": f"{run}-{attempt}-abcde",
                    "podUID": pod_uid,
                    "startedAt": now(),
                    "updatedAt": now(),
                    **execution,
                }
            },
        }
        path = self.path("flowruns", run, "status")
        return self.api.apply(path, body, manager="penstock-runner")

    def report_outcome(
        self,
        run: str,
        state: str = "Completed",
        *,
        attempt: int,
        reason: str = "",
        message: str = "Done.",
        **execution: Any,
    ) -> Object:
        outcome = {
            "state": state,
            "reason": reason or state,
            "message": message,
            "finishedAt": now(),
        }
        return self.report(run, attempt=attempt, progress="1/1", outcome=outcome, **execution)

    def leave(
        self,
        run: str,
        kind: str = "Sleep",
        *,
        attempt: int,
        seconds: float | None = None,
        settled: dict[str, str] | None = None,
        values: Object | None = None,
        journal: Object | None = None,
        **more: Any,
    ) -> Object:
        """Report that the run waits without a pod, and end its Job as a pod that exits with 0."""
        began = datetime.now(UTC)
        suspension = {"kind": kind, "since": began.isoformat()} | more
        if seconds is not None:
            suspension["until"] = (began + timedelta(seconds=seconds)).isoformat()
        signals = [{"name": name, "state": state} for name, state in (settled or {}).items()]
        reported = self.report(
            run,
            attempt=attempt,
            suspension=suspension,
            signals=signals,
            values=values or {},
            journal=journal or {},
        )
        self.complete_job(f"{run}-{attempt}")
        return reported


def _condition(kind: str, *, reason: str = "", message: str = "") -> Object:
    return {
        "type": kind,
        "status": "True",
        "lastProbeTime": now(),
        "lastTransitionTime": now(),
        "reason": reason,
        "message": message,
    }


class Automaton:
    """Runs every Job of a namespace to a good end, as cluster and runner would."""

    def __init__(self, world: World, *, interval: float = 0.02) -> None:
        self._world = world
        self._interval = interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="automaton", daemon=True)
        self._done: set[str] = set()
        self.errors: list[Exception] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            try:
                for job in self._world.list("jobs", labelSelector="penstock.dev/run"):
                    self._play(job)
            except Exception as error:
                self.errors.append(error)

    def _play(self, job: Object) -> None:
        meta = job["metadata"]
        if meta.get("deletionTimestamp"):
            self._world.finish_deletion("jobs", meta["name"])
            return
        if meta["uid"] in self._done:
            return
        self._done.add(meta["uid"])
        run, attempt = meta["labels"]["penstock.dev/run"], meta["labels"]["penstock.dev/attempt"]
        with suppress(Refused):
            self._world.start_job(meta["name"])
            self._world.report(run, attempt=int(attempt), progress="0/1")
            self._world.report_outcome(run, attempt=int(attempt))
            self._world.complete_job(meta["name"])


class Counting:
    """A transport that notes each request that the API server answered."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.requests: list[Request] = []

    async def send(self, request: Request) -> Response:
        response = await self._inner.send(request)
        self.requests.append(request)
        return response

    async def close(self) -> None:
        await self._inner.close()

    def writes(self, *, of: str = "") -> list[str]:
        """Return the writes, or those of objects with this in their names."""
        return [
            f"{request.method} {request.resource}"
            for request in self.requests
            if request.is_write and of in f"{request.path} {_name_in(request.body)}"
        ]


def _name_in(body: Mapping[str, Any] | None) -> str:
    return str((body or {}).get("metadata", {}).get("name", ""))


class Mortal:
    """A transport that dies after its n-th request: that one is carried out, none after it."""

    def __init__(self, inner: Transport, *, after: int | None = None) -> None:
        self._inner = inner
        self._left = after
        self.dead = threading.Event()
        self.last: Request | None = None

    async def send(self, request: Request) -> Response:
        if self.dead.is_set():
            raise Unavailable("this process is dead")
        response = await self._inner.send(request)
        if self._left is not None:
            self._left -= 1
            self.last = request
            if self._left <= 0:
                self.dead.set()
                raise Unavailable("this process died")
        return response

    async def close(self) -> None:
        await self._inner.close()


@dataclass(slots=True)
class Operator:
    """An operator in a thread of its own, serving one namespace."""

    kubeconfig: Path
    namespace: str
    dies_after: int | None = None
    """Number of API calls, the Lease's apart, after which it dies."""
    lease_times: LeaseTimes = field(default_factory=LeaseTimes)
    settings: Settings = field(
        default_factory=lambda: Settings(
            runner_image="penstock-runner:test", runner_cluster_role="penstock-runner"
        )
    )
    lease_name: str = "penstock-operator"
    workers: int = 16
    deaf_to: set[str] = field(default_factory=set)
    """Plurals of the kinds whose events get lost."""
    first_resync_seconds: float = 15.0
    resync_seconds: float = 300.0
    wrap: Callable[[Transport], Transport] = lambda transport: transport
    identity: str = field(default_factory=lambda: f"operator-{uuid.uuid4().hex[:6]}")
    app: App | None = field(default=None, init=False)
    calls: Counting | None = field(default=None, init=False)
    mortal: Mortal | None = field(default=None, init=False)
    error: BaseException | None = field(default=None, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)
    _stop: asyncio.Event | None = field(default=None, init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    _lease_line: Mortal | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._main, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(60)
        return self

    def stop(self) -> None:
        """End it as SIGTERM does."""
        assert self._loop is not None
        assert self._stop is not None
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        self.join()

    def kill(self) -> None:
        """End it as SIGKILL does: nothing it would do on its way out reaches the API server."""
        assert self._loop is not None
        assert self._task is not None
        assert self._lease_line is not None
        assert self.mortal is not None
        self.mortal.dead.set()
        self._lease_line.dead.set()
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._task.cancel)
        self.join()

    def join(self, *, within: float = 60.0) -> None:
        assert self._thread is not None
        self._thread.join(within)
        assert not self._thread.is_alive(), "the operator does not end"

    @property
    def is_acting(self) -> bool:
        return self.app is not None and self.app.health.synced

    def wait_until_acting(self, *, within: float = 60.0) -> Self:
        eventually(lambda: self.is_acting or self.error, within=within, what="operator acts")
        assert self.error is None, self.error
        return self

    def _lose_events(self, app: App) -> None:
        hear = app._notice

        def notice(resource: Resource, event: str | None, obj: Object) -> None:
            if resource.plural not in self.deaf_to:
                hear(resource, event, obj)

        app._notice = notice  # type: ignore[method-assign] # a broken watch cannot be had otherwise

    def _main(self, ready: threading.Event) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._run(ready))

    async def _run(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        connection = await connect(kubeconfig=str(self.kubeconfig))
        self.calls = Counting(self.wrap(HttpTransport(connection)))
        self.mortal = Mortal(self.calls, after=self.dies_after)
        self._lease_line = Mortal(HttpTransport(connection))
        options = Options(
            settings=self.settings,
            namespaces=(self.namespace,),
            http_port=0,
            lease_namespace=self.namespace,
            lease_name=self.lease_name,
            lease_times=self.lease_times,
            identity=self.identity,
            workers=self.workers,
            first_resync_seconds=self.first_resync_seconds,
            resync_seconds=self.resync_seconds,
        )
        self.app = build_app(
            options, connection, transport=self.mortal, lease_transport=self._lease_line
        )
        self._lose_events(self.app)
        self._task = asyncio.create_task(self.app.run(self._stop), name="operator")
        ready.set()
        try:
            await self._task
        except Exception as error:
            self.error = error
        finally:
            # aiohttp closes TLS connections a moment after its sessions.
            await asyncio.sleep(0.1)
