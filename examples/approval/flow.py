"""A release that waits for a person, for a week if need be, and has no pod meanwhile.

kubectl apply -f examples/pool.yaml -f examples/approval/flow.yaml
kubectl create -f examples/approval/run.yaml
kubectl get flowruns --watch          # Suspended: it waits for the signal approval
kubectl penstock approve RUN --comment "looks good"
"""

from penstock import flow, get_run_logger, task
from penstock.errors import SignalTimeoutError
from penstock.input import Approval, wait_for_signal

WEEK = 7 * 24 * 3600


@task
def build(version: str) -> str:
    """Make what is to be released; this is not done again after the wait."""
    return f"app-{version}.tar.gz"


@task
def publish(package: str, *, approved_by: str) -> str:
    """Release what was approved."""
    return f"{package} released, approved by {approved_by}"


@flow
def release(version: str = "1.0.0") -> str:
    """Build, wait for a person's word, and release."""
    logger = get_run_logger()
    package = build(version)
    logger.info("%s waits for its approval", package)
    try:
        answer = wait_for_signal("approval", Approval, timeout=WEEK)
    except SignalTimeoutError:
        return f"{package} was not released: nobody answered within a week"
    if not answer.approved:
        return f"{package} was rejected by {answer.by}: {answer.comment or 'no comment'}"
    return publish(package, approved_by=answer.by)


if __name__ == "__main__":
    from penstock.testing import answered

    with answered("approval", {"approved": True}, sender="ada"):
        print(release())
