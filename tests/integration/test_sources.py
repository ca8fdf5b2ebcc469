"""A flow of a Git repository: cloned by git, at a branch or tag, and gone with the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from penstock import flow
from penstock.errors import FlowLoadError

PROGRAM = """
import sys
from penstock import flow

first = flow.from_source(sys.argv[1], "flows/cloned.py:version", ref="v1")
print(first(), first.fn.__code__.co_filename)
"""


@pytest.fixture
def repository(tmp_path: Path) -> str:
    """A repository on this machine whose tag v1 is older than its branch."""

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        subprocess.run(command, check=True, capture_output=True)

    git("init", "--quiet", "--initial-branch", "main")
    (tmp_path / "flows").mkdir()
    for version in (1, 2):
        code = f"from penstock import flow\n\n@flow\ndef version():\n    return {version}\n"
        (tmp_path / "flows/cloned.py").write_text(code)
        git("add", ".")
        git("commit", "--quiet", "--message", str(version))
        git("tag", f"v{version}")
    return f"file://{tmp_path}"


def test_a_repository_is_cloned_at_a_ref_and_the_clone_does_not_stay(repository: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, repository],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    version, file = done.stdout.split()

    assert version == "1"
    assert "penstock-source-" in file
    assert not Path(file).parents[1].exists()


def test_what_git_cannot_clone_says_why(repository: str) -> None:
    with pytest.raises(FlowLoadError, match=r"(?s)cannot be cloned; .*--branch v9.*v9 not found"):
        flow.from_source(repository, "flows/cloned.py:version", ref="v9")
