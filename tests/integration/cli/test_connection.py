"""Which cluster is meant, and the sentences about those that cannot be used."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.integration.cli.apiserver import Answer, Script, no_such, of

from penstock.cli.connection import Target, connect
from penstock.cli.errors import CommandError

Penstock = Callable[..., Any]
RUNS = "/apis/penstock.dev/v1alpha1/namespaces/default/flowruns"

NO_KINDS = Answer(body=b"404 page not found\n", status=404)


def kubeconfig(path: Path, **changes: Any) -> Path:
    context = {"cluster": "c", "user": "u", "namespace": "team-a"}
    config = {
        "current-context": "first",
        "contexts": [{"name": "first", "context": context}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path.write_text(json.dumps(config | changes))
    return path


def test_the_namespace_is_the_contexts_unless_one_is_named(tmp_path: Path) -> None:
    path = str(kubeconfig(tmp_path / "config"))

    assert connect(Target(kubeconfig=path)).namespace == "team-a"
    assert connect(Target(kubeconfig=path, namespace="team-b")).namespace == "team-b"


def test_options_before_and_after_the_command_both_count() -> None:
    before = Target(namespace="a", context="c")

    assert before.narrowed_by(Target(namespace="b")) == Target(namespace="b", context="c")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"contexts": []}, "", id="no contexts"),
        pytest.param({"current-context": ""}, "first", id="no current context"),
        pytest.param({"current-context": "second"}, "second", id="a context that is not there"),
        pytest.param({"clusters": []}, "first", id="no clusters"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_a_sentence(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    path = kubeconfig(tmp_path / "config", **changes)

    with pytest.raises(CommandError) as caught:
        connect(Target(kubeconfig=str(path)))

    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_an_unknown_context_is_answered_with_those_there_are(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config")

    with pytest.raises(CommandError, match="no context 'x'; choose one by --context: first"):
        connect(Target(kubeconfig=str(path), context="x"))


def test_a_named_context_needs_no_current_one(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", **{"current-context": ""})

    assert connect(Target(kubeconfig=str(path), context="first")).namespace == "team-a"


def test_no_configuration_at_all_points_to_runs_without_a_cluster(penstock: Penstock) -> None:
    done = penstock("list")

    assert done.exit_code == 2
    assert "penstock run FILE:FLOW" in done.stderr


def test_a_cluster_that_does_not_answer_exits_with_75(penstock: Penstock, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config")

    done = penstock("list", "--kubeconfig", path)

    assert done.exit_code == 75
    assert "http://127.0.0.1:9 does not answer" in done.stderr
    assert "refused" in done.stderr
    assert "object at" not in done.stderr


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(
            Answer(body=b"404 page not found\n", status=404), "helm install", id="no kinds"
        ),
        pytest.param(of({"message": "no"}, status=401), "does not accept your", id="unauthorized"),
        pytest.param(
            of({"message": 'cannot list "x"'}, status=403), "the role 'edit'", id="forbidden"
        ),
        pytest.param(of({"message": "etcd"}, status=503), "try again", id="unavailable"),
    ],
)
def test_a_refusal_says_what_to_do(
    penstock: Penstock, script: Script, tmp_path: Path, answer: Answer, words: str
) -> None:
    script.on(RUNS, answer)

    done = penstock("list", "--kubeconfig", script.kubeconfig(tmp_path))

    assert done.exit_code == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_list_is_read_to_its_last_page(
    penstock: Penstock, script: Script, tmp_path: Path
) -> None:
    def page(name: str, further: str) -> Answer:
        metadata = {"name": name, "creationTimestamp": "2026-11-20T12:00:00Z"}
        run = {"metadata": metadata, "spec": {"flowRef": {"name": "daily"}}}
        return of({"metadata": {"continue": further}, "items": [run]})

    script.on(RUNS, page("daily-1", "token"), page("daily-2", ""))

    done = penstock("list", "--kubeconfig", script.kubeconfig(tmp_path))

    assert "daily-1" in done.stdout
    assert "daily-2" in done.stdout
    assert script.seen[1][2]["continue"] == "token"


def test_a_run_that_is_not_there_is_a_sentence(
    penstock: Penstock, script: Script, tmp_path: Path
) -> None:
    script.on(f"{RUNS}/daily-9", no_such("flowruns", "daily-9"))

    done = penstock("watch", "daily-9", "--kubeconfig", script.kubeconfig(tmp_path))

    assert done.exit_code == 2
    assert "There is no run 'daily-9' in the namespace default" in done.stderr
