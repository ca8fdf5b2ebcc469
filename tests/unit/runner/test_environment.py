"""Where a process stands, read from the environment that the operator made."""

from pathlib import Path

import pytest

from penstock.runner.environment import NotInPodError, read_environment

POD = {
    "PENSTOCK_NAMESPACE": "data",
    "PENSTOCK_RUN": "daily-x7k2p",
    "PENSTOCK_FLOW": "daily",
    "PENSTOCK_ATTEMPT": "2",
    "PENSTOCK_POD_NAME": "daily-x7k2p-2-abcde",
    "PENSTOCK_POD_UID": "u-1",
    "PENSTOCK_GRACE_SECONDS": "30",
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "KUBERNETES_SERVICE_PORT": "6443",
}


def test_a_pod_knows_its_run_and_attempt() -> None:
    environment = read_environment(POD)

    assert (environment.run, environment.attempt) == ("daily-x7k2p", 2)
    assert (environment.server_host, environment.server_port) == ("10.96.0.1", 6443)
    assert environment.credentials == Path("/var/run/secrets/penstock.dev/serviceaccount")
    assert environment.snapshot == Path("/var/run/penstock/flow")
    assert not environment.result_preview


def test_outside_a_pod_it_says_what_to_do_instead() -> None:
    with pytest.raises(NotInPodError, match=r"PENSTOCK_RUN.*penstock run FILE:FLOW"):
        read_environment({})


@pytest.mark.parametrize("name", [*POD])
def test_an_incomplete_environment_is_no_pod(name: str) -> None:
    optional = {"PENSTOCK_FLOW", "PENSTOCK_GRACE_SECONDS", "KUBERNETES_SERVICE_PORT"}
    environ = {key: value for key, value in POD.items() if key != name}

    if name in optional:
        assert read_environment(environ)
    else:
        with pytest.raises(NotInPodError, match=name):
            read_environment(environ)


def test_a_number_that_is_none_is_named() -> None:
    with pytest.raises(NotInPodError, match=r"invalid literal.*'two'"):
        read_environment(POD | {"PENSTOCK_ATTEMPT": "two"})


@pytest.mark.parametrize(("value", "shown"), [("true", True), ("1", False), ("", False)])
def test_results_are_shown_only_if_asked_for(value: str, *, shown: bool) -> None:
    assert read_environment(POD | {"PENSTOCK_RESULT_PREVIEW": value}).result_preview is shown
