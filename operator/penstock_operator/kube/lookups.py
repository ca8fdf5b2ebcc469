"""The look-ups that plans ask for: what no watch shows, read when it matters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

from penstock_operator.kube.caches import Name
from penstock_operator.kube.client import FIELD_MANAGER, Client, Object
from penstock_operator.kube.errors import Forbidden, NotFound
from penstock_operator.kube.execute import Witness
from penstock_operator.kube.resources import (
    CONFIG_MAPS,
    EVENTS,
    JOBS,
    LIMITS,
    PODS,
    ROLE_BINDINGS,
    RUNS,
    SERVICE_ACCOUNTS,
    SIGNALS,
    Resource,
)
from penstock_operator.kube.snapshots import SnapshotCache
from penstock_operator.model.flow import Flow
from penstock_operator.model.states import TERMINAL_STATES, State
from penstock_operator.model.workpool import WorkPool
from penstock_operator.reconcile import reading
from penstock_operator.reconcile.names import (
    ATTEMPT_LABEL,
    BACKFILL_LABEL,
    CHAIN_LABEL,
    FLOW_LABEL,
    MANAGED_BY,
    PARENT_LABEL,
    RUN_LABEL,
    RUNNER_ACCOUNT,
    SCHEDULE_LABEL,
    snapshot_name,
)
from penstock_operator.reconcile.observed import (
    Look,
    ObservedFlow,
    ObservedLimit,
    ObservedPool,
    ObservedRun,
    RunnerAccess,
)
from penstock_operator.reconcile.pools import binding_name
from penstock_operator.reconcile.relatives import names_of_relatives
from penstock_operator.reconcile.scheduling.observed import ObservedSchedule, listed_runs
from penstock_operator.reconcile.views import (
    BindingView,
    ConfigMapView,
    EventView,
    FinishedRun,
    JobView,
    LimitView,
    Malformed,
    PodView,
    RunName,
    RunView,
    Series,
    SignalView,
    SnapshotView,
)
from penstock_operator.reconcile.wire import text

_STATES = {str(each): each for each in State}


async def look_for_run(
    client: Client,
    observed: ObservedRun,
    need: Collection[Look],
    *,
    witness: Witness,
    snapshots: SnapshotCache,
) -> ObservedRun:
    """Add to an observation what the plan of a run needs; `witness` learns of live Jobs."""
    meta, status = observed.run.metadata, observed.run.status
    if Look.JOBS in need:
        jobs = await _live_jobs(client, observed, witness=witness)
        observed = replace(observed, jobs=jobs, jobs_are_live=True)
    if Look.PODS in need:
        observed = replace(observed, pods=await _pods_of(client, observed))
    if Look.IMAGE in need:
        observed = replace(observed, image_id=await _image_of(client, observed))
    if Look.EVENTS in need:
        observed = replace(observed, events=await _events_of(client, observed))
    if Look.SNAPSHOT in need:
        flow = observed.run.spec.flow_ref.name
        name = Name(meta.namespace, snapshot_name(flow, code_version=status.code_version or ""))
        observed = replace(observed, snapshot=await _snapshot(client, name, known=snapshots))
    if Look.SOURCE in need:
        source = await _source_of(client, observed.flow)
        observed = replace(observed, source=source)
    if Look.LIMITS in need:
        limits = await _live_limits(client, namespace=meta.namespace, witness=witness)
        observed = replace(observed, limits=limits, limits_are_live=True)
    if Look.RELATIVES in need:
        relatives = await _relatives_of(client, observed, witness=witness)
        observed = replace(observed, relatives=relatives)
    return observed


async def look_for_flow(
    client: Client, observed: ObservedFlow, need: Collection[Look]
) -> ObservedFlow:
    """Add to an observation what the plan of a Flow needs."""
    if Look.SOURCE in need:
        observed = replace(observed, source=await _source_of(client, observed.flow))
    return observed


async def look_for_pool(
    client: Client, observed: ObservedPool, need: Collection[Look]
) -> ObservedPool:
    """Add to an observation what the plan of a WorkPool needs."""
    if Look.ACCESS in need:
        access = await _runner_access(
            client,
            namespace=observed.pool.metadata.namespace,
            binding=binding_name(observed.pool),
        )
        observed = replace(observed, access=access)
    if Look.TEMPLATE in need and isinstance(observed.pool, WorkPool):
        observed = replace(observed, unreadable=await _unreadable(client, observed.pool))
    return observed


async def _unreadable(client: Client, pool: WorkPool) -> str:
    """Try the template in a Job that is not kept: its other faults may be mended by a Flow's."""
    template = pool.spec.pod_template.to_wire() if pool.spec.pod_template is not None else {}
    namespace = pool.metadata.namespace
    job: Object = {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": {"generateName": "template-", "namespace": namespace},
        "spec": {"template": template},
    }
    fault = await client.unreadable(JOBS, namespace=namespace, body=job)
    return fault.replace("spec.template.", "spec.podTemplate.")


async def look_for_limit(client: Client, observed: ObservedLimit) -> ObservedLimit:
    """Add to an observation the runs that a limit names and no watch shows."""
    if isinstance(observed.limit, Malformed):
        return observed
    book, namespace = observed.limit.book, observed.limit.metadata.namespace
    names = {entry.run for entry in (*book.holders, *book.waiting)} - observed.runs.keys()
    found = {name: await _get(client, RUNS, namespace, name) for name in sorted(names)}
    seen = {name: reading.read_relative(run) if run else None for name, run in found.items()}
    return replace(observed, runs={**observed.runs, **seen})


async def _live_limits(client: Client, *, namespace: str, witness: Witness) -> dict[str, LimitView]:
    found: dict[str, LimitView] = {}
    async for page in client.pages(LIMITS, namespace=namespace):
        for raw in page:
            witness.saw(LIMITS, raw)
            limit = reading.read_limit(raw)
            if isinstance(limit, LimitView):
                found[limit.metadata.name] = limit
    return found


async def look_for_schedule(client: Client, observed: ObservedSchedule) -> ObservedSchedule:
    """Add to an observation how the runs stand that a Schedule lists and no watch shows."""
    schedule = observed.schedule
    if isinstance(schedule, Malformed):
        return observed
    listed = listed_runs(schedule)
    unseen = listed - {each.name for each in observed.runs}
    namespace = schedule.metadata.namespace
    states = {name: await _state_of(client, Name(namespace, name)) for name in sorted(unseen)}
    return replace(observed, outcomes=states)


async def _state_of(client: Client, name: Name) -> State | None:
    try:
        run = await client.get(RUNS, namespace=name.namespace, name=name.name)
    except NotFound:
        return None
    return _STATES.get(text(run, "status", "state"), State.SCHEDULED)


async def finished_runs(client: Client, *, namespace: str, flow: str) -> tuple[FinishedRun, ...]:
    """List the finished runs of a Flow, by their metadata only."""
    found: list[FinishedRun] = []
    for state in TERMINAL_STATES:
        fields = f"spec.flowRef.name={flow},status.state={state}"
        async for page in client.pages(
            RUNS, namespace=namespace, fields=fields, metadata_only=True
        ):
            found += [_finished_run(run, successful=state is State.COMPLETED) for run in page]
    return tuple(found)


async def list_snapshots(client: Client, *, namespace: str | None) -> AsyncIterator[SnapshotView]:
    """List the snapshots of a namespace, or of all."""
    managed_by = ",".join(f"{key}={value}" for key, value in MANAGED_BY.items())
    async for page in client.pages(
        CONFIG_MAPS, namespace=namespace, labels=f"{FLOW_LABEL},{managed_by}", metadata_only=True
    ):
        for item in page:
            meta = item["metadata"]
            yield SnapshotView(
                namespace=meta["namespace"],
                name=meta["name"],
                uid=meta["uid"],
                created_at=_time(meta["creationTimestamp"]),
            )


async def list_signals(client: Client, *, namespace: str | None) -> tuple[SignalView, ...]:
    """List all signals of a namespace, or of all, settled ones too."""
    found: list[SignalView] = []
    async for page in client.pages(SIGNALS, namespace=namespace, page_size=100):
        found += [reading.read_signal(signal) for signal in page]
    return tuple(found)


async def list_runs(client: Client, *, namespace: str | None) -> frozenset[RunName]:
    """List all runs of a namespace, or of all, finished ones too."""
    found: set[RunName] = set()
    async for page in client.pages(RUNS, namespace=namespace, metadata_only=True):
        for run in page:
            meta = run["metadata"]
            found.add(RunName(meta["namespace"], meta["name"], meta["uid"]))
    return frozenset(found)


async def _list(client: Client, resource: Resource, **selection: Any) -> list[Object]:
    return [item async for page in client.pages(resource, **selection) for item in page]


async def _live_jobs(
    client: Client, observed: ObservedRun, *, witness: Witness
) -> tuple[JobView, ...]:
    meta = observed.run.metadata
    labels = f"{RUN_LABEL}={meta.name}"
    found = await _list(client, JOBS, namespace=meta.namespace, labels=labels)
    for job in found:
        witness.saw(JOBS, job)
    alive = {job["metadata"]["uid"] for job in found}
    for known in observed.jobs:
        if known.uid not in alive:
            witness.lost(JOBS, namespace=meta.namespace, name=known.name, uid=known.uid)
    return tuple(reading.read_job(job) for job in found)


async def _relatives_of(
    client: Client, observed: ObservedRun, *, witness: Witness
) -> dict[str, RunView | None]:
    """Get what is not known; no watch shows a run that has ended."""
    relatives = dict(observed.relatives)
    for name in names_of_relatives(observed.run) - relatives.keys():
        found = await _get(client, RUNS, observed.run.metadata.namespace, name)
        if found is not None:
            witness.saw(RUNS, found)
        relatives[name] = reading.read_relative(found) if found is not None else None
    return relatives


async def journal_bytes(client: Client, *, namespace: str) -> int:
    """Return how much the journals of a namespace's runs hold, as their runners have told."""
    total = 0
    async for page in client.columns(RUNS, "Journal", namespace=namespace):
        total += sum(each for each in page if isinstance(each, int))
    return total


async def _get(client: Client, resource: Resource, namespace: str, name: str) -> Object | None:
    try:
        return await client.get(resource, namespace=namespace, name=name)
    except NotFound:
        return None


async def _pods_of(client: Client, observed: ObservedRun) -> tuple[PodView, ...]:
    meta = observed.run.metadata
    labels = f"{RUN_LABEL}={meta.name},{ATTEMPT_LABEL}={observed.run.status.attempt}"
    found = await _list(client, PODS, namespace=meta.namespace, labels=labels)
    return tuple(reading.read_pod(pod) for pod in found)


async def _image_of(client: Client, observed: ObservedRun) -> str:
    """Return what the pod that has reported runs; an answer is not worth holding the run up."""
    report = observed.run.status.execution
    if report is None:
        return ""
    try:
        pod = await client.get(
            PODS, namespace=observed.run.metadata.namespace, name=report.pod_name
        )
    except (NotFound, Forbidden):
        return ""
    return reading.image_of(pod) if text(pod, "metadata", "uid") == report.pod_uid else ""


async def _events_of(client: Client, observed: ObservedRun) -> tuple[EventView, ...]:
    """List the Events about the current attempt's Jobs and pods."""
    attempt = observed.run.status.attempt
    about = [job.uid for job in observed.jobs if job.attempt == attempt]
    about += [pod.uid for pod in observed.pods] if isinstance(observed.pods, tuple) else []
    found: list[EventView] = []
    for uid in about:
        events = await _list(
            client,
            EVENTS,
            namespace=observed.run.metadata.namespace,
            fields=f"involvedObject.uid={uid}",
        )
        found += [reading.read_event(event) for event in events]
    return tuple(found)


async def _source_of(client: Client, flow: object) -> ConfigMapView | None:
    if not isinstance(flow, Flow) or flow.spec.source.config_map is None:
        return None
    name = flow.spec.source.config_map.name
    return await _config_map(client, flow.metadata.namespace, name)


async def _snapshot(client: Client, name: Name, *, known: SnapshotCache) -> ConfigMapView | None:
    found = known.get(name)
    if found is None:
        found = await _config_map(client, name.namespace, name.name)
        if found is not None:
            known.put(name, found)
    return found


async def _config_map(client: Client, namespace: str, name: str) -> ConfigMapView | None:
    found = await _get(client, CONFIG_MAPS, namespace, name)
    return reading.read_config_map(found) if found is not None else None


async def _runner_access(client: Client, *, namespace: str, binding: str) -> RunnerAccess:
    account = await _get(client, SERVICE_ACCOUNTS, namespace, RUNNER_ACCOUNT)
    bound = await _get(client, ROLE_BINDINGS, namespace, binding)
    return RunnerAccess(
        service_accounts=frozenset() if account is None else frozenset({RUNNER_ACCOUNT}),
        bindings=() if bound is None else (_binding(bound),),
    )


def _binding(binding: Object) -> BindingView:
    meta = binding["metadata"]
    return BindingView(
        name=meta["name"],
        role=binding["roleRef"]["name"] if binding["roleRef"]["kind"] == "ClusterRole" else "",
        service_accounts=frozenset(
            subject["name"]
            for subject in binding.get("subjects") or ()
            if subject["kind"] == "ServiceAccount"
            and subject.get("namespace", meta["namespace"]) == meta["namespace"]
        ),
    )


def _finished_run(run: Object, *, successful: bool) -> FinishedRun:
    meta = run["metadata"]
    labels = meta.get("labels") or {}
    return FinishedRun(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        successful=successful,
        finished_at=_finished_at(meta),
        parent=labels.get(PARENT_LABEL, ""),
        chain=labels.get(CHAIN_LABEL, meta["name"]),
        series=Series(labels.get(SCHEDULE_LABEL, ""), labels.get(BACKFILL_LABEL, "")),
    )


def _finished_at(meta: Object) -> datetime:
    """Return when the operator last wrote the run, which its end was."""
    written = [
        _time(entry["time"])
        for entry in meta.get("managedFields") or ()
        if entry.get("manager") == FIELD_MANAGER and "time" in entry
    ]
    return max(written, default=_time(meta["creationTimestamp"]))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
