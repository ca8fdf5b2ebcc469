"""The simulated histories of a schedule are worth as much as the mistakes that they find."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HISTORIES = "tests/unit/operator/reconcile/scheduling/test_histories.py"


@dataclass(frozen=True, slots=True)
class Mutation:
    """A mistake that a careless change could make in `reconcile/scheduling`."""

    name: str
    file: str
    old: str
    new: str


MUTATIONS = (
    Mutation(
        name="runs-that-a-crash-kept-from-being-made-are-forgotten",
        file="plans.py",
        old="    unmade = [each for each in starting if known[_name_of(each, schedule)] is None]\n",
        new="    unmade: list[Start] = []\n",
    ),
    Mutation(
        name="runs-are-made-before-they-are-written-down",
        file="plans.py",
        old="            *_patched(schedule, status),\n"
        "            *(create_run(schedule, each) for each in starts),\n",
        new="            *(create_run(schedule, each) for each in starts),\n"
        "            *_patched(schedule, status),\n",
    ),
    Mutation(
        name="the-mark-is-the-clock",
        file="plans.py",
        old="    course.decided_through = due.through\n",
        new="    course.decided_through = course.now\n",
    ),
    Mutation(
        name="a-missed-moment-is-not-counted",
        file="missed.py",
        old="        missed=len(late) - len(kept),\n",
        new="        missed=max(0, len(late) - len(kept) - 1),\n",
    ),
    Mutation(
        name="what-a-later-run-replaces-is-not-counted",
        file="course.py",
        old='            self.skip(len(self.buffered), "Overlap")\n',
        new="            pass\n",
    ),
)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.name)
def test_a_mistake_in_the_rule_is_found(mutation: Mutation, tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(
        ROOT / "operator/penstock_operator", tmp_path / "penstock_operator", ignore=ignored
    )
    path = tmp_path / "penstock_operator/reconcile/scheduling" / mutation.file
    text = path.read_text()
    assert text.count(mutation.old) == 1, f"{mutation.file} has changed: say how it is broken now."
    path.write_text(text.replace(mutation.old, mutation.new))

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", HISTORIES],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT / 'runner-image'}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed" in done.stdout
