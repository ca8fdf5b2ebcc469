"""The examples of the repository run as they are; some while somebody kills their pods.

When, and how, is drawn from EXAMPLE_SEED, which a failure names.
"""

import json
import os
import random
import re
import time
from typing import Any

import pytest
from tests.e2e.cluster import ROOT, Object, wait_until
from tests.e2e.hosts import processes_of_pod
from tests.e2e.namespaces import Namespace, Run

EXAMPLES = ROOT / "examples"
SEED = os.environ.get("EXAMPLE_SEED") or str(random.randrange(10**6))
SEEDED = f"EXAMPLE_SEED={SEED}"


def test_hello_runs_from_its_inline_source(namespace: Namespace) -> None:
    """Its counts and its outcome show where people look for them."""
    namespace.kubectl("apply", "-f", f"{EXAMPLES}/pool.yaml", "-f", f"{EXAMPLES}/hello/flow.yaml")
    created = namespace.kubectl("create", "-f", f"{EXAMPLES}/hello/run.yaml", "-o", "name").strip()

    namespace.kubectl("wait", "--for=condition=Succeeded", "--timeout=120s", created)

    columns = namespace.kubectl("get", created, "--no-headers").split()
    assert columns[1:4] == ["hello", "Completed", "6/6"]
    logs = namespace.logs(f"{created.rpartition('/')[2]}-1")
    assert "Good morning, Ada Lovelace!" in logs
    assert "wrote" in logs


def test_weather_runs_from_an_image_of_its_own(namespace: Namespace) -> None:
    """The Flow comes from ``penstock render``, the data from a package inside the image."""
    image = namespace.cluster.images["example-weather"]
    rendered = namespace.cluster.tool(
        "penstock", "render", f"{EXAMPLES}/weather/flow.py:weather", "--image", image
    )
    namespace.kubectl("apply", "-f", f"{EXAMPLES}/pool.yaml", "-f", "-", stdin=rendered)
    created = namespace.kubectl(
        "create", "-f", f"{EXAMPLES}/weather/run.yaml", "-o", "name"
    ).strip()
    run = Run(namespace, created.rpartition("/")[2])

    status = run.end()

    assert status["state"] == "Completed"
    assert status["execution"]["progress"] == "6/6"
    assert "sun  <- wettest" in namespace.logs(f"{run.name}-1")


def kill_some_time(run: Run, *, within: float, draw: random.Random) -> str:
    """Kill the run's first pod, by its process or by its object; return what was done."""
    run.until(lambda status: status["state"] == "Running", "it runs")
    seconds, by = draw.uniform(0.1, within), draw.choice(("SIGKILL", "deletion"))
    pod = run.pod()
    time.sleep(seconds)
    if by == "SIGKILL":
        for pid in processes_of_pod(pod):
            os.kill(pid, 9)
    else:
        run.namespace.kubectl(
            *("delete", "pod", pod, "--grace-period=0", "--force", "--ignore-not-found")
        )
    done = f"{SEEDED}: {pod} ended by {by} after {seconds:.2f} s"
    print(done)
    return done


def created(namespace: Namespace, flow: str, run: str = "run") -> Run:
    """Apply the Flow of an example, and create one of its runs."""
    folder = EXAMPLES / flow
    namespace.kubectl("apply", "-f", f"{EXAMPLES}/pool.yaml", "-f", f"{folder}/flow.yaml")
    name = namespace.kubectl("create", "-f", f"{folder}/{run}.yaml", "-o", "name").strip()
    return Run(namespace, name.rpartition("/")[2])


def order(namespace: Namespace, run: str) -> Run:
    """Create a run of the example orders, beside its ledger."""
    ledger = (EXAMPLES / "orders/ledger.yaml").read_text()
    ours = f"image: {namespace.cluster.images['runner']}"
    namespace.kubectl("apply", "-f", "-", stdin=re.sub(r"image: \S+", ours, ledger))
    # Twice as slow as the example: whatever moment is drawn, the run is not over before.
    namespace.kubectl("set", "env", "deployment/ledger", "LEDGER_SECONDS=2")
    namespace.kubectl("rollout", "status", "deployment/ledger", "--timeout=90s")
    return created(namespace, "orders", run)


def deeds(namespace: Namespace) -> list[Object]:
    """Return what the ledger has done."""
    program = (
        "import urllib.request as u; print(u.urlopen('http://localhost:8080').read().decode())"
    )
    found: list[Object] = json.loads(
        namespace.kubectl("exec", "deploy/ledger", "--", "python", "-c", program)
    )
    return found


@pytest.mark.parametrize("time_", range(2))
def test_an_order_is_charged_once_whatever_is_killed(namespace: Namespace, time_: int) -> None:
    run = order(namespace, "run")
    done = kill_some_time(run, within=4.5, draw=random.Random(f"{SEED} order {time_}"))

    status = run.end()

    said = namespace.penstock("values", run.name, "-o", "json")
    assert status["state"] == "Completed", done
    assert status["attempt"] >= 2, done
    assert [each["deed"] for each in deeds(namespace)] == ["reserve", "charge", "ship"], done
    assert json.loads(said[1]) == {"stage": "shipped"}


def test_an_order_that_cannot_be_shipped_is_undone(
    namespace: Namespace,
) -> None:
    run = order(namespace, "run-failing")
    done = kill_some_time(run, within=6, draw=random.Random(f"{SEED} failing"))

    status = run.end()

    assert (status["state"], status["reason"]) == ("Failed", "FlowFailed"), done
    assert status["attempt"] >= 2, done
    assert "There is no Atlantis." in status["message"]
    assert sorted(each["deed"] for each in deeds(namespace)) == [
        *("charge", "put-back", "refund", "reserve")
    ], done


def test_a_person_approves_a_run_that_has_no_pod(namespace: Namespace) -> None:
    """Its pod was killed before; what was built then, or by the next, is not built again."""
    run = created(namespace, "approval")
    done = kill_some_time(run, within=3, draw=random.Random(f"{SEED} approval"))
    suspended = run.until(lambda status: status["state"] == "Suspended", f"it waits ({done})")
    run.until(lambda _: not namespace.pods(), "its pod has ended")

    code, said = namespace.penstock("approve", run.name, "--comment", "looks good")
    status = run.end()

    assert suspended["waitingFor"]["name"] == "approval"
    assert suspended["waitingFor"]["payloadSchema"]["required"] == ["approved"]
    assert code == 0, said
    assert status["state"] == "Completed", done
    assert status["attempt"] >= 3, done
    assert "app-1.4.2.tar.gz released, approved by" in _result(status)
    assert status["execution"]["progress"] == "2/2"
    wait_until(
        lambda: "Consumed" in namespace.kubectl("get", "signals", "--no-headers"),
        "the signal is consumed",
        within=90,
    )


def _result(status: Object) -> Any:
    return status["execution"]["result"]["preview"]


def test_the_counts_grow_while_a_run_goes_on(namespace: Namespace) -> None:
    """What ``kubectl get flowruns --watch`` prints is more than the beginning and the end."""
    namespace.pool()
    flow = namespace.flow("fan_out")
    watch = namespace.follow("get", "flowruns", "--watch", "--output-watch-events", "-o", "json")
    run = namespace.run(flow)
    run.end()
    watch.terminate()

    printed = watch.communicate()[0]

    seen = list(dict.fromkeys(_progress_of_each(printed)))
    assert len(seen) >= 4
    assert seen[-1] == "6/6"


def _progress_of_each(events: str) -> list[str]:
    decoder, found, position = json.JSONDecoder(), [], 0
    while (position := events.find("{", position)) >= 0:
        event, position = decoder.raw_decode(events, position)
        execution = event["object"].get("status", {}).get("execution", {})
        found += [execution["progress"]] if "progress" in execution else []
    return found
