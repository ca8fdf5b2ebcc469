"""Say something to a run: signals, updates, answers of approvers."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from penstock.cli.cluster import Cluster, Object
from penstock.cli.errors import ApiError, CommandError, RejectedError, UnansweredError
from penstock.cli.following import read_run
from penstock.cli.outcome import is_final, state_of
from penstock.cli.view import awaited_signals

SECONDS_BETWEEN_LOOKS = 0.5
WHO_AM_I = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def read_payload(text: str | None) -> Any:
    """Return what was typed as JSON; as the text that it is where it is none."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def send_signal(
    cluster: Cluster, run: str, name: str, *, payload: Any, key: str | None = None
) -> str:
    """Send a signal in the name of whoever the API server says that we are; return its name."""
    if is_final(found := read_run(cluster, run)):
        raise CommandError(f"{run} has ended already: {state_of(found)}. Nobody waits for {name}.")
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    user = cluster.create(WHO_AM_I, review)["status"]["userInfo"]
    spec = {
        "flowRunRef": {"name": run},
        "name": name,
        "payload": payload,
        "sender": user["username"],
        "senderGroups": user.get("groups", []),
        "idempotencyKey": key,
    }
    body = {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "Signal",
        "metadata": {"generateName": f"{run[:40]}-"},
        "spec": {field: value for field, value in spec.items() if value is not None},
    }
    sent: str = cluster.create(cluster.path("signals"), body)["metadata"]["name"]
    for remark in _remarks(found, name, payload=payload):
        print(f"penstock: {remark}", file=sys.stderr, flush=True)
    return sent


def _remarks(run: Object, name: str, *, payload: Any) -> Iterator[str]:
    """Say what may be a mistake: the run decides, and may wait for something else later."""
    from penstock.cli.schema import payload_problems

    awaited, run_name = awaited_signals(run), run["metadata"]["name"]
    if awaited and name not in awaited:
        yield f"{run_name} waits for {' and '.join(awaited)}; {name} is kept until it is asked for."
    waiting = run["status"].get("waitingFor") or {}
    if (waiting.get("kind"), waiting.get("name")) == ("Signal", name):
        schema = waiting.get("payloadSchema") or {}
        if problems := payload_problems(payload, schema=schema):
            yield f"{run_name} will hardly take that payload: {'; '.join(problems)}."


def await_answer(cluster: Cluster, signal: str, *, run: str, timeout: float | None) -> Any:
    """Wait until the run has answered a signal, and return what it said."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        status = _status_of(cluster, signal)
        if status.get("state") == "Rejected":
            raise RejectedError(f"The update was rejected: {status.get('message', '')}")
        if status.get("state") == "Consumed":
            return status.get("answer")
        if deadline is not None and time.monotonic() >= deadline:
            raise UnansweredError(
                f"{run} has not answered within {timeout:g} s. The update is kept for it; see what "
                f"becomes of it by: kubectl get signal {signal} -n {cluster.namespace} -o yaml"
            )
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _status_of(cluster: Cluster, signal: str) -> dict[str, Any]:
    try:
        status: dict[str, Any] = cluster.get(cluster.path("signals", signal)).get("status", {})
    except ApiError as error:
        if error.status == 404:
            raise RejectedError("The update was taken back, or its run was deleted.") from error
        if not error.passes:
            raise
        return {}
    return status


def answer(cluster: Cluster, run: str, name: str | None, *, approved: bool, comment: str) -> None:
    """Approve or reject what a run waits for."""
    found = read_run(cluster, run)
    if is_final(found):
        raise CommandError(f"{run} has ended already: {state_of(found)}. Nobody waits for that.")
    if name is None:
        awaited = awaited_signals(found)
        if len(awaited) != 1:
            what = " and ".join(awaited) if awaited else "no signal now"
            raise CommandError(
                f"{run} waits for {what}; say which one is meant: "
                f"penstock {'approve' if approved else 'reject'} {run} NAME"
            )
        (name,) = awaited
    sent = send_signal(cluster, run, name, payload={"approved": approved, "comment": comment})
    print(f"{sent} sent to {run}: {name}", flush=True)
