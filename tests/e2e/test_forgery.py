"""Code in a pod has the pod's rights: it may write its own run's report, and nothing else."""

import pytest
from tests.e2e.namespaces import Namespace

# Runs inside the pod of run `tidy`, with the pod's own token.
FORGE = """
import json, os, ssl, sys, urllib.request, urllib.error
home = "/var/run/secrets/penstock.dev/serviceaccount/"
path, body = sys.argv[1:]
server = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
request = urllib.request.Request(
    f"{server}/apis/penstock.dev/v1alpha1/namespaces/{os.environ['PENSTOCK_NAMESPACE']}/{path}",
    data=body.encode(), method="PATCH",
    headers={"Authorization": "Bearer " + open(home + "token").read(),
             "Content-Type": "application/merge-patch+json"},
)
try:
    urllib.request.urlopen(request, context=ssl.create_default_context(cafile=home + "ca.crt"))
    print("allowed")
except urllib.error.HTTPError as error:
    print("refused", error.code, error.read().decode())
"""


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param(
            "flowruns/tidy/status", '{"status": {"state": "Completed"}}', id="its own state"
        ),
        pytest.param("flowruns/other/status", '{"status": {"execution": null}}', id="another run"),
        pytest.param(
            "flowruns/tidy/status",
            '{"status": {"execution": {"attempt": 7}}}',
            id="another attempt",
        ),
        pytest.param("flowruns/tidy", '{"spec": {"cancel": true}}', id="its own spec"),
        pytest.param("flows/tidy", '{"spec": {"suspend": true}}', id="the flow"),
    ],
)
def test_a_pod_writes_nothing_but_its_own_report(
    namespace: Namespace, path: str, body: str
) -> None:
    run = namespace.started("tidy")
    namespace.run("tidy", name="other")

    answer = namespace.kubectl("exec", run.pod(), "--", "python", "-c", FORGE, path, body)

    assert answer.startswith("refused"), answer
    assert run.status()["state"] == "Running"
