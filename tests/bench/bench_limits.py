"""Many pods that want few slots of a ConcurrencyLimit: how well the slots are used, and by whom.

A hundred contenders, each with clients of its own, share four processes; each takes a slot twice.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.stage import ROOT, api_server, namespace
from tests.integration import charts
from tests.integration.apiserver import ApiServer
from tests.integration.forgery import admit_runners, start_pod
from tests.integration.nodes import place_of
from tests.integration.runner.processes import environment_of
from tests.integration.world import World, eventually

from penstock.concurrency.claims import Request
from penstock.runner.environment import read_environment
from penstock.runner.limits.namespace import NamespaceLimits

CONTENDERS, PROCESSES, SLOTS = 100, 4, 5
ROUNDS, SECONDS = 2, 0.5
ACQUISITIONS = CONTENDERS * ROUNDS
IDEAL = ACQUISITIONS * SECONDS / SLOTS


def main() -> None:
    with (
        api_server() as server,
        charts.rights(server) as release,
        namespace(server, "bench-limits") as world,
        tempfile.TemporaryDirectory() as folder,
    ):
        admit_runners(server, world.namespace, release=release)
        world.create_run("one")
        eventually(lambda: _is_created(world))
        pod = start_pod(server, world.namespace, "one-1-bcdfg")
        place = place_of(pod, world, folder=Path(folder), run="one", attempt=1)
        before = _requests(server)
        waits, took = _contend(environment_of(place, Path(folder)))
        requests = {name: count - before.get(name, 0) for name, count in _requests(server).items()}
        _tell(waits, took=took, requests=requests)


def _contend(environment: dict[str, str]) -> tuple[list[list[float]], float]:
    """Return the moments at which each contender got its slots, and when the last gave one back."""
    command = [sys.executable, "-m", "tests.bench.bench_limits", "contend"]
    processes = [
        subprocess.Popen(
            command,
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    began = time.time()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    moments = [
        [at - began for at in each]
        for process in processes
        for each in json.loads(process.communicate()[0])
    ]
    return moments, max(max(each) for each in moments) + SECONDS


def contend() -> None:
    """Be a quarter of the contenders."""
    pods = [NamespaceLimits(read_environment(os.environ)) for _ in range(CONTENDERS // PROCESSES)]
    for pod in pods:
        pod.of_tags(["none"])  # until it knows the limits
    print("ready", flush=True)
    sys.stdin.readline()
    moments: list[list[float]] = [[] for _ in pods]
    threads = [
        threading.Thread(target=_take_slots, args=each) for each in zip(pods, moments, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for pod in pods:
        pod.close(suspended=False, within=60)
    print(json.dumps(moments))


def _take_slots(pod: NamespaceLimits, moments: list[float]) -> None:
    request = Request(names=("db",), slots=1, timeout_seconds=None, strict=True, held=True)
    for _ in range(ROUNDS):
        claim = pod.claim(request, overtakes=False)
        while (seconds := claim.look()) is not None:
            rung = threading.Event()
            claim.place.subscribe(rung.set)
            rung.wait(seconds)
        moments.append(time.time())
        time.sleep(SECONDS)
        claim.leave()


def _is_created(world: World) -> bool:
    try:
        spec = {"limit": SLOTS}
        return bool(world.create("concurrencylimits", "ConcurrencyLimit", "db", spec))
    except AssertionError:  # a kind that is new is not served at once
        return False


def _requests(server: ApiServer) -> dict[str, float]:
    """Return how many requests about limits were answered, by verb and code."""
    answer = server.pool.request("GET", f"{server.url}/metrics", headers=server.headers)
    counts: dict[str, float] = {}
    for line in answer.data.decode().splitlines():
        if line.startswith("apiserver_request_total{") and '"concurrencylimits"' in line:
            series, _, count = line.rpartition(" ")
            labels = dict(part.split("=", 1) for part in series.split("{")[1][:-1].split(","))
            name = f"{labels['verb']} {labels['code']}".replace('"', "")
            counts[name] = counts.get(name, 0) + float(count)
    return counts


def _tell(moments: list[list[float]], *, took: float, requests: dict[str, float]) -> None:
    print(f"requests: {requests}", file=sys.stderr)
    first = sorted(each[0] for each in moments)
    writes = requests.get("PUT 200", 0)
    refused = requests.get("PUT 409", 0)
    title = f"{CONTENDERS} contenders for {SLOTS} slots of a ConcurrencyLimit"
    Figure(f"{title}: time beside the ideal", took / IDEAL, "", 1.2).print()
    Figure(
        "the same: the last first slot, beside the ideal", first[-1] / (IDEAL / ROUNDS), "", 1.3
    ).print()
    Figure("the same: writes an acquisition", writes / ACQUISITIONS, "", 3).print()
    Figure("the same: refused writes an acquisition", refused / ACQUISITIONS, "", 5).print()


if __name__ == "__main__":
    contend() if "contend" in sys.argv else main()
