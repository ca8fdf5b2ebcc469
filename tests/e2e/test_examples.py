"""The examples of the repository run as they are."""

import json

from tests.e2e.cluster import ROOT
from tests.e2e.namespaces import Namespace, Run

EXAMPLES = ROOT / "examples"


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
