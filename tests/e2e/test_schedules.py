"""Schedules that make pods, and a pool that lets few of them in, as the examples for git do."""

import json
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from tests.e2e.cluster import ROOT, wait_until
from tests.e2e.namespaces import TERMINAL, Namespace, Run

EXAMPLES = ROOT / "examples"
TICKS = 3
EACH_SECOND = {"interval": {"seconds": 1}, "catchUp": {"limit": TICKS}}
"""However late a busy machine sees to the moments, it makes up all of them."""


def _moments() -> list[str]:
    """Name some seconds that come, late enough for a schedule to be there before."""
    first = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=15)
    return [f"{first + timedelta(seconds=n):%Y-%m-%dT%H:%M:%SZ}" for n in range(TICKS)]


def _is_over(namespace: Namespace) -> bool:
    """Tell whether each moment was made a run or skipped, and each run has ended."""
    status = namespace.schedule_status("often")
    states = [run.status()["state"] for run in namespace.runs_of("often")]
    decided = status.get("started", 0) + sum(status.get("skipped", {}).values())
    return decided == TICKS and len(states) == status["started"] and set(states) <= TERMINAL


@pytest.mark.longest
@pytest.mark.parametrize(
    ("policy", "steps", "ends"),
    [
        ("Allow", 20, "(Completed ){3}"),
        ("Skip", 40, "Completed "),
        ("BufferOne", 40, "(Completed ){2}"),
        ("BufferAll", 20, "(Completed ){3}"),
        ("CancelRunning", 40, "(Cancelled ){1,2}Completed "),
        ("TerminateRunning", 40, "(Cancelled ){2}Completed "),
    ],
)
def test_runs_that_overlap_go_by_the_policy(
    namespace: Namespace, policy: str, steps: int, ends: str
) -> None:
    namespace.pool()
    flow = namespace.flow("steps")
    moments = _moments()
    bounds = {"startAt": moments[0], "endAt": moments[-1], "parameters": {"count": steps}}
    namespace.schedule("often", flow, overlapPolicy=policy, **EACH_SECOND, **bounds)

    wait_until(lambda: _is_over(namespace), "each moment is decided, each run over", within=240)

    runs = namespace.runs_of("often")
    ended = [run.status() for run in runs]
    left_out = {"Overlap": TICKS - len(runs)} if len(runs) < TICKS else {}
    assert re.fullmatch(ends, "".join(f"{status['state']} " for status in ended))
    assert namespace.schedule_status("often").get("skipped", {}) == left_out
    assert {run.name for run in runs} <= {f"often-{re.sub('[^0-9]', '', at)}" for at in moments}
    if policy not in ("Allow", "TerminateRunning"):
        assert all(after["queuedAt"] >= before["finishedAt"] for before, after in pairwise(ended))


def test_a_backfill_in_git_is_made_up_one_day_after_another(namespace: Namespace) -> None:
    namespace.kubectl("apply", "-k", f"{EXAMPLES}/schedules/base")
    applied = namespace.kubectl("apply", "-k", f"{EXAMPLES}/schedules/backfill")

    def complete() -> Any:
        (found,) = namespace.schedule_status("report-nightly").get("backfills") or [{}]
        return found.get("complete") and found

    done = wait_until(complete, "the backfill is complete", within=180)
    runs = namespace.runs_of("report-nightly")
    ended = [run.end() for run in runs]

    assert "schedule.penstock.dev/report-nightly configured" in applied
    assert (done["done"], done["total"]) == (3, 3)
    assert [run.name[-14:] for run in runs] == [f"202601{day}013000" for day in (10, 11, 12)]
    assert [status["state"] for status in ended] == ["Completed"] * 3
    assert all(after["queuedAt"] >= before["finishedAt"] for before, after in pairwise(ended))


def test_two_slots_are_never_three_and_ten_runs_complete(namespace: Namespace) -> None:
    namespace.kubectl("apply", "-k", f"{EXAMPLES}/pools")
    watch = namespace.follow("get", "flowruns", "--watch", "--output-watch-events", "-o", "json")
    created = namespace.kubectl("create", "-f", f"{EXAMPLES}/pools/runs.yaml", "-o", "name")
    runs = [Run(namespace, name.rpartition("/")[2]) for name in created.split()]

    ended = [run.end(within=240) for run in runs]
    watch.terminate()

    states: dict[str, str] = {}
    most = 0
    for event in _events(watch.communicate()[0]):
        states[event["metadata"]["name"]] = event.get("status", {}).get("state", "")
        most = max(most, sum(state in ("Pending", "Running") for state in states.values()))
    assert [status["state"] for status in ended] == ["Completed"] * 10
    assert len(states) == len(namespace.jobs()) == 10
    assert most == 2


def test_the_newest_run_of_a_flow_replaces_the_one_at_work(namespace: Namespace) -> None:
    namespace.pool()
    flow = namespace.flow("steps", concurrency={"limit": 1, "strategy": "CancelRunning"})
    older = namespace.run(flow, {"count": 1000}, name="older")
    older.until(lambda status: status["state"] == "Running", "it runs")

    newer = namespace.run(flow, {"count": 3}, name="newer").end()
    cancelled = older.end()

    assert (cancelled["state"], cancelled["reason"]) == ("Cancelled", "Superseded")
    assert (newer["state"], newer["attempt"]) == ("Completed", 1)
    assert newer["startedAt"] >= cancelled["finishedAt"]


def _events(printed: str) -> list[Any]:
    """Return the objects of what `kubectl get --watch` printed, in order."""
    decoder, found, position = json.JSONDecoder(), [], 0
    while (position := printed.find("{", position)) >= 0:
        event, position = decoder.raw_decode(printed, position)
        found.append(event["object"])
    return found
