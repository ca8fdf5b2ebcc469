"""The program: its start, its help, its completion."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from penstock import __version__
from penstock.cli.app import app

Penstock = Callable[..., Any]


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-c", code, *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("missing", ["typer", "kubernetes"])
def test_without_its_extra_one_sentence_says_what_to_install(missing: str) -> None:
    done = python(
        f"import sys; sys.modules['{missing}'] = None\n"
        "sys.argv = ['penstock', 'list', '--kubeconfig', '/dev/null']\n"
        "from penstock.cli.main import main; main()"
    )

    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1
    assert "pip install 'penstock[cli]'" in done.stderr


def test_the_start_waits_for_no_library_that_only_some_commands_need() -> None:
    late = {"kubernetes", "jsonschema", "pydantic", "yaml", "rich.live", "urllib3"}
    done = python("import sys, penstock.cli.app; print(*sys.modules)")

    assert done.returncode == 0, done.stderr
    assert late.isdisjoint(done.stdout.split())


def test_version_names_the_version(penstock: Penstock) -> None:
    assert penstock("version").stdout.startswith(f"penstock {__version__} (Python 3.")


@pytest.mark.parametrize("command", ["run", "watch", "logs", "list", "cancel", "render", "version"])
def test_each_command_has_help(penstock: Penstock, command: str) -> None:
    done = penstock(command, "-h")

    assert done.exit_code == 0
    assert f"penstock {command}" in done.stdout or "Usage" in done.stdout


def test_a_typo_is_answered_with_the_usage(penstock: Penstock) -> None:
    done = penstock("wach")

    assert done.exit_code == 2
    assert "watch" in done.stderr


def test_as_a_plugin_it_names_itself_as_it_was_typed() -> None:
    done = python(
        "import sys; sys.argv = ['/usr/local/bin/kubectl-penstock', 'list', '--help']\n"
        "from penstock.cli.main import main; main()"
    )

    assert "kubectl penstock list" in done.stdout


def test_kubectl_is_told_what_may_follow() -> None:
    done = python(
        "import sys; sys.argv = ['kubectl_complete-penstock', 'c']\n"
        "from penstock.cli.main import complete_for_kubectl; complete_for_kubectl()"
    )

    assert done.stdout.split() == ["cancel", ":4"]


def test_the_page_about_the_command_line_names_every_option_and_no_other() -> None:
    page = (Path(__file__).parents[3] / "docs/cli.md").read_text()
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = {
        option
        for command in commands.values()
        for each in (command, *getattr(command, "commands", {}).values())
        for parameter in each.params
        for option in parameter.opts
        if option.startswith("--")
    }

    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page)) - {"--install-completion"}

    assert named == options - {"--help"}
    assert set(re.findall(r"`penstock ([a-z]+)", page)) == set(commands)
