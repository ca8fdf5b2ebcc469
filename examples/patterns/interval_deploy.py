"""Deploy a flow that runs every second: `python interval_deploy.py`, and Ctrl-C stops.

Prefect's `flow.deploy(interval=…)` and `flow.serve(interval=…)`: the schedule belongs to this
process, which needs nothing else. The runs themselves may be elsewhere: a flow that calls
`run_deployment` starts one in the cluster whenever it is due.
"""

from datetime import timedelta
from shutil import disk_usage

from penstock import flow, runtime, serve, task


@task
def free_space(folder: str) -> float:
    """Return how much of the disk is free."""
    usage = disk_usage(folder)
    return usage.free / usage.total


@flow(timeout_seconds=10)
def watch_disk(folder: str = "/", limit: float = 0.0) -> None:
    """Say whether there is room."""
    verdict = "is fine" if free_space(folder) >= limit else "is nearly full"
    print(f"{folder} {verdict}, says {runtime.deployment.name} {runtime.flow_run.tags}", flush=True)


deployment = watch_disk.to_deployment(
    "watch-disk",
    interval=timedelta(seconds=1),
    parameters={"folder": "/"},
    tags=["disk"],
)

if __name__ == "__main__":
    serve(deployment)
