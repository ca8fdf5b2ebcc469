"""A run of 10,000 tasks is bounded in all that it takes: pods, reports, objects, memory."""

from pathlib import Path

import pytest
from tests.integration.apiserver import ApiServer
from tests.integration.forgery import admit_runners
from tests.integration.journals import Journal, create_journal
from tests.integration.large import run_large

TASKS = 10_000


@pytest.fixture
def journal(api: ApiServer, namespace: str, release: str, tmp_path: Path) -> Journal:
    admit_runners(api, namespace, release=release)
    journal = create_journal(api, namespace, "large", tmp_path)
    journal.wait_until_in_force()
    return journal


def test_ten_thousand_tasks_take_one_pod_few_objects_and_small_rare_reports(
    journal: Journal,
) -> None:
    cost = run_large(journal, count=TASKS)

    assert cost.execution["progress"] == f"{TASKS}/{TASKS}"
    assert cost.execution["counts"] == {"Completed": TASKS - 4, "Failed": 4}
    assert not cost.unstored
    assert len(journal.pods) == 1
    assert cost.report_bytes < 32 * 1024
    assert cost.reports_a_second <= 1
    assert cost.objects <= 40
    assert cost.peak_mib < 200
