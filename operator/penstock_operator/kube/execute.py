"""Carries out the actions of a plan: one call each, in order, ending at the first that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol

from penstock_operator.kube.client import Client, Object
from penstock_operator.kube.errors import AlreadyExists, ApiError, Conflict, NotFound, Terminating
from penstock_operator.kube.resources import (
    CONFIG_MAPS,
    EVENTS,
    FLOWS,
    JOBS,
    LIMITS,
    POOLS,
    ROLE_BINDINGS,
    RUNS,
    SCHEDULES,
    SERVICE_ACCOUNTS,
    SIGNALS,
    Resource,
)
from penstock_operator.model.schema import JsonObject
from penstock_operator.reconcile import actions
from penstock_operator.reconcile.observed import Refusal

_REFUSED_FOR_GOOD = (400, 403, 413, 422)
_WITH_STATUS = {
    actions.PatchFlowStatus: FLOWS,
    actions.PatchPoolStatus: POOLS,
    actions.PatchScheduleStatus: SCHEDULES,
}
_MADE_ONCE = {
    actions.CreateSnapshot: CONFIG_MAPS,
    actions.EnsureServiceAccount: SERVICE_ACCOUNTS,
}
_DELETED = {
    actions.DeleteSnapshot: CONFIG_MAPS,
    actions.DeleteSignal: SIGNALS,
    actions.DeleteRun: RUNS,
}


class JobRefusedError(Exception):
    """The API server will not have the Job as it is; the next plan decides what that means."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Witness(Protocol):
    """Hears what the answers to our own writes tell about watched objects."""

    def saw(self, resource: Resource, obj: Object) -> None: ...

    def lost(self, resource: Resource, *, namespace: str, name: str, uid: str) -> None: ...


class Executor:
    """Turns actions into calls.

    `witness` learns the answers (read your writes); `done` hears of each action carried out.
    """

    def __init__(
        self, client: Client, *, witness: Witness, done: Callable[[actions.Action], None]
    ) -> None:
        self._client = client
        self._witness = witness
        self._done = done

    async def carry_out(self, plan: Iterable[actions.Action]) -> None:
        """Carry out actions in order; raises ApiError or JobRefusedError and leaves the rest."""
        for action in plan:
            await self._carry_out(action)
            self._done(action)

    async def _carry_out(self, action: actions.Action) -> None:
        match action:
            case actions.PatchRunStatus():
                status = {k: v for k, v in action.status.to_wire().items() if k != "execution"}
                await self._apply_status(RUNS, action.target, status)
            case (
                actions.PatchFlowStatus()
                | actions.PatchPoolStatus()
                | actions.PatchScheduleStatus()
            ):
                kind = _WITH_STATUS[type(action)]
                await self._apply_status(kind, action.target, action.status.to_wire())
            case actions.PutLimitStatus() | actions.PatchSignalStatus():
                await self._write_shared(action)
            case actions.TellEvent():
                with suppress(ApiError):
                    namespace, _ = _name_of(action.manifest)
                    await self._client.create(EVENTS, namespace=namespace, body=action.manifest)
            case actions.CreateRun():
                await self._create_run(action.manifest)
            case actions.CancelRun():
                await self._cancel_run(action)
            case actions.CreateJob():
                await self._create_job(action)
            case actions.DeleteJob():
                await self._delete_job(action)
            case actions.CreateSnapshot() | actions.EnsureServiceAccount():
                await self._create_once(_MADE_ONCE[type(action)], action.manifest)
            case actions.EnsureRoleBinding():
                await self._ensure_role_binding(action)
            case actions.DeleteSnapshot() | actions.DeleteSignal() | actions.DeleteRun():
                await self._delete(
                    _DELETED[type(action)],
                    namespace=action.namespace,
                    name=action.name,
                    uid=action.uid,
                )

    async def _write_shared(
        self, action: actions.PutLimitStatus | actions.PatchSignalStatus
    ) -> None:
        """Write what runners write too."""
        if isinstance(action, actions.PutLimitStatus):
            await self._write_status(LIMITS, action.target, action.manifest, whole=True)
            return
        with suppress(NotFound):  # somebody took it back
            await self._apply_status(SIGNALS, action.target, action.status.to_wire())

    async def _apply_status(
        self, resource: Resource, target: actions.Target, status: JsonObject
    ) -> None:
        body: Object = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {
                "namespace": target.namespace,
                "name": target.name,
                "uid": target.uid,
                "resourceVersion": target.resource_version,
            },
            "status": status,
        }
        await self._write_status(resource, target, body)

    async def _write_status(
        self, resource: Resource, target: actions.Target, body: Object, *, whole: bool = False
    ) -> None:
        write = self._client.replace if whole else self._client.apply
        try:
            written = await write(resource, body, subresource="status")
        except Conflict:
            await self._look_again(resource, target)
            raise
        except NotFound:
            self._witness.lost(
                resource, namespace=target.namespace, name=target.name, uid=target.uid
            )
            raise
        self._witness.saw(resource, written)

    async def _look_again(self, resource: Resource, target: actions.Target) -> None:
        """Learn what the write conflicted with, so that the next try does not depend on a watch."""
        try:
            found = await self._client.get(resource, namespace=target.namespace, name=target.name)
        except NotFound:
            self._witness.lost(
                resource, namespace=target.namespace, name=target.name, uid=target.uid
            )
        else:
            self._witness.saw(resource, found)

    async def _create_job(self, action: actions.CreateJob) -> None:
        namespace, name = _name_of(action.manifest)
        try:
            # A pool's template may hold any field: one that is misspelt is not to be dropped.
            job = await self._client.create(
                JOBS, namespace=namespace, body=action.manifest, strictly=True
            )
        except AlreadyExists as error:
            job = await self._adopt_job(namespace, name, owner_uid=action.owner_uid, error=error)
        except ApiError as error:
            if error.status in _REFUSED_FOR_GOOD and not isinstance(error, Terminating):
                raise JobRefusedError(Refusal(error.status, error.message)) from error
            raise
        self._witness.saw(JOBS, job)

    async def _adopt_job(
        self, namespace: str, name: str, *, owner_uid: str, error: AlreadyExists
    ) -> Object:
        """Return the Job that stands in the way if it is the run's own."""
        try:
            job = await self._client.get(JOBS, namespace=namespace, name=name)
        except NotFound:
            raise Conflict(f"The Job {name} vanished while it was being created.") from error
        if controller_of(job) == owner_uid:
            return job
        raise JobRefusedError(
            Refusal(
                409,
                f"A Job named {name} exists that does not belong to this run; "
                "delete it, or create the run under another name.",
            )
        ) from error

    async def _create_run(self, manifest: JsonObject) -> None:
        namespace, name = _name_of(manifest)
        try:
            run = await self._client.create(RUNS, namespace=namespace, body=manifest)
        except AlreadyExists:
            try:
                run = await self._client.get(RUNS, namespace=namespace, name=name)
            except NotFound:
                return  # it was there, and was deleted since
        self._witness.saw(RUNS, run)

    async def _cancel_run(self, action: actions.CancelRun) -> None:
        meta = {"namespace": action.namespace, "name": action.name, "uid": action.uid}
        body: Object = {
            "apiVersion": RUNS.api_version,
            "kind": RUNS.kind,
            "metadata": meta,
            "spec": {"cancel": True},
        }
        try:
            run = await self._client.apply(RUNS, body)
        except (NotFound, Conflict):
            return
        self._witness.saw(RUNS, run)

    async def _delete_job(self, action: actions.DeleteJob) -> None:
        try:
            answer = await self._client.delete(
                JOBS,
                namespace=action.namespace,
                name=action.name,
                uid=action.uid,
                propagation=str(action.propagation),
            )
        except (NotFound, Conflict):
            answer = {}
        if answer.get("kind") == JOBS.kind:
            self._witness.saw(JOBS, answer)
        else:
            self._witness.lost(JOBS, namespace=action.namespace, name=action.name, uid=action.uid)

    async def _create_once(self, resource: Resource, manifest: JsonObject) -> None:
        namespace, _ = _name_of(manifest)
        try:
            await self._client.create(resource, namespace=namespace, body=manifest)
        except AlreadyExists:
            return

    async def _ensure_role_binding(self, action: actions.EnsureRoleBinding) -> None:
        namespace, name = _name_of(action.manifest)
        if action.replace:
            await self._delete(ROLE_BINDINGS, namespace=namespace, name=name)
        await self._client.apply(ROLE_BINDINGS, action.manifest)

    async def _delete(
        self, resource: Resource, *, namespace: str, name: str, uid: str | None = None
    ) -> None:
        try:
            await self._client.delete(resource, namespace=namespace, name=name, uid=uid)
        except (NotFound, Conflict):
            return


def controller_of(obj: Object) -> str:
    """Return the uid of the object's controller, or nothing."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return str(owner.get("uid", ""))
    return ""


def _name_of(manifest: JsonObject) -> tuple[str, str]:
    meta = manifest["metadata"]
    assert isinstance(meta, dict)
    return str(meta["namespace"]), str(meta["name"])
