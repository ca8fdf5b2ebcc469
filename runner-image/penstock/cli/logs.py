"""What a run printed: the log of its pod, as long as there is one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from penstock.cli.cluster import Cluster, Object
from penstock.cli.errors import ApiError, CommandError, UnreachableError
from penstock.cli.following import LONGEST_PAUSE, PATIENCE_SECONDS, read_run
from penstock.cli.outcome import is_final, state_of
from penstock.cli.output import say

CONTAINER = "flow"
POLL_SECONDS = 1.0

Write = Callable[[bytes], object]


class LogReader:
    """Copies the logs of one run's pods, the bytes as they are."""

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        *,
        write: Write,
        tell: Callable[[str], None] = say,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._cluster = cluster
        self._name = name
        self._write = write
        self._tell = tell
        self._pause = pause
        self._told = ""

    def read(self, *, attempt: int | None) -> None:
        """Copy what an attempt, or the present one, has printed so far."""
        pod, _ = self._await_pod(attempt)
        self._pour(pod, skip=0, follow=False)

    def follow(self, *, attempt: int | None) -> None:
        """Copy what is printed until the attempt ends, or, if none was named, the run."""
        copied = 0
        while True:
            pod, present = self._await_pod(attempt, after=copied)
            self._copy_whole(pod)
            if attempt is not None or not self._goes_on_after(present):
                return
            copied = present
            self._tell(f"Attempt {present} of {self._name} has ended; the next one follows.")

    def _await_pod(self, attempt: int | None, *, after: int = 0) -> tuple[str, int]:
        """Return the pod whose container has started, and its attempt; say why it takes long."""
        while True:
            run = read_run(self._cluster, self._name)
            present = attempt or run.get("status", {}).get("attempt") or 0
            if present > after:
                pods = self._pods(present)
                for pod in pods:
                    if _container_state(pod).keys() & {"running", "terminated"}:
                        return pod["metadata"]["name"], present
                _require_hope(run, attempt=present, pods=pods)
            elif is_final(run):
                raise CommandError(_never_started(run))
            self._tell_once(_waiting(run, attempt=present))
            self._pause(POLL_SECONDS)

    def _goes_on_after(self, attempt: int) -> bool:
        """Wait until the run has ended or been launched again, and tell which."""
        while True:
            run = read_run(self._cluster, self._name)
            if is_final(run):
                return False
            if run["status"].get("attempt", attempt) > attempt:
                return True
            self._pause(POLL_SECONDS)

    def _pods(self, attempt: int) -> list[Object]:
        """Return the pods of an attempt, the newest first."""
        pods = self._cluster.items(
            f"/api/v1/namespaces/{self._cluster.namespace}/pods",
            labelSelector=f"batch.kubernetes.io/job-name={self._name}-{attempt}",
        )
        return sorted(pods, key=lambda pod: pod["metadata"]["creationTimestamp"], reverse=True)

    def _copy_whole(self, pod: str) -> None:
        """Follow the log until the container has ended, over connections that break."""
        copied, delay, waited = 0, 0.2, 0.0
        while True:
            before = copied
            try:
                copied = self._pour(pod, skip=copied, follow=True)
                if self._has_ended(pod):
                    self._pour(pod, skip=copied, follow=False)
                    return
            except _Broken as broken:
                copied = broken.copied
                if waited > PATIENCE_SECONDS:
                    raise broken.error from None
                self._tell_once(f"{broken.error} Trying again …")
            delay = 0.2 if copied > before else min(LONGEST_PAUSE, delay * 2)
            waited = 0.0 if copied > before else waited + delay
            self._pause(delay)

    def _pour(self, pod: str, *, skip: int, follow: bool) -> int:
        """Copy the log but for its first bytes; return how many bytes are copied in all."""
        query = {"container": CONTAINER} | ({"follow": "true"} if follow else {})
        path = f"/api/v1/namespaces/{self._cluster.namespace}/pods/{pod}/log"
        position = 0
        try:
            silence = None if follow else 60.0
            with self._cluster.stream(path, silence=silence, **query) as chunks:
                for chunk in chunks:
                    self._write(chunk[max(0, skip - position) :])
                    position += len(chunk)
        except ApiError as error:
            if error.status == 404 and skip:
                return skip  # the pod went away after its log had been read
            if not follow or not error.passes:
                raise
            raise _Broken(error, copied=max(skip, position)) from error
        except UnreachableError as error:
            if not follow:
                raise
            raise _Broken(error, copied=max(skip, position)) from error
        return max(skip, position)

    def _has_ended(self, pod: str) -> bool:
        path = f"/api/v1/namespaces/{self._cluster.namespace}/pods/{pod}"
        try:
            return "terminated" in _container_state(self._cluster.get(path))
        except ApiError as error:
            if error.status == 404:
                return True
            raise

    def _tell_once(self, words: str) -> None:
        if words != self._told:
            self._tell(words)
            self._told = words


class _Broken(Exception):  # noqa: N818 - it never leaves this module
    """The log broke off after so many bytes."""

    def __init__(self, error: CommandError, *, copied: int) -> None:
        super().__init__(str(error))
        self.error = error
        self.copied = copied


def _container_state(pod: Object) -> dict[str, Any]:
    for container in pod.get("status", {}).get("containerStatuses", ()):
        if container["name"] == CONTAINER:
            state: dict[str, Any] = container.get("state", {})
            return state
    return {}


def _require_hope(run: Object, *, attempt: int, pods: list[Object]) -> None:
    """Refuse to wait for a pod that will not come, or not start."""
    name, latest = run["metadata"]["name"], run.get("status", {}).get("attempt") or 0
    if not is_final(run) and attempt >= latest:
        return
    if attempt > latest:
        raise CommandError(
            f"The run {name} has ended as {state_of(run)} and had no attempt {attempt}, "
            f"only {latest}. Leave --attempt out for the last one."
        )
    if _has_reported(run, pods):
        return  # the run's end outran the kubelet's word that the container has started
    if pods:
        raise CommandError(
            f"The pod of attempt {attempt} of {name} never started, so there is no log."
        )
    raise CommandError(
        f"The pod of attempt {attempt} of {name} is gone, and its log with it. The pod of a "
        "run that was cancelled or timed out goes at once, others when their Job's "
        "ttlSecondsAfterFinished has passed; a log collector keeps what they printed."
    )


def _has_reported(run: Object, pods: list[Object]) -> bool:
    execution = run.get("status", {}).get("execution", {})
    return any(pod["metadata"]["name"] == execution.get("podName") for pod in pods)


def _never_started(run: Object) -> str:
    name, status = run["metadata"]["name"], run.get("status", {})
    return (
        f"The run {name} never had a pod, so there is no log. {status.get('message', '')}".rstrip()
    )


def _waiting(run: Object, *, attempt: int) -> str:
    words = f"Waiting for the pod of {run['metadata']['name']}, attempt {attempt or 1}: "
    return words + (run.get("status", {}).get("message") or f"it is {state_of(run)}.")
