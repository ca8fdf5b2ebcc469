"""The journal that a pod has written, and other code than it ran: replayed, or in the next pod."""

import json
from pathlib import Path

import pytest
from tests.integration.journals import Journal, start_attempt
from tests.integration.large import start_runner

from penstock.errors import NonDeterminism
from penstock.loading import load_flow
from penstock.testing import replay

CODE = """
from penstock import flow, now, task

@task
def load(day: str, when: str) -> str:
    return day

@flow
def days(count: int) -> list[str]:
    when = str(now())
    return load.map([f"day {number}" for number in range(count)], when).result()
"""


def test_what_kubectl_prints_of_a_journal_is_replayed(journal: Journal, tmp_path: Path) -> None:
    runner = start_runner(journal, CODE, "flow.py:days", count=20)
    try:
        assert runner.exit_code(timeout=60) == 0
    finally:
        runner.close()
    printed = tmp_path / "segments.json"
    printed.write_text(json.dumps({"kind": "List", "items": journal.objects}))
    for name, code in {"same": CODE, "other": CODE.replace('f"day', 'f"the day')}.items():
        (tmp_path / f"{name}_days.py").write_text(code)

    replayed = replay(load_flow(str(tmp_path / "same_days.py:days")), printed, run="daily")

    assert replayed.found == {"now": 1, "load": 20}
    with pytest.raises(NonDeterminism, match="another value of day"):
        replay(load_flow(str(tmp_path / "other_days.py:days")), printed)


STRICT = """
import os
from penstock import flow, task

@task
def load(day: str) -> str:
    print("loads", day, flush=True)
    return day

@flow(strict=True)
def days() -> None:
    load("monday")
    os._exit(9)
"""


def test_a_strict_flow_that_has_changed_waits_for_a_person_without_a_pod(journal: Journal) -> None:
    first = start_runner(journal, STRICT, "flow.py:days")
    assert first.exit_code(timeout=60) == 9
    first.close()
    start_attempt(journal, 2)
    second = start_runner(journal, STRICT.replace("monday", "tuesday"), "flow.py:days", attempt=2)
    code = second.exit_code(timeout=60)
    second.close()

    suspension = journal.run["status"]["execution"]["suspension"]
    assert (code, suspension["kind"], suspension["reason"]) == (0, "Person", "NonDeterminism")
    assert "load is called with another value of day" in suspension["message"]
    assert not any("loads tuesday" in line for line in second.lines)
