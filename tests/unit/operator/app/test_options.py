from __future__ import annotations

from datetime import timedelta

import pytest

from penstock_operator.app.options import own_identity, parse_options


def test_the_image_is_all_that_must_be_said() -> None:
    options = parse_options(["--runner-image", "runner:1"])

    assert options.settings.runner_image == "runner:1"
    assert options.settings.image_deadline == timedelta(minutes=5)
    assert options.namespaces == ()
    assert options.http_port == 8080


def test_namespaces_are_named_one_by_one() -> None:
    options = parse_options(
        ["--runner-image", "r", "--namespace", "a", "--namespace", "b", "--namespace", "a"]
    )

    assert options.namespaces == ("a", "b")


def test_deadlines_are_seconds() -> None:
    options = parse_options(["--runner-image", "r", "--quota-deadline-seconds", "60"])

    assert options.settings.quota_deadline == timedelta(minutes=1)


def test_the_lease_is_kept_where_the_pod_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAMESPACE", "penstock-system")

    assert parse_options(["--runner-image", "r"]).lease_namespace == "penstock-system"


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="no image"),
        pytest.param(["--runner-image", "r", "--pod-deadline-seconds", "0"], id="no time"),
        pytest.param(["--runner-image", "r", "--log-format", "xml"], id="unknown format"),
    ],
)
def test_a_wrong_command_line_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        parse_options(arguments)

    assert refused.value.code == 2


def test_two_processes_of_one_pod_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAME", "penstock-0")

    first, second = own_identity(), own_identity()

    assert first.startswith("penstock-0_")
    assert first != second
