"""What the API server makes of good and bad objects."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from tests.integration.apiserver import GROUP, ApiServer, Object, Refused

from penstock.engine.outcome import ErrorReport
from penstock.engine.records import Event, KeptArtifact
from penstock.runner.ownership import Claim
from penstock.runner.report import Conclusion, Result, render_report
from penstock.runner.tally import Tally, TaskCount
from penstock.states import StateType

ROOT = Path(__file__).parents[2]
RUNNER = {"protocol": 1, "attempt": 1, "podName": "good-1-abcde", "podUID": "u"}


def thing(kind: str, spec: Object, *, name: str = "good", **fields: Any) -> Object:
    return {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
        **fields,
    }


def flow(**spec: Any) -> Object:
    return thing("Flow", {"entrypoint": "flow.py:daily", **spec})


def inline(**files: str) -> Object:
    return {"inline": {"files": files}}


def run(**spec: Any) -> Object:
    return thing("FlowRun", {"flowRef": {"name": "daily"}, **spec})


def pool(**spec: Any) -> Object:
    return thing("WorkPool", spec)


def signal(**spec: Any) -> Object:
    given = {"flowRunRef": {"name": "one"}, "name": "approve", "sender": "ada"}
    return thing("Signal", given | spec)


def create(api: ApiServer, namespace: str, body: Object) -> Object:
    return api.create(f"{GROUP}/namespaces/{namespace}/{body['kind'].lower()}s", body)


FULL_FLOW = flow(
    source=inline(**{"flow.py": "x = 1", "lib/rows.py": "y = 2"}),
    image="registry.example/daily@sha256:0",
    workPoolRef={"name": "gpu"},
    parameters={"day": "2026-11-20", "limits": {"deep": [1, 2, {"x": None}]}},
    parameterSchema={"type": "object", "properties": {"day": {"type": "string"}}},
    retries=3,
    retryDelaySeconds=0.5,
    timeoutSeconds=60,
    maxRecoveries=0,
    env=[
        {"name": "A", "value": "b"},
        {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "PENSTOCK_RESULT_PREVIEW", "value": "true"},
    ],
    resources={"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"nvidia.com/gpu": "1"}},
    podTemplate={
        "metadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}},
        "spec": {
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"operator": "Exists"}],
            "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}],
            "containers": [{"name": "flow", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        },
    },
    history={"successfulRuns": 0, "failedRuns": 3, "ttlSecondsAfterFinished": 0},
    suspend=True,
)

GOOD = {
    "a flow with nothing but an entrypoint": flow(),
    "a flow with everything": FULL_FLOW,
    "a flow in its image": flow(source={"image": {}}, entrypoint="/app/flows/daily.py:daily"),
    "a flow in a package": flow(entrypoint="company.flows.daily:größe"),
    "a flow in a ConfigMap": flow(source={"configMap": {"name": "my.code"}}),
    "a flow whose inline files just fit": flow(source=inline(**{"flow.py": "x" * 131072})),
    "a run": run(),
    "a run with everything": run(
        parameters={"a": [1]}, timeoutSeconds=1, suspend=True, cancel=True
    ),
    "a signal": signal(),
    "a signal with everything": signal(
        payload={"limit": 5}, senderGroups=["finance", "system:authenticated"], idempotencyKey="k"
    ),
    "a pool with nothing": pool(),
    "a pool with everything": pool(
        image="i",
        suspend=True,
        podTemplate={"spec": {"hostNetwork": True, "restartPolicy": "Never"}},
        job={"ttlSecondsAfterFinished": 0, "activeDeadlineSeconds": 9, "labels": {"q": "a"}},
        store={
            "url": "s3://bucket/runs",
            "credentialsSecretRef": {"name": "aws"},
            "signingKeySecretRef": {"name": "journal-key", "key": "signing"},
            "allowPickle": False,
        },
    ),
    "a pool with a volume": pool(
        store={
            "persistentVolumeClaim": {"claimName": "journals", "subPath": "a/b"},
            "allowPickle": True,
        }
    ),
}


@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD)
def test_a_good_object_is_taken_as_it_is(api: ApiServer, namespace: str, body: Object) -> None:
    created = create(api, namespace, body)

    assert created["spec"] == created["spec"] | {
        name: value for name, value in body["spec"].items() if name != "history"
    }


def test_defaults_are_visible_and_status_is_not_current_yet(api: ApiServer, namespace: str) -> None:
    """Tools that read kstatus never take a new object for a reconciled one."""
    assert create(api, namespace, flow())["spec"] == {
        "entrypoint": "flow.py:daily",
        "workPoolRef": {"name": "default"},
        "maxRecoveries": 10,
        "history": {"successfulRuns": 10, "failedRuns": 10},
        "suspend": False,
    }
    assert create(api, namespace, run())["spec"] == {
        "flowRef": {"name": "daily"},
        "priority": 0,
        "suspend": False,
        "cancel": False,
    }
    bare = create(api, namespace, {**pool(), "spec": {}})
    assert bare["spec"] == {"suspend": False, "job": {"ttlSecondsAfterFinished": 3600}}
    assert bare["status"] == {"observedGeneration": -1}


def test_a_pool_needs_no_spec(api: ApiServer, namespace: str) -> None:
    body = pool()
    del body["spec"]

    assert create(api, namespace, body)["spec"]["suspend"] is False


# What is wrong, the field that the answer names, and words of its sentence.
BAD: dict[str, tuple[Object, str, str]] = {
    "no entrypoint": (thing("Flow", {}), "spec.entrypoint", "Required"),
    "an entrypoint without a function": (
        flow(entrypoint="flow.py"),
        "spec.entrypoint",
        "path/to/file.py:function",
    ),
    "an entrypoint that is no name": (flow(entrypoint="a-b:c"), "spec.entrypoint", "Write the"),
    "an entrypoint that leaves its folder": (
        flow(entrypoint="../flow.py:f"),
        "spec.entrypoint",
        "'..'",
    ),
    "an entrypoint that is not inline": (
        flow(source=inline(**{"other.py": ""})),
        "spec",
        "not among the inline files",
    ),
    "two sources": (
        flow(source={"image": {}, "configMap": {"name": "a"}}),
        "spec.source",
        "exactly one",
    ),
    "no source in source": (flow(source={}), "spec.source", "exactly one"),
    "no files": (flow(source={"inline": {"files": {}}}), "spec.source.inline.files", "at least 1"),
    "an absolute file": (
        flow(source=inline(**{"flow.py": "", "/etc/x": ""})),
        "spec.source.inline.files",
        "is relative",
    ),
    "a file outside": (
        flow(source=inline(**{"flow.py": "", "a/../../x": ""})),
        "spec.source.inline.files",
        "is relative",
    ),
    "a file without a name": (
        flow(source=inline(**{"flow.py": "", "a/": ""})),
        "spec.source.inline.files",
        "is relative",
    ),
    "too much code in one file": (
        flow(source=inline(**{"flow.py": "x" * 131073})),
        "spec.source.inline.files.flow.py",
        "131072",
    ),
    "too much code in sum": (
        flow(source=inline(**{"flow.py": "x" * 70000, "b.py": "ü" * 35000})),
        "spec.source.inline.files",
        "128 KiB",
    ),
    "a ConfigMap that cannot be": (
        flow(source={"configMap": {"name": "A_b"}}),
        "spec.source.configMap.name",
        "lower-case",
    ),
    "a pool that cannot be": (flow(workPoolRef={"name": "a.b"}), "spec.workPoolRef.name", "lower"),
    "a pool that is too long": (
        flow(workPoolRef={"name": "a" * 53}),
        "spec.workPoolRef.name",
        "52",
    ),
    "no store": (pool(store={}), "spec.store", "either url or persistentVolumeClaim"),
    "two stores": (
        pool(store={"url": "s3://b", "persistentVolumeClaim": {"claimName": "c"}}),
        "spec.store",
        "either url or persistentVolumeClaim",
    ),
    "credentials of a volume": (
        pool(
            store={
                "persistentVolumeClaim": {"claimName": "c"},
                "credentialsSecretRef": {"name": "aws"},
            }
        ),
        "spec.store",
        "a PersistentVolumeClaim needs none",
    ),
    "a store without a scheme": (pool(store={"url": "/mnt"}), "spec.store.url", "s3://bucket"),
    "a store in the pod": (pool(store={"url": "file:///mnt"}), "spec.store.url", "goes with it"),
    "a volume's folder that leads out": (
        pool(store={"persistentVolumeClaim": {"claimName": "c", "subPath": "a/../.."}}),
        "spec.store.persistentVolumeClaim.subPath",
        "relative",
    ),
    "an empty image": (flow(image=""), "spec.image", "at least 1"),
    "a decay of nothing": (
        thing("ConcurrencyLimit", {"limit": 1, "slotDecayPerSecond": 0}),
        "spec.slotDecayPerSecond",
        "at least 0.001",
    ),
    "negative retries": (flow(retries=-1), "spec.retries", "greater than or equal to 0"),
    "half a retry": (flow(retries=1.5), "spec.retries", "integer"),
    "a negative delay": (flow(retryDelaySeconds=-0.1), "spec.retryDelaySeconds", "equal to 0"),
    "no time at all": (flow(timeoutSeconds=0), "spec.timeoutSeconds", "equal to 1"),
    "a negative budget": (flow(maxRecoveries=-1), "spec.maxRecoveries", "equal to 0"),
    "a negative history": (
        flow(history={"failedRuns": -1}),
        "spec.history.failedRuns",
        "equal to 0",
    ),
    "a negative age": (
        flow(history={"ttlSecondsAfterFinished": -1}),
        "spec.history.ttlSecondsAfterFinished",
        "equal to 0",
    ),
    "the same variable twice": (
        flow(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
        "spec.env[1]",
        "Duplicate",
    ),
    "a variable of Penstock's own": (
        flow(env=[{"name": "PENSTOCK_RUN", "value": "x"}]),
        "spec.env[0].name",
        "choose another name",
    ),
    "a variable that holds =": (flow(env=[{"name": "A=B"}]), "spec.env[0].name", "cannot contain"),
    "a variable with two values": (
        flow(env=[{"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]),
        "spec.env[0]",
        "not both",
    ),
    "a variable from nowhere": (
        flow(env=[{"name": "A", "valueFrom": {}}]),
        "spec.env[0].valueFrom",
        "exactly one",
    ),
    "a quantity that is none": (
        flow(resources={"limits": {"memory": "1 GB"}}),
        "spec.resources.limits.memory",
        "should match",
    ),
    "a host network of a flow": (
        flow(podTemplate={"spec": {"hostNetwork": True}}),
        "spec.podTemplate.spec.hostNetwork",
        "unknown field",
    ),
    "a host path of a flow": (
        flow(podTemplate={"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}}),
        "spec.podTemplate.spec.volumes[0].hostPath",
        "unknown field",
    ),
    "a service account of a flow": (
        flow(podTemplate={"spec": {"serviceAccountName": "admin"}}),
        "spec.podTemplate.spec.serviceAccountName",
        "unknown field",
    ),
    "a typing error in a flow": (flow(timeoutSecond=5), "spec.timeoutSecond", "unknown field"),
    "a list of parameters": (flow(parameters=[1]), "spec.parameters", "object"),
    "no flow to run": (thing("FlowRun", {}), "spec.flowRef", "Required"),
    "a flow that cannot be": (run(flowRef={"name": "A"}), "spec.flowRef.name", "lower-case"),
    "a run without time": (run(timeoutSeconds=0), "spec.timeoutSeconds", "equal to 1"),
    "a half-hearted cancel": (run(cancel="yes"), "spec.cancel", "boolean"),
    "a typing error in a run": (run(params={}), "spec.params", "unknown field"),
    "a run without a spec": (
        {key: value for key, value in run().items() if key != "spec"},
        "spec",
        "Required",
    ),
    "a signal to nobody": (thing("Signal", {"name": "a", "sender": "b"}), "spec.flowRunRef", "Req"),
    "a signal from nobody": (signal(sender=""), "spec.sender", "at least 1"),
    "a signal without a name": (signal(name=""), "spec.name", "at least 1"),
    "a signal whose name cannot be": (signal(name="a b"), "spec.name", "letters, digits"),
    "a payload that is too long": (signal(payload="x" * 16385), "spec.payload", "16384"),
    "a run that is half suspended": (run(suspend="yes"), "spec.suspend", "boolean"),
    "a pool that is half suspended": (pool(suspend="yes"), "spec.suspend", "Running"),
    "a flow with a strategy of its own": (
        flow(concurrency={"limit": 1, "strategy": "Replace"}),
        "spec.concurrency.strategy",
        "CancelRunning",
    ),
    "a name with dots": (
        thing("FlowRun", run()["spec"], name="a.b"),
        "FlowRun",
        "at most 52 characters",
    ),
    "a name that is too long": (
        thing("FlowRun", run()["spec"], name="a" * 53),
        "FlowRun",
        "at most 52 characters",
    ),
    "a flow with a long name": (
        thing("Flow", flow()["spec"], name="a" * 53),
        "Flow",
        "at most 52 characters",
    ),
    "a pod that restarts": (
        pool(podTemplate={"spec": {"restartPolicy": "Always"}}),
        "spec.podTemplate.spec.restartPolicy",
        "Never",
    ),
    "a pod template without a spec's name": (
        pool(podTemplate={"sepc": {}}),
        "spec.podTemplate.sepc",
        "unknown field",
    ),
    "a job without time": (
        pool(job={"activeDeadlineSeconds": 0}),
        "spec.job.activeDeadlineSeconds",
        "equal to 1",
    ),
    "a job that is kept for less than no time": (
        pool(job={"ttlSecondsAfterFinished": -1}),
        "spec.job.ttlSecondsAfterFinished",
        "equal to 0",
    ),
}


@pytest.mark.parametrize(("body", "field", "words"), BAD.values(), ids=BAD)
def test_a_bad_object_is_refused_by_the_name_of_its_field(
    api: ApiServer, namespace: str, body: Object, field: str, words: str
) -> None:
    with pytest.raises(Refused) as refusal:
        create(api, namespace, body)

    assert refusal.value.status in {400, 422}
    assert field in refusal.value.message
    assert words in refusal.value.message


def test_kubectl_apply_refuses_a_typing_error_by_its_name(api: ApiServer, namespace: str) -> None:
    done = api.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(flow(entryPoint="x")))

    assert done.returncode != 0
    assert 'unknown field "spec.entryPoint"' in done.stderr


def test_the_longest_name_is_taken(api: ApiServer, namespace: str) -> None:
    body = thing("FlowRun", run()["spec"], name="a" * 52)

    assert create(api, namespace, body)["metadata"]["name"] == "a" * 52


def test_a_generated_name_is_taken(api: ApiServer, namespace: str) -> None:
    body = run()
    body["metadata"] = {"generateName": "daily-"}

    assert create(api, namespace, body)["metadata"]["name"].startswith("daily-")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"flowRef": {"name": "other"}}, id="the flow"),
        pytest.param({"parameters": {"rows": {"limit": 3}}}, id="a nested parameter"),
        pytest.param({"parameters": None}, id="no parameters"),
        pytest.param({"timeoutSeconds": 5}, id="a time limit"),
        pytest.param({"rerunOf": {"name": "other"}}, id="what it is a rerun of"),
    ],
)
def test_a_run_cannot_be_changed(api: ApiServer, namespace: str, change: Object) -> None:
    create(api, namespace, run(parameters={"rows": {"limit": 2}}))

    with pytest.raises(
        Refused, match="cannot be changed, except to suspend, resume, cancel or reprioritise it"
    ):
        api.merge(f"{GROUP}/namespaces/{namespace}/flowruns/good", {"spec": change})


@pytest.mark.parametrize(
    "rerun_of",
    [
        pytest.param({"name": "old"}, id="from the failure"),
        pytest.param({"name": "old", "from": "Start"}, id="from the start"),
        pytest.param({"name": "old", "from": "Task", "task": "load"}, id="from a task"),
    ],
)
def test_a_run_may_begin_with_another(api: ApiServer, namespace: str, rerun_of: Object) -> None:
    created = create(api, namespace, run(rerunOf=rerun_of))

    assert created["spec"]["rerunOf"] == {"from": "Failure"} | rerun_of


@pytest.mark.parametrize(
    ("rerun_of", "words"),
    [
        pytest.param({"name": "old", "from": "Task"}, "names a task", id="no task"),
        pytest.param({"name": "old", "task": "load"}, "names a task", id="a task for nothing"),
        pytest.param({"name": "old", "from": "End"}, "Unsupported value", id="from nowhere"),
        pytest.param({}, "name", id="nothing"),
    ],
)
def test_a_rerun_that_does_not_say_where_it_begins_is_refused(
    api: ApiServer, namespace: str, rerun_of: Object, words: str
) -> None:
    with pytest.raises(Refused, match=words):
        create(api, namespace, run(rerunOf=rerun_of))


def test_a_run_is_let_go_on_by_naming_the_attempt_that_told_what_to_mend(
    api: ApiServer, namespace: str
) -> None:
    create(api, namespace, run())
    path = f"{GROUP}/namespaces/{namespace}/flowruns/good"

    api.merge(path, {"spec": {"resume": {"attempt": 3}}})
    changed = api.merge(path, {"spec": {"resume": {"attempt": 4, "accept": True}}})

    assert changed["spec"]["resume"] == {"attempt": 4, "accept": True}
    with pytest.raises(Refused, match="attempt"):
        api.merge(path, {"spec": {"resume": {"attempt": 0}}})


def test_a_run_is_cancelled_once_and_for_all(api: ApiServer, namespace: str) -> None:
    create(api, namespace, run(parameters={"rows": {"limit": 2}}))
    path = f"{GROUP}/namespaces/{namespace}/flowruns/good"
    api.merge(path, {"spec": {"cancel": True}})

    with pytest.raises(Refused, match="A cancelled run stays cancelled"):
        api.merge(path, {"spec": {"cancel": False}})
    with pytest.raises(Refused, match="A cancelled run stays cancelled"):
        api.merge(path, {"spec": {"cancel": None}})


def test_a_run_is_suspended_and_resumed(api: ApiServer, namespace: str) -> None:
    create(api, namespace, run(parameters={"rows": {"limit": 2}}))
    path = f"{GROUP}/namespaces/{namespace}/flowruns/good"

    for suspend in (True, False):
        changed = api.merge(path, {"spec": {"suspend": suspend}})
        assert changed["spec"]["suspend"] is suspend


@pytest.mark.parametrize(
    "payload",
    [None, True, 7, "yes", [1, {"a": None}], {"rows": [1, {"deep": {"x": None}}]}],
    ids=str,
)
def test_a_signal_carries_any_json(api: ApiServer, namespace: str, payload: object) -> None:
    body = signal(payload=payload)

    created = create(api, namespace, body)

    assert created["spec"].get("payload") == payload
    assert created["status"] == {"state": "Pending"}


def test_a_source_replaces_the_one_that_was_not_written(api: ApiServer, namespace: str) -> None:
    """A default source in the schema would make this two sources."""
    path = f"{GROUP}/namespaces/{namespace}/flows/good"
    create(api, namespace, flow())

    merged = api.merge(path, {"spec": {"source": inline(**{"flow.py": ""})}})

    assert list(merged["spec"]["source"]) == ["inline"]


@pytest.fixture
def status_path(api: ApiServer, namespace: str) -> str:
    create(api, namespace, run())
    return f"{GROUP}/namespaces/{namespace}/flowruns/good/status"


def status(**fields: Any) -> Object:
    return {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "FlowRun",
        "metadata": {"name": "good"},
        "status": fields,
    }


def test_a_finished_run_keeps_its_state(api: ApiServer, status_path: str) -> None:
    """G4, also against the operator itself."""
    api.apply(status_path, status(state="Completed", attempt=1), manager="penstock-operator")

    for change in ({"state": "Running", "attempt": 1}, {"attempt": 1}, {}):
        with pytest.raises(Refused, match="A finished run keeps its state"):
            api.apply(status_path, status(**change), manager="penstock-operator")
    with pytest.raises(Refused, match="A finished run keeps its state"):
        api.merge(status_path, {"status": None})


def test_an_attempt_never_comes_back(api: ApiServer, status_path: str) -> None:
    """G3: an attempt that was fenced stays fenced."""
    api.apply(status_path, status(state="Pending", attempt=2), manager="penstock-operator")

    with pytest.raises(Refused, match="never falls"):
        api.apply(status_path, status(state="Pending", attempt=1), manager="penstock-operator")


def test_two_writers_keep_each_others_fields(api: ApiServer, status_path: str) -> None:
    api.apply(status_path, status(state="Pending", attempt=1), manager="penstock-operator")
    api.apply(status_path, status(execution=RUNNER), manager="penstock-runner")
    merged = api.apply(status_path, status(state="Running", attempt=1), manager="penstock-operator")

    assert merged["status"]["execution"] == RUNNER
    assert merged["status"]["state"] == "Running"


def test_the_runners_fields_cost_one_entry_of_managed_fields(
    api: ApiServer, status_path: str
) -> None:
    tasks = [{"name": f"task-{number}", "total": 9} for number in range(50)]
    full = RUNNER | {"tasks": tasks, "counts": {"Completed": 450}}

    written = api.apply(status_path, status(execution=full), manager="penstock-runner")

    (fields,) = (
        entry["fieldsV1"]
        for entry in written["metadata"]["managedFields"]
        if entry["manager"] == "penstock-runner"
    )
    assert fields == {"f:status": {"f:execution": {}}}


@pytest.mark.parametrize(
    ("execution", "field"),
    [
        pytest.param(RUNNER | {"attempt": 0}, "attempt", id="no attempt"),
        pytest.param({"attempt": 1}, "podUID", id="no pod"),
        pytest.param(RUNNER | {"tasks": [{"name": "x"}] * 51}, "tasks", id="too many tasks"),
        pytest.param(
            RUNNER | {"error": {"type": "E", "traceback": "x" * 8193}}, "traceback", id="a novel"
        ),
        pytest.param(
            RUNNER
            | {"outcome": {"state": "Done", "reason": "X", "finishedAt": "2026-11-20T00:00:00Z"}},
            "outcome.state",
            id="an outcome of its own invention",
        ),
    ],
)
def test_a_report_has_bounds(
    api: ApiServer, status_path: str, execution: Object, field: str
) -> None:
    with pytest.raises(Refused, match=field):
        api.apply(status_path, status(execution=execution), manager="penstock-runner")


def test_a_newer_runner_is_heard(api: ApiServer, status_path: str) -> None:
    """Without its unknown fields the operator could not read that it speaks another protocol."""
    report = RUNNER | {"protocol": 2, "keepsakes": [{"name": "x"}]}

    written = api.apply(status_path, status(execution=report), manager="penstock-runner")

    assert written["status"]["execution"] == report


def test_unfinished_runs_are_selected_by_state(api: ApiServer, namespace: str) -> None:
    """The operator watches no others."""
    states = {"new": None, "running": "Running", "completed": "Completed", "failed": "Failed"}
    path = f"{GROUP}/namespaces/{namespace}/flowruns"
    for name, state in states.items():
        create(api, namespace, thing("FlowRun", run()["spec"], name=name))
        if state:
            api.merge(f"{path}/{name}/status", {"status": {"state": state}})
    terminal = ("Completed", "Failed", "Crashed", "Cancelled")
    selector = ",".join(f"status.state!={state}" for state in terminal)

    found = api.get(path, fieldSelector=selector)["items"]
    of_flow = api.get(path, fieldSelector="spec.flowRef.name=daily,status.state=Failed")["items"]

    assert {item["metadata"]["name"] for item in found} == {"new", "running"}
    assert [item["metadata"]["name"] for item in of_flow] == ["failed"]


def test_kubectl_explains_a_run(api: ApiServer) -> None:
    done = api.kubectl("explain", "flowrun.spec")

    told = " ".join(done.stdout.split())
    assert "Only priority, suspend, resume and cancel can be changed afterwards." in told
    assert "Parameters of the flow function by name. They take precedence over the Flow's." in told


def test_kubectl_shows_what_people_look_for(api: ApiServer, namespace: str) -> None:
    create(api, namespace, run())
    path = f"{GROUP}/namespaces/{namespace}/flowruns/good/status"
    api.merge(path, {"status": {"state": "Running", "execution": RUNNER | {"progress": "3/7"}}})

    short = api.kubectl("get", "-n", namespace, "fr").stdout.splitlines()
    wide = api.kubectl("get", "-n", namespace, "fr", "-o", "wide").stdout.splitlines()

    assert short[0].split() == ["NAME", "FLOW", "STATE", "TASKS", "AGE"]
    assert short[1].split()[:4] == ["good", "daily", "Running", "3/7"]
    columns = ["POOL", "ATTEMPT", "JOB", "STARTED", "DURATION", "JOURNAL", "MESSAGE"]
    assert wide[0].split()[5:] == columns


def test_all_kinds_are_in_the_category(api: ApiServer, namespace: str) -> None:
    for body in (flow(), run(), pool()):
        create(api, namespace, body)

    done = api.kubectl("get", "-n", namespace, "penstock", "-o", "name")

    assert done.stdout.split() == [
        "flowrun.penstock.dev/good",
        "flow.penstock.dev/good",
        "workpool.penstock.dev/good",
    ]


def test_the_definitions_are_structural_and_affordable(api: ApiServer) -> None:
    """The API server says so itself, if one asks."""
    for path in (ROOT / "crds").glob("*.yaml"):
        name = yaml.safe_load(path.read_text())["metadata"]["name"]
        definition = api.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")

        problems = [
            condition
            for condition in definition["status"]["conditions"]
            if condition["type"] in {"NonStructuralSchema", "KubernetesAPIApprovalPolicyConformant"}
        ]
        assert problems == []


def wide_artifact(number: int, *, now: datetime) -> KeptArtifact:
    return KeptArtifact(
        id=UUID(int=number),
        type="t" * 99,
        key=f"{number:0200}",
        description="d" * 300,
        data="x" * 300,
        created=now,
        updated=now,
        task_run_id="r" * 300,
    )


def wide_event(number: int, *, now: datetime) -> Event:
    resource = {"penstock.resource.id": "i" * 300}
    return Event(id=UUID(int=number), event="e" * 300, resource=resource, occurred=now)


def test_the_runners_widest_report_fits(api: ApiServer, status_path: str) -> None:
    """Its own limits are the schema's, also where a character takes several bytes."""
    now = datetime(2026, 11, 20, tzinfo=UTC)
    tally = Tally()
    for number in range(60):
        tally.tasks[f"{number}-" + "n" * 200] = TaskCount(f"{number}-" + "n" * 200, total=9)
    tally.counts.update(dict.fromkeys(StateType, 10000))
    for number in range(60):
        tally.records.add(wide_artifact(number, now=now))
        tally.records.add(wide_event(number, now=now))
    conclusion = Conclusion(
        state="Failed",
        reason="FlowFailed",
        message="m" * 9000,
        finished_at=now,
        error=ErrorReport(type="T" * 300, message="e" * 9000, traceback="t" * 9000),
        result=Result(type="r" * 300, preview="p" * 9000),
    )
    claim = Claim(attempt=1, pod_name="good-1-abcde", pod_uid="u" * 36)

    report = render_report(tally, claim=claim, started_at=now, now=now, ending=conclusion)
    written = api.apply(status_path, status(execution=report), manager="penstock-runner")

    assert written["status"]["execution"] == report
    assert len(report["error"]["traceback"]) == 8192
    assert (len(report["artifacts"]), len(report["events"]["recent"])) == (5, 2)
