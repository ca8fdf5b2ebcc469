"""Runs that belong together: a child that another run waits for, and a rerun of what failed."""

from tests.e2e.cluster import Object
from tests.e2e.namespaces import GROUP, Namespace

ENV = [
    {"name": "PENSTOCK_LINGER_SECONDS", "value": "1"},
    {"name": "PENSTOCK_RESULT_PREVIEW", "value": "true"},
]


def test_a_rerun_goes_on_from_a_failure_without_the_child_that_had_completed(
    namespace: Namespace,
) -> None:
    namespace.pool()
    namespace.flow("steps")
    run = namespace.run(namespace.flow("order_work", env=ENV))

    failed = run.end()
    rerun = namespace.run(
        "order-work",
        {"mended": True},
        name="again",
        rerunOf={"name": run.name, "from": "Failure"},
    )
    completed = rerun.end()

    (child,) = children_of(namespace)
    drawn = failed["message"].partition(" is broken")[0].split()[-1]
    assert (failed["state"], failed["attempt"], failed["recoveries"]) == ("Failed", 2, 0)
    assert child["spec"]["parentRef"]["name"] == run.name
    assert child["status"]["state"] == "Completed"
    assert (completed["state"], completed["attempt"]) == ("Completed", 1)
    assert completed["execution"]["result"]["preview"].strip("'\"") == f"{drawn} and 3"
    assert "drawing" not in namespace.logs("again-1")


def children_of(namespace: Namespace) -> list[Object]:
    """Return all runs that another one has started."""
    path = f"{GROUP}/namespaces/{namespace.name}/flowruns?labelSelector=penstock.dev%2Fparent"
    items: list[Object] = namespace.cluster.request("GET", path)["items"]
    return items
