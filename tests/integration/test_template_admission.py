"""What pod templates may hold is known when they are applied, by a policy."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.integration.apiserver import Refused
from tests.integration.world import World
from tests.unit.operator.reconcile.test_templates import ALLOWED, POOL, REFUSED

Object = dict[str, Any]

SEEN_BY_THE_OPERATOR_ALONE = {"directive"}
DROPPED = {"null"}
"""The API server drops what is null and may not be, before anybody sees it."""


@pytest.fixture
def guarded(world: World, release: str) -> World:
    """The namespace with the policy in force."""
    world.api.merge(
        f"/api/v1/namespaces/{world.namespace}", {"metadata": {"labels": {"release": release}}}
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            world.create_pool("probe", podTemplate={"spec": {"volumes": [{"name": "penstock-x"}]}})
        except Refused:
            return world
        world.api.delete(world.path("workpools", "probe"))
        time.sleep(0.1)
    raise AssertionError("The policy is not in force.")


def test_what_a_flow_may_not_hold_is_refused_at_apply(guarded: World) -> None:
    taken = []
    words = {}

    for name, (spec, _) in REFUSED.items():
        try:
            guarded.create_flow(f"f{len(words)}-{len(taken)}", podTemplate={"spec": spec})
            taken.append(name)
        except Refused as refused:
            words[name] = str(refused)

    assert set(taken) == SEEN_BY_THE_OPERATOR_ALONE | DROPPED
    assert [each for each in words.values() if "resulted in error" in each] == []
    assert "spec.podTemplate.spec.containers[flow].image is not allowed" in words["flow's image"]
    assert "spec.podTemplate.spec.containers[s].securityContext asks" in words["privilege"]


def test_an_annotation_that_loosens_security_is_refused(guarded: World) -> None:
    annotations = {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}

    with pytest.raises(Refused, match=r"annotations\[seccomp.security.alpha.kubernetes.io/pod\]"):
        guarded.create_flow(podTemplate={"metadata": {"annotations": annotations}})


def test_what_may_be_is_taken(guarded: World) -> None:
    guarded.create_flow(podTemplate={"spec": ALLOWED})
    guarded.create_pool(podTemplate={"spec": POOL})
    guarded.create_flow("plain")

    assert {each["metadata"]["name"] for each in guarded.list("flows")} == {"daily", "plain"}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param({"containers": "all"}, "containers is not a list of objects", id="no list"),
        pytest.param({"initContainers": None}, "initContainers is not a list", id="null"),
        pytest.param({"volumes": [{"name": "penstock-tmp"}]}, "Penstock's own", id="own volume"),
        pytest.param(
            {"containers": [{"name": "a"}], "initContainers": [{"name": "a"}]}, "name a", id="twice"
        ),
    ],
)
def test_a_pool_is_told_at_once_too(guarded: World, spec: Object, words: str) -> None:
    with pytest.raises(Refused, match=words):
        guarded.create_pool(podTemplate={"spec": spec})
