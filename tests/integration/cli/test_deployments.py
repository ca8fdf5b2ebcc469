"""Runs in the cluster that Python code starts and waits for."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.cli.apiserver import Answer, Script, no_such, of

from penstock import flow
from penstock.deployments import arun_deployment, run_deployment
from penstock.errors import FailedRun
from penstock.execution import RunContext, execute
from penstock.flow_runs import ClusterError, ResultElsewhere, wait_for_flow_run

API = "/apis/penstock.dev/v1alpha1/namespaces/default"
RUNS, FLOW = f"{API}/flowruns", f"{API}/flows/nightly"
ONE = f"{RUNS}/nightly-x7k2p"


def run(state: str, *, name: str = "nightly-x7k2p", **status: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": "u", "namespace": "default", "resourceVersion": "1"},
        "spec": {"flowRef": {"name": "nightly"}, "parameters": {"day": "monday"}},
        "status": {"state": state, "message": "It says so."} | status,
    }


@pytest.fixture(autouse=True)
def cluster(script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.setenv("KUBECONFIG", str(script.kubeconfig(tmp_path)))
    script.on(FLOW, of({"spec": {}}))
    script.on(RUNS, of(run("Pending")))
    return script


def changed_to(*runs: dict[str, Any]) -> Answer:
    lines = [json.dumps({"type": "MODIFIED", "object": each}) + "\n" for each in runs]
    return Answer(body="".join(lines).encode())


def test_a_run_is_returned_when_it_has_ended(cluster: Script) -> None:
    cluster.on(ONE, of(run("Pending")))
    cluster.on(f"{RUNS}?watch", changed_to(run("Running"), run("Completed")))

    ended = run_deployment("nightly", parameters={"day": "monday"})

    assert (ended.name, ended.id, ended.flow_name) == ("nightly-x7k2p", "u", "nightly")
    assert (ended.state.is_completed(), ended.state.message) == (True, "It says so.")
    assert ended.parameters == {"day": "monday"}
    with pytest.raises(ResultElsewhere, match="write it where both find it"):
        ended.state.result()


def test_a_failed_run_is_returned_and_its_state_raises(cluster: Script) -> None:
    cluster.on(ONE, of(run("Failed", reason="TimedOut")))

    ended = run_deployment("a-flow/nightly")

    assert (ended.state.is_failed(), ended.state.name) == (True, "TimedOut")
    with pytest.raises(FailedRun, match=r"nightly-x7k2p ended as Failed: It says so\."):
        ended.state.result()


def test_a_timeout_of_0_returns_at_once(cluster: Script) -> None:
    begun = run_deployment("nightly", timeout=0)

    assert begun.state.is_pending()
    assert [path for _, path, _ in cluster.seen] == [FLOW, RUNS]


def test_after_the_timeout_the_run_is_returned_as_it_is(cluster: Script) -> None:
    cluster.on(ONE, of(run("Running")))
    cluster.on(f"{RUNS}?watch", changed_to())

    assert run_deployment("nightly", timeout=0.05).state.is_running()


def test_a_key_gives_the_run_a_name_and_finds_it_again(cluster: Script) -> None:
    named = "nightly-0fc89f8ae1"
    exists = of({"message": "it exists", "details": {"name": named}}, status=409)
    cluster.answers[RUNS] = [of(run("Pending", name=named)), exists]
    cluster.on(f"{RUNS}/{named}", of(run("Running", name=named)))

    first = run_deployment("nightly", idempotency_key="order 7", timeout=0)
    second = run_deployment("nightly", idempotency_key="order 7", timeout=0)

    assert (first.name, second.name) == (named, named)
    assert second.state.is_running()


def test_inside_a_flow_it_is_a_task_that_a_retry_does_not_repeat(cluster: Script) -> None:
    cluster.on(ONE, of(run("Completed")))
    attempts = []

    @flow(retries=1)
    def parent() -> str:
        ended = run_deployment("nightly")
        attempts.append(ended.name)
        if len(attempts) == 1:
            raise ConnectionError
        return ended.state.name

    assert parent() == "Completed"
    assert len(attempts) == 2
    assert [path for method, path, _ in cluster.seen if method == "POST"] == [RUNS]


def test_a_task_that_is_run_again_after_a_kill_finds_the_run_that_it_began(
    cluster: Script,
) -> None:
    """The name of the run is the same, wherever the run of the flow goes on."""

    @flow
    def parent() -> None:
        run_deployment("nightly", timeout=0)
        run_deployment("nightly", timeout=0)

    for _ in range(2):
        execute(parent, parameters={}, context=RunContext("weekly-7"))

    names = [body["metadata"]["name"] for body in cluster.bodies]
    assert names[:2] == names[2:]
    assert names[0] != names[1]
    assert all(len(name) <= 52 for name in names)


def test_an_async_flow_awaits_it(cluster: Script) -> None:
    """Prefect 3.8: `run_deployment` under a running loop returns a coroutine."""
    cluster.on(ONE, of(run("Completed")))

    @flow
    async def parent() -> list[str]:
        one = await run_deployment("nightly")  # type: ignore[misc] # as Prefect's code has it
        two = await arun_deployment("nightly", as_subflow=False)
        three = await wait_for_flow_run(two)
        four = await wait_for_flow_run("nightly-x7k2p")
        return [each.state.name for each in (one, two, three, four)]

    assert asyncio.run(parent()) == ["Completed"] * 4


async def test_who_waits_for_a_run_that_does_not_end_is_told(cluster: Script) -> None:
    cluster.on(ONE, of(run("Running")))
    cluster.on(f"{RUNS}?watch", changed_to())

    with pytest.raises(TimeoutError, match=r"it is Running\. Go on waiting with: penstock watch"):
        await wait_for_flow_run("nightly-x7k2p", timeout=0.05)


def test_a_flow_that_is_not_there_is_named(cluster: Script) -> None:
    cluster.on(f"{API}/flows/nigthly", no_such("flows", "nigthly"))
    cluster.on(f"{API}/flows", of({"items": [{"metadata": {"name": "nightly"}}], "metadata": {}}))

    with pytest.raises(ClusterError, match="did you mean nightly"):
        run_deployment("nigthly")


def test_without_a_cluster_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG")

    with pytest.raises(ClusterError, match="No cluster is configured"):
        run_deployment("nightly")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timeout": -1}, "at least 0"),
        ({"flow_run_name": "a", "idempotency_key": "b"}, "either is the name of the run"),
    ],
)
def test_misuse_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        run_deployment("nightly", **options)
    with pytest.raises(TypeError, match="no option job_variables: set it in the pod template"):
        run_deployment("nightly", job_variables={})  # type: ignore[call-arg] # as Prefect has it
