"""Where a flow's code comes from, and where its pods may run."""

from tests.e2e.namespaces import FLOWS, Namespace


def test_code_comes_from_a_config_map(namespace: Namespace) -> None:
    namespace.pool()
    namespace.kubectl("create", "configmap", "code", f"--from-file=flows.py={FLOWS}")
    run = namespace.run(namespace.flow("steps", source={"configMap": {"name": "code"}}))

    status = run.end()

    assert (status["state"], status["execution"]["progress"]) == ("Completed", "3/3")


def test_pods_keep_the_restricted_pod_security_standard(namespace: Namespace) -> None:
    """A namespace that enforces it takes our pods as they are."""
    enforce = "pod-security.kubernetes.io/enforce=restricted"
    namespace.kubectl("label", "namespace", namespace.name, enforce)
    namespace.pool()
    run = namespace.run(namespace.flow("steps"))

    status = run.end()

    assert status["state"] == "Completed"


def test_a_pool_shapes_the_pods_of_its_flows(namespace: Namespace) -> None:
    """Labels of the pool and of the flow meet on the pod, next to ours."""
    namespace.pool(podTemplate={"metadata": {"labels": {"team": "platform"}}})
    template = {"metadata": {"labels": {"app": "nightly"}}}
    run = namespace.run(namespace.flow("steps", podTemplate=template))
    run.end()

    selector = "team=platform,app=nightly,penstock.dev/flow=steps,penstock.dev/attempt=1"
    pods = namespace.kubectl("get", "pods", "--selector", selector, "-o", "name")

    assert pods.strip() == f"pod/{run.pod()}"
