"""One run under consideration: the observations, and the questions that every decision asks."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from penstock_operator.model.execution import Execution, Outcome, Suspension
from penstock_operator.model.flow import Flow
from penstock_operator.model.flowrun import FlowRun, FlowRunStatus
from penstock_operator.reconcile import images
from penstock_operator.reconcile.actions import (
    Action,
    DeleteJob,
    PatchRunStatus,
    Plan,
    Propagation,
    target_of,
)
from penstock_operator.reconcile.code import Code, Fault, code_from, code_of
from penstock_operator.reconcile.names import job_name
from penstock_operator.reconcile.observed import Look, NotLooked, ObservedRun
from penstock_operator.reconcile.settings import Settings
from penstock_operator.reconcile.status import is_news, second
from penstock_operator.reconcile.views import JobView, PodView


class NeedError(Exception):
    """A decision cannot be made without a look-up; `plan_run` turns it into `Plan.need`."""

    def __init__(self, *looks: Look) -> None:
        super().__init__(*looks)
        self.looks = frozenset(looks)


@dataclass(frozen=True, slots=True)
class RunCase:
    """What is known of a run, at a moment, under the settings."""

    observed: ObservedRun
    now: datetime
    settings: Settings

    @property
    def run(self) -> FlowRun:
        return self.observed.run

    @property
    def status(self) -> FlowRunStatus:
        return self.run.status

    @property
    def name(self) -> str:
        return self.run.metadata.name

    @property
    def jobs(self) -> tuple[JobView, ...]:
        """The Jobs of this very run; those of an earlier run of its name belong to another uid."""
        uid = self.run.metadata.uid
        return tuple(each for each in self.observed.jobs if each.owner_uid == uid)

    @property
    def job(self) -> JobView | None:
        """The Job of the current attempt."""
        name = job_name(self.name, attempt=self.status.attempt)
        return next((each for each in self.jobs if each.name == name), None)

    @property
    def report(self) -> Execution | None:
        """What the current attempt has reported; reports of older attempts say nothing."""
        report = self.status.execution
        return report if report is not None and report.attempt == self.status.attempt else None

    @property
    def outcome(self) -> Outcome | None:
        return self.report.outcome if self.report is not None else None

    @property
    def suspension(self) -> Suspension | None:
        """Why the current attempt has left without an outcome, if it has."""
        return self.report.suspension if self.report is not None else None

    @property
    def started_at(self) -> datetime | None:
        """When the run's first runner reported; its clock is not trusted beyond our own."""
        if self.status.started_at is not None or self.report is None:
            return self.status.started_at
        said = self.report.started_at or self.now
        earliest = self.run.metadata.creation_timestamp or said
        return second(min(max(said, earliest), self.now))

    @property
    def age(self) -> timedelta:
        created = self.run.metadata.creation_timestamp
        return self.now - created if created is not None else timedelta.max

    def code_now(self) -> Code | Fault:
        """Take the code of the Flow as it is now; the Flow is known to exist."""
        flow = self.observed.flow
        assert isinstance(flow, Flow)
        if flow.spec.source.config_map is None:
            return code_of(flow, source=None)
        if isinstance(self.observed.source, NotLooked):
            raise NeedError(Look.SOURCE)
        return code_of(flow, source=self.observed.source)

    def pinned_code(self) -> Code | None:
        """Read the code that this run started with; None if its snapshot is lost."""
        version = self.status.code_version
        if version is None:
            return None
        if isinstance(self.observed.snapshot, NotLooked):
            raise NeedError(Look.SNAPSHOT)
        flow = self.run.spec.flow_ref.name
        if self.observed.snapshot is not None:
            code = code_from(self.observed.snapshot, flow=flow, version=version)
            if code is not None:
                return code
        if isinstance(self.observed.flow, Flow):
            current = self.code_now()
            if isinstance(current, Code) and current.version == version:
                return current
        return None

    def pods(self, *more: Look) -> tuple[PodView, ...]:
        """The pods of the current attempt, newest first; asks for a look if none was taken."""
        if isinstance(self.observed.pods, NotLooked):
            raise NeedError(Look.PODS, *more)
        job = self.job
        born = self.run.metadata.creation_timestamp
        if job is not None:
            own = [each for each in self.observed.pods if each.owner_uid == job.uid]
        else:
            own = [each for each in self.observed.pods if born is None or each.created_at >= born]
        return tuple(sorted(own, key=lambda each: (each.created_at, each.name), reverse=True))

    def reporting_pod(self) -> PodView | None:
        """The pod that has claimed the attempt, else its newest one."""
        pods = self.pods()
        uid = self.report.pod_uid if self.report is not None else ""
        return next((each for each in pods if each.uid == uid), pods[0] if pods else None)

    def image_id(self) -> str:
        """What the pod that has reported runs; empty if nobody can tell."""
        if isinstance(self.observed.image_id, NotLooked):
            raise NeedError(Look.IMAGE)
        return self.observed.image_id

    def patch(
        self, status: FlowRunStatus, *, recovered_from: str = "", woken_by: str = ""
    ) -> tuple[Action, ...]:
        """Write the status, if it says anything new."""
        if not is_news(status, run=self.run):
            return ()
        if self.report is not None and images.is_over(status, before=self.status):
            status = images.with_image(status, found=self.image_id())
        target = target_of(self.run.metadata)
        ended = status.state is not None and status.state.is_terminal
        is_last_word = ended or (status.attempt or 0) > self.status.attempt
        return (
            PatchRunStatus(
                target,
                status,
                ended=ended,
                recovered_from=recovered_from,
                woken_by=woken_by,
                unstored=self._unstored() if is_last_word else 0,
            ),
        )

    def _unstored(self) -> int:
        """How many results the attempt could not store, as far as it has reported."""
        journal = self.report.journal if self.report is not None else None
        return (journal.unstored or 0) if journal is not None else 0

    def deletions(
        self, jobs: tuple[JobView, ...], *, propagation: Propagation = Propagation.BACKGROUND
    ) -> tuple[Action, ...]:
        """Delete those Jobs that are neither finished nor being deleted."""
        return tuple(
            DeleteJob(
                namespace=self.run.metadata.namespace,
                name=each.name,
                uid=each.uid,
                propagation=propagation,
            )
            for each in jobs
            if not each.is_finished and each.deletion_requested_at is None
        )

    def superseded(self) -> tuple[JobView, ...]:
        """Jobs of attempts before the current one."""
        return tuple(each for each in self.jobs if each.attempt < self.status.attempt)


def after(delay: timedelta, *actions: Action) -> Plan:
    """Carry out the actions, and come back after a delay."""
    return Plan(actions=actions, requeue_after=max(delay, timedelta(milliseconds=100)))
