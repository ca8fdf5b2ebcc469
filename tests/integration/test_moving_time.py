"""A process in which time was moved."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from penstock import task
from penstock.testing import moving_time

@task(retries=1, retry_delay_seconds=3600)
def fails():
    raise ValueError

with moving_time() as time:
    fails.submit()
    time.move(seconds=1)
"""


def test_a_task_that_a_test_left_waiting_does_not_hold_up_the_exit() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], timeout=90, check=False)

    assert ended.returncode == 0
