"""The command line against a real API server; the tests play operator and runner."""

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.apiserver import GROUP, ApiServer, Object
from tests.integration.journals import entries
from tests.integration.world import eventually
from typer.testing import CliRunner

from penstock.cli.app import app
from penstock.runner.segment import Owner, Segment

ROOT = Path(__file__).parents[2]
SCHEMA = {
    "type": "object",
    "properties": {"day": {"type": "string"}, "limit": {"type": "integer", "default": 3}},
    "required": ["day"],
    "additionalProperties": False,
}
TASKS = [{"name": "extract", "total": 3, "completed": 2, "running": 1, "failed": 0}]

Penstock = Callable[..., Any]


NOW = "2026-11-20T12:00:00Z"


class Play:
    """Makes flows and runs, and writes statuses as operator and runner do."""

    def __init__(self, api: ApiServer, namespace: str) -> None:
        self.api = api
        self.path = f"{GROUP}/namespaces/{namespace}"

    def flow(self, name: str = "daily", **spec: Any) -> None:
        self._create("flows", "Flow", {"name": name}, {"entrypoint": "flow.py:daily", **spec})

    def pool(self, name: str, **spec: Any) -> None:
        self._create("workpools", "WorkPool", {"name": name}, spec)

    def run(self, name: str, *, flow: str = "daily") -> str:
        self._create("flowruns", "FlowRun", {"name": name}, {"flowRef": {"name": flow}})
        return name

    def runs(self) -> list[Object]:
        items: list[Object] = self.api.get(f"{self.path}/flowruns")["items"]
        return items

    def enter(self, run: str, state: str, *, reason: str, **more: Any) -> None:
        status = {"state": state, "reason": reason, "message": f"It is {state}.", **more}
        self._apply(run, {"attempt": 1, **status}, manager="penstock-operator")

    def report(self, run: str, **report: Any) -> None:
        claim = {"protocol": 1, "attempt": 1, "podName": f"{run}-1-abcde", "podUID": "u"}
        self._apply(run, {"execution": {**claim, **report}}, manager="penstock-runner")

    def journal(self, run: str, *lines: str) -> None:
        uid = self.api.get(f"{self.path}/flowruns/{run}")["metadata"]["uid"]
        owner = Owner(self.path.rpartition("/")[2], name=run, uid=uid)
        segment = Segment(0, records=(entries(*lines),))
        self.api.create(owner.collection, segment.manifest(owner, attempt=1))

    def await_run(self) -> str:
        """Return the name of the first run as soon as there is one."""
        return str(eventually(self.runs, what="a run")[0]["metadata"]["name"])

    def _create(self, plural: str, kind: str, metadata: Object, spec: Object) -> None:
        body = {"apiVersion": "penstock.dev/v1alpha1", "kind": kind}
        self.api.create(f"{self.path}/{plural}", {**body, "metadata": metadata, "spec": spec})

    def _apply(self, run: str, status: Object, *, manager: str) -> None:
        body = {"apiVersion": "penstock.dev/v1alpha1", "kind": "FlowRun"}
        body |= {"metadata": {"name": run}, "status": status}
        self.api.apply(f"{self.path}/flowruns/{run}/status", body, manager=manager)


@pytest.fixture
def play(api: ApiServer, namespace: str) -> Play:
    return Play(api, namespace)


@pytest.fixture
def penstock(kubeconfig: Path, namespace: str) -> Penstock:
    """Run the command line in this process, in the test's namespace."""
    place = ("--kubeconfig", str(kubeconfig), "--namespace", namespace)
    return lambda *arguments: CliRunner().invoke(app, [*place, *map(str, arguments)])


def shown() -> str:
    """Return what the command that runs has written about its progress."""
    sys.stderr.flush()
    return bytes(sys.stderr.buffer.getvalue()).decode()  # type: ignore[attr-defined]


def meanwhile(act: Callable[[], None]) -> threading.Thread:
    """Start something that goes on while a command runs."""
    thread = threading.Thread(target=act)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("entrypoint", "options"),
    [
        pytest.param("examples/weather/flow.py:weather", ("--image", "x:1"), id="image"),
        pytest.param("examples/hello/flow.py:hello", ("--inline",), id="inline"),
    ],
)
@pytest.mark.parametrize("form", ["yaml", "json"])
def test_what_render_writes_is_applied_strictly(
    api: ApiServer,
    namespace: str,
    penstock: Penstock,
    entrypoint: str,
    options: tuple[str, ...],
    form: str,
) -> None:
    rendered = penstock("render", f"{ROOT}/{entrypoint}", *options, "-o", form).stdout

    done = api.kubectl("apply", "--validate=strict", "-n", namespace, "-f", "-", stdin=rendered)

    assert done.returncode == 0, done.stderr
    name = entrypoint.rpartition(":")[2]
    stored = api.get(f"{GROUP}/namespaces/{namespace}/flows/{name}")
    assert stored["spec"]["parameterSchema"] == yaml.safe_load(rendered)["spec"]["parameterSchema"]


def test_run_makes_a_run_and_prints_its_name(penstock: Penstock, play: Play) -> None:
    play.flow(parameterSchema=SCHEMA)

    done = penstock("run", "daily", "-p", "day=2026-11-20", "-p", "limit=5", "--timeout", "60")

    (run,) = play.runs()
    assert done.exit_code == 0, done.stderr
    assert done.stdout == run["metadata"]["name"] + "\n"
    assert run["metadata"]["generateName"] == "daily-"
    assert run["spec"] == {
        "flowRef": {"name": "daily"},
        "parameters": {"day": "2026-11-20", "limit": 5},
        "timeoutSeconds": 60,
        "priority": 0,
        "cancel": False,
        "suspend": False,
    }


def test_the_longest_name_of_a_flow_still_gives_a_runs_name(penstock: Penstock, play: Play) -> None:
    play.flow("d" * 52)

    done = penstock("run", "d" * 52)

    assert done.exit_code == 0, done.stderr
    assert len(done.stdout.strip()) == 52


def test_run_prints_the_object_if_asked(penstock: Penstock, play: Play) -> None:
    play.flow()

    done = penstock("run", "daily", "-o", "json")

    run = json.loads(done.stdout)
    assert run["kind"] == "FlowRun"
    assert "managedFields" not in run["metadata"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["dayli"], "did you mean daily?", id="a misspelt flow"),
        pytest.param(["reports"], "there are: daily.", id="another flow"),
        pytest.param(["daily"], "'day' is a required property", id="a missing parameter"),
        pytest.param(["daily", "-p", "day=x", "-p", "limit=y"], "limit: 'y' is not", id="a type"),
        pytest.param(["daily", "-p", "dya=x"], "dya: there is no such", id="an unknown one"),
    ],
)
def test_what_cannot_work_is_said_before_a_run_is_made(
    penstock: Penstock, play: Play, arguments: list[str], words: str
) -> None:
    play.flow(parameterSchema=SCHEMA)

    done = penstock("run", *arguments)

    assert done.exit_code == 2
    assert words in done.stderr
    assert play.runs() == []


def test_the_flows_own_parameters_count(penstock: Penstock, play: Play) -> None:
    play.flow(parameterSchema=SCHEMA, parameters={"day": "2026-11-20"})

    assert penstock("run", "daily").exit_code == 0


def test_a_run_is_put_in_a_queue_with_a_priority(penstock: Penstock, play: Play) -> None:
    play.flow()

    penstock("run", "daily", "--queue", "urgent", "--priority", "7")

    (run,) = play.runs()
    assert (run["spec"]["queue"], run["spec"]["priority"]) == ("urgent", 7)


def test_a_queue_that_the_pool_lacks_is_refused(penstock: Penstock, play: Play) -> None:
    play.flow(workPoolRef={"name": "small"})
    play.pool("small", queues=[{"name": "urgent"}])

    done = [penstock("run", "daily", "--queue", name) for name in ("urgnt", "urgent", "default")]

    assert [each.exit_code for each in done] == [2, 0, 0]
    assert "The WorkPool small has no queue urgnt; it has default, urgent." in done[0].stderr
    assert [run["spec"]["queue"] for run in play.runs()].count("urgnt") == 0


def test_a_namespace_without_flows_says_how_to_apply_one(penstock: Penstock) -> None:
    done = penstock("run", "daily")

    assert done.exit_code == 2
    assert "penstock render FILE:FLOW --image IMAGE | kubectl apply" in done.stderr


@pytest.mark.parametrize(
    ("state", "reason", "code"),
    [
        ("Completed", "Completed", 0),
        ("Failed", "FlowFailed", 1),
        ("Crashed", "OutOfMemory", 3),
        ("Cancelled", "CancelRequested", 4),
    ],
)
def test_a_watched_run_ends_with_the_exit_code_of_its_outcome(
    penstock: Penstock, play: Play, state: str, reason: str, code: int
) -> None:
    play.flow()

    def operate() -> None:
        run = play.await_run()
        play.enter(run, "Pending", reason="Launching")
        play.enter(run, "Running", reason="Running")
        play.report(run, progress="2/3", tasks=TASKS)
        eventually(lambda: "2/3" in shown())  # it may skip what passes too fast
        play.enter(run, state, reason=reason)

    operator = meanwhile(operate)
    done = penstock("run", "daily", "--watch")
    operator.join()

    name = done.stdout.strip()
    assert done.exit_code == code, done.stderr
    assert f"{name}  Running  2/3  extract 2/3" in done.stderr.splitlines()
    assert done.stderr.splitlines()[-1].startswith(f"{name}  {state}")


def test_watching_a_run_that_has_ended_tells_how(penstock: Penstock, play: Play) -> None:
    play.enter(play.run("daily-1"), "Failed", reason="FlowFailed")
    play.report("daily-1", error={"type": "E", "message": "m", "traceback": "Traceback\nE: m\n"})

    done = penstock("watch", "daily-1")

    assert done.exit_code == 1
    assert done.stdout.splitlines() == ["daily-1  Failed  It is Failed.", "Traceback", "E: m"]


def test_watch_prints_the_whole_run_at_its_end_if_asked(penstock: Penstock, play: Play) -> None:
    play.enter(play.run("daily-1"), "Completed", reason="Completed")

    done = penstock("watch", "daily-1", "-o", "yaml")

    assert yaml.safe_load(done.stdout)["status"]["state"] == "Completed"
    assert "daily-1  Completed" in done.stderr


def test_list_shows_the_runs_asked_for(penstock: Penstock, play: Play) -> None:
    play.enter(play.run("daily-1"), "Completed", reason="Completed")
    play.enter(play.run("daily-2"), "Running", reason="Running")
    play.report("daily-2", progress="2/3")
    play.run("weekly-1", flow="weekly")

    def names(*options: str) -> set[str]:
        items = json.loads(penstock("list", "-o", "json", *options).stdout)["items"]
        return {item["metadata"]["name"] for item in items}

    assert names() == {"daily-1", "daily-2", "weekly-1"}
    assert names("--flow", "daily") == {"daily-1", "daily-2"}
    assert names("--flow", "daily", "--state", "running") == {"daily-2"}
    lines = penstock("list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "FLOW", "STATE", "TASKS", "ATTEMPT", "DURATION", "AGE"]
    assert ["daily-2", "daily", "Running", "2/3", "1"] in [line.split()[:5] for line in lines]


def test_list_sees_all_namespaces(penstock: Penstock, play: Play, namespace: str) -> None:
    play.run("daily-1")

    lines = penstock("list", "-A").stdout.splitlines()

    assert lines[0].startswith("NAMESPACE")
    assert [namespace, "daily-1", "daily"] in [line.split()[:3] for line in lines]


def test_an_empty_list_says_so(penstock: Penstock, namespace: str) -> None:
    done = penstock("list")

    assert done.exit_code == 0
    assert done.stdout == ""
    assert f"No such runs in the namespace {namespace}." in done.stderr


@pytest.mark.parametrize(
    ("arguments", "rerun_of"),
    [
        pytest.param((), {"from": "Failure"}, id="from the failure"),
        pytest.param(("--from", "start"), {"from": "Start"}, id="from the start"),
        pytest.param(("--from", "load"), {"from": "Task", "task": "load"}, id="from a task"),
    ],
)
def test_retry_makes_a_run_that_begins_with_another(
    penstock: Penstock, play: Play, arguments: tuple[str, ...], rerun_of: Object
) -> None:
    play.enter(play.run("daily-1"), "Failed", reason="FlowFailed")

    done = penstock("retry", "daily-1", *arguments, "-p", "limit=5")

    assert done.exit_code == 0, done.stderr
    made = next(run for run in play.runs() if run["metadata"]["name"] == done.stdout.strip())
    assert made["spec"]["flowRef"] == {"name": "daily"}
    assert made["spec"]["parameters"] == {"limit": 5}
    assert made["spec"]["rerunOf"] == {"name": "daily-1"} | rerun_of


@pytest.mark.parametrize(
    ("lines", "refused"),
    [
        pytest.param(['done aa {"name":"ship(ship)","json":1}'], True, id="other tasks"),
        pytest.param(['done aa {"name":"shipp(ship)","json":1}'], False, id="that task"),
    ],
)
def test_a_retry_from_a_task_that_the_run_never_called_is_refused(
    penstock: Penstock, play: Play, lines: list[str], refused: bool
) -> None:
    play.enter(play.run("daily-1"), "Failed", reason="FlowFailed")
    play.journal("daily-1", *lines)

    done = penstock("retry", "daily-1", "--from", "shipp")

    assert done.exit_code == (2 if refused else 0), done.stderr
    assert ("It has entries of: ship." in done.stderr) is refused
    assert len(play.runs()) == (1 if refused else 2)


@pytest.mark.parametrize(
    ("state", "report", "words"),
    [
        pytest.param("Running", {}, "it is Running", id="it runs"),
        pytest.param("Completed", {}, "--from start, or --from TASK", id="nothing failed"),
        pytest.param(
            "Suspended",
            {"suspension": {"kind": "Person", "reason": "ResultUnreadable", "since": NOW}},
            "penstock cancel daily-1 --wait",
            id="it waits for somebody",
        ),
    ],
)
def test_what_cannot_be_retried_is_said(
    penstock: Penstock, play: Play, state: str, report: Object, words: str
) -> None:
    play.enter(play.run("daily-1"), "Pending", reason="Launching")
    play.report("daily-1", **report)
    play.enter("daily-1", state, reason="Running")

    done = penstock("retry", "daily-1")

    assert done.exit_code == 2
    assert words in done.stderr
    assert len(play.runs()) == 1


@pytest.mark.parametrize(
    ("arguments", "accept"),
    [(("resume",), False), (("resume", "--accept"), True), (("retry", "--accept"), True)],
)
def test_a_run_that_waits_for_somebody_is_let_go_on(
    penstock: Penstock, play: Play, arguments: tuple[str, ...], accept: bool
) -> None:
    play.enter(play.run("daily-1"), "Suspended", reason="NonDeterminism", attempt=3)
    suspension = {"kind": "Person", "reason": "NonDeterminism", "since": NOW}
    play.report("daily-1", attempt=3, suspension=suspension)

    done = penstock(*arguments, "daily-1")

    assert done.exit_code == 0, done.stderr
    assert play.runs()[0]["spec"]["resume"] == {"attempt": 3, "accept": accept}


def test_what_is_suspended_already_is_said_and_what_has_ended_is_refused(
    penstock: Penstock, play: Play
) -> None:
    play.enter(play.run("daily-1"), "Running", reason="Running")
    play.enter(play.run("daily-2"), "Completed", reason="Completed")

    first = penstock("suspend", "daily-1")
    again = penstock("suspend", "daily-0", "daily-2", "daily-1")

    assert (first.exit_code, first.stdout) == (0, "daily-1 is being suspended\n")
    assert (again.exit_code, again.stdout) == (2, "daily-1 is suspended already\n")
    assert "There is no run 'daily-0'" in again.stderr
    assert "daily-2 has ended already: Completed." in again.stderr


def test_nobody_answers_a_run_that_has_ended(penstock: Penstock, play: Play) -> None:
    play.enter(play.run("daily-1"), "Completed", reason="Completed")

    done = penstock("approve", "daily-1")

    assert done.exit_code == 2
    assert "daily-1 has ended already: Completed." in done.stderr


def test_a_run_that_nobody_suspended_is_not_resumed(penstock: Penstock, play: Play) -> None:
    play.enter(play.run("daily-1"), "Running", reason="Running")

    done = penstock("resume", "daily-1")

    assert done.exit_code == 0
    assert done.stdout == "daily-1 is not suspended: it is Running. It is Running.\n"


def test_a_run_goes_on_with_the_pool_that_holds_it(penstock: Penstock, play: Play) -> None:
    waiting = {"kind": "WorkPool", "name": "gpu", "since": NOW}
    play.enter(play.run("daily-1"), "Suspended", reason="SuspendRequested", waitingFor=waiting)

    done = penstock("resume", "daily-1")

    assert done.exit_code == 2
    assert "daily-1 is suspended with its WorkPool gpu" in done.stderr


def test_cancel_asks_each_run_although_one_is_missing(penstock: Penstock, play: Play) -> None:
    play.run("daily-1")
    play.enter(play.run("daily-2"), "Completed", reason="Completed")

    done = penstock("cancel", "daily-0", "daily-1", "daily-2")

    cancelled = {run["metadata"]["name"]: run["spec"]["cancel"] for run in play.runs()}
    assert cancelled == {"daily-1": True, "daily-2": False}
    assert done.exit_code == 2
    assert "There is no run 'daily-0'" in done.stderr
    assert done.stdout.splitlines() == [
        "daily-1 is being cancelled",
        "daily-2 has ended already: Completed",
    ]


def test_cancel_waits_if_asked(penstock: Penstock, play: Play) -> None:
    play.enter(play.run("daily-1"), "Running", reason="Running")

    def operate() -> None:
        while not play.runs()[0]["spec"]["cancel"]:
            time.sleep(0.05)
        play.enter("daily-1", "Cancelling", reason="CancelRequested")
        play.enter("daily-1", "Cancelled", reason="CancelRequested")

    operator = meanwhile(operate)
    done = penstock("cancel", "daily-1", "--wait")
    operator.join()

    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "daily-1 has ended: Cancelled"


def test_the_log_of_a_pod_that_is_gone_is_a_sentence(penstock: Penstock, play: Play) -> None:
    play.enter(play.run("daily-1"), "Completed", reason="Completed")

    done = penstock("logs", "daily-1")

    assert done.exit_code == 2
    assert "The pod of attempt 1 of daily-1 is gone, and its log with it." in done.stderr


def test_who_may_not_list_is_told_whom_to_ask(
    api: ApiServer, namespace: str, kubeconfig: Path, tmp_path: Path
) -> None:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    api.create(path, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "guest"}})
    token = _token(api, f"{path}/guest/token")
    config = yaml.safe_load(kubeconfig.read_text())
    for user in config["users"]:
        user["user"] = {"token": token}
    (tmp_path / "config").write_text(yaml.safe_dump(config))

    done = CliRunner().invoke(
        app, ["list", "-n", namespace, "--kubeconfig", str(tmp_path / "config")]
    )

    assert done.exit_code == 2
    assert 'cannot list resource "flowruns"' in done.stderr
    assert "Ask the cluster's administrator" in done.stderr


def _token(api: ApiServer, path: str) -> str:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    return str(api.create(path, body)["status"]["token"])
