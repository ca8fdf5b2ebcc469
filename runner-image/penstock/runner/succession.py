"""The run that goes on from the pod's own: created before that ends, started once it has ended.

Its name follows from the run before, so that it is created once. Which of the two goes on is
decided by the end of the run before, which names it: until then the operator does not start it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from penstock.drivers.children import LONGEST_STEM, letters_of
from penstock.runner.flow_runs import CHAIN_LABEL, PARENT_LABEL, FlowRuns, Run
from penstock.runner.report import Conclusion

_OWN = frozenset({"parameters", "suspend", "cancel", "resume", "rerunOf", "continuedFrom"})
"""What of a run's spec is that run's alone."""


def create_successor(runs: FlowRuns, *, run: Run, parameters: Mapping[str, object]) -> Conclusion:
    """Create the run that goes on from this one; return the end of this one."""
    body = successor_manifest(run, parameters=parameters)
    uid, name = run["metadata"]["uid"], body["metadata"]["name"]
    runs.create(
        body, is_ours=lambda there: (there["spec"].get("continuedFrom") or {}).get("uid") == uid
    )
    return Conclusion(
        state="Completed",
        reason="ContinuedAsNew",
        message=f"The flow goes on as the run {name}.",
        finished_at=datetime.now(UTC),
        continued_as=name,
    )


def successor_manifest(run: Run, *, parameters: Mapping[str, object]) -> dict[str, Any]:
    """Write down the run that goes on from another with these parameters."""
    metadata, spec = run["metadata"], run["spec"]
    first = (spec.get("continuedFrom") or {}).get("first") or metadata["name"]
    ending = letters_of(sha256(f"{metadata['uid']}/goes on".encode()).digest())
    given = {**(spec.get("parameters") or {}), **parameters}
    return {
        "apiVersion": run["apiVersion"],
        "kind": "FlowRun",
        "metadata": {
            "name": f"{first[:LONGEST_STEM].rstrip('-')}-{ending}",
            "labels": {**_own_labels(metadata.get("labels") or {}), CHAIN_LABEL: first},
        },
        "spec": {
            **{field: value for field, value in spec.items() if field not in _OWN},
            **({"parameters": given} if given else {}),
            "continuedFrom": {"name": metadata["name"], "uid": metadata["uid"], "first": first},
        },
    }


def _own_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that people gave a run, and its parent's name; no schedule's."""
    return {
        name: value
        for name, value in labels.items()
        if name == PARENT_LABEL or not name.startswith("penstock.dev/")
    }
