"""Each way in which an attempt can be lost, and what follows."""

from __future__ import annotations

from tests.integration.world import Operator, World, eventually, now


def launch(world: World, run: str = "one") -> None:
    """Bring a run to Running."""
    world.create_pool()
    world.create_flow()
    world.create_run(run)
    world.wait_for_job(f"{run}-1")
    world.start_job(f"{run}-1")
    world.report(run, attempt=1, progress="1/3")
    world.wait_for_state(run, "Running")


def terminated(exit_code: int, reason: str) -> dict[str, object]:
    state = {"terminated": {"exitCode": exit_code, "reason": reason, "finishedAt": now()}}
    container = {
        "name": "flow",
        "image": "none",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": state,
    }
    return {"phase": "Failed", "containerStatuses": [container]}


def test_a_disrupted_pod_is_replaced(world: World, operator: Operator) -> None:
    launch(world)

    world.create_pod(
        world.wait_for_job("one-1"),
        status={
            "phase": "Failed",
            "conditions": [
                {
                    "type": "DisruptionTarget",
                    "status": "True",
                    "reason": "EvictionByEvictionAPI",
                    "message": "evicted",
                }
            ],
        },
    )
    world.fail_job("one-1", reason="PodFailurePolicy", message="DisruptionTarget: FailJob")
    world.wait_for_job("one-2")

    status = world.status("one")
    assert (status["attempt"], status["recoveries"]) == (2, 1)
    assert status.get("crashes", 0) == 0


def test_an_oom_kill_is_tried_again_three_times(world: World, operator: Operator) -> None:
    launch(world)

    for attempt in (1, 2, 3):
        job = world.wait_for_job(f"one-{attempt}")
        world.start_job(f"one-{attempt}")
        world.report("one", attempt=attempt, pod_uid=f"pod-{attempt}")
        world.create_pod(job, status=terminated(137, "OOMKilled"))
        world.fail_job(f"one-{attempt}", message="exit code 137")
    status = world.wait_for_state("one", "Crashed")

    assert status["reason"] == "OutOfMemory"
    assert status["attempt"] == 3
    assert world.get("jobs", "one-4") is None


def test_an_exit_without_a_report_is_tried_again(world: World, operator: Operator) -> None:
    launch(world)

    world.create_pod(world.wait_for_job("one-1"), status=terminated(139, "Error"))
    world.fail_job("one-1", message="exit code 139")
    world.wait_for_job("one-2")

    assert world.status("one")["crashes"] == 1


def test_a_report_outweighs_the_exit_of_its_process(world: World, operator: Operator) -> None:
    launch(world)

    world.report_outcome("one", "Failed", attempt=1, reason="FlowFailed", message="ValueError")
    world.fail_job("one-1", message="exit code 1")
    status = world.wait_for_state("one", "Failed")

    assert status["reason"] == "FlowFailed"
    assert len(world.jobs_of("one")) == 1


def test_a_deleted_pod_is_replaced(world: World, operator: Operator) -> None:
    launch(world)

    world.fail_job("one-1", reason="BackoffLimitExceeded", message="no pod is left")
    world.wait_for_job("one-2")

    assert world.status("one")["recoveries"] == 1


def test_a_deleted_job_is_replaced(world: World, operator: Operator) -> None:
    launch(world)

    world.remove_job("one-1")
    world.wait_for_job("one-2")

    assert world.status("one")["recoveries"] == 1


def test_a_pod_on_an_unreachable_node_is_fenced_and_replaced(
    world: World, operator: Operator
) -> None:
    launch(world)
    world.create_pod(
        world.wait_for_job("one-1"),
        status={
            "phase": "Running",
            "conditions": [
                {
                    "type": "DisruptionTarget",
                    "status": "True",
                    "reason": "DeletionByTaintManager",
                    "message": "node unreachable",
                }
            ],
        },
    )

    world.api.merge(
        world.path("pods", "one-1-abcde"), {"metadata": {"finalizers": ["penstock.dev/test"]}}
    )
    world.api.delete(world.path("pods", "one-1-abcde"))
    world.set_job_status("one-1", active=0, terminating=1, ready=0)
    world.wait_for_job("one-2")

    assert world.status("one")["attempt"] == 2
    world.finish_deletion("pods", "one-1-abcde")


def test_recoveries_are_bounded(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow(maxRecoveries=1)
    world.create_run("one")
    for attempt in (1, 2):
        world.wait_for_job(f"one-{attempt}")
        world.start_job(f"one-{attempt}")
        world.report("one", attempt=attempt, pod_uid=f"pod-{attempt}")
        eventually(lambda: world.status("one").get("state") == "Running")
        world.fail_job(f"one-{attempt}", reason="BackoffLimitExceeded")
    status = world.wait_for_state("one", "Crashed")

    assert status["reason"] == "RecoveriesExhausted"
    assert status["attempt"] == 2


def test_an_image_that_cannot_be_pulled_shows_and_then_fails(
    world: World, kubeconfig: object, operator: Operator
) -> None:
    world.create_pool()
    world.create_flow()
    world.create_run("one")
    waiting = {
        "name": "flow",
        "image": "none",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}},
    }
    job = world.wait_for_job("one-1")
    world.set_job_status("one-1", startTime=now(), active=1, ready=0)
    world.create_pod(job, status={"phase": "Pending", "containerStatuses": [waiting]})

    status = world.wait_for_reason("one", "ImageUnavailable")

    assert status["state"] == "Pending"
    assert status["waitingFor"]["kind"] == "Image"
    assert status["waitingFor"]["until"]


def test_a_quota_shows_what_a_person_must_mend(world: World, operator: Operator) -> None:
    world.create_pool()
    world.create_flow()
    world.create_run("one")
    job = world.wait_for_job("one-1")

    world.create_event(
        job, "Job", reason="FailedCreate", message='pods "one-1-x" is forbidden: exceeded quota: q'
    )
    status = world.wait_for_reason("one", "QuotaExceeded")

    assert status["waitingFor"]["kind"] == "Quota"
    assert "quota" in status["message"]


def test_a_job_that_a_quota_refuses_is_tried_again_when_there_is_room(
    world: World, operator: Operator
) -> None:
    quota = world.api.create(
        f"/api/v1/namespaces/{world.namespace}/resourcequotas",
        {"metadata": {"name": "small"}, "spec": {"hard": {"count/jobs.batch": "0"}}},
    )
    path = f"/api/v1/namespaces/{world.namespace}/resourcequotas/small"
    limits = {"hard": quota["spec"]["hard"], "used": {"count/jobs.batch": "0"}}
    world.api.merge(f"{path}/status", {"status": limits})
    world.create_pool()
    world.create_flow()
    world.create_run("one")
    status = world.wait_for_reason("one", "QuotaExceeded")

    world.api.delete(path)

    assert status["waitingFor"]["kind"] == "Quota"
    assert world.wait_for_job("one-1", within=30)


def test_a_job_of_somebody_else_is_left_alone(world: World, operator: Operator) -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "theirs", "image": "none"}]}
    world.api.create(
        world.path("jobs"), {"metadata": {"name": "one-1"}, "spec": {"template": {"spec": pod}}}
    )
    world.create_pool()
    world.create_flow()

    world.create_run("one")
    status = world.wait_for_reason("one", "PodRefused")

    assert "one-1" in status["message"]
    assert world.wait_for_job("one-1")["spec"]["template"]["spec"]["containers"][0]["name"] == (
        "theirs"
    )


def test_a_report_of_a_lost_attempt_does_not_end_the_run(world: World, operator: Operator) -> None:
    launch(world)
    world.fail_job("one-1", reason="BackoffLimitExceeded")
    world.wait_for_job("one-2")

    world.report_outcome("one", attempt=1)  # without the chart's policy the API server takes it
    world.start_job("one-2")
    world.report("one", attempt=2, pod_uid="pod-2")

    status = world.wait_for_state("one", "Running")
    assert status["attempt"] == 2


def test_an_image_that_changed_under_its_name_is_told(world: World, operator: Operator) -> None:
    launch(world)
    first = world.create_pod(world.wait_for_job("one-1"), status=runs("daily@sha256:aa"))
    world.report("one", attempt=1, pod_uid=first["metadata"]["uid"])
    world.fail_job("one-1", reason="PodFailurePolicy", message="DisruptionTarget: FailJob")
    job = world.wait_for_job("one-2")
    world.start_job("one-2")
    second = world.create_pod(job, status=runs("daily@sha256:bb"))
    world.report("one", attempt=2, pod_uid=second["metadata"]["uid"])
    world.report_outcome("one", attempt=2, pod_uid=second["metadata"]["uid"])
    status = world.wait_for_state("one", "Completed")

    assert eventually(
        lambda: "ImageChanged" in [each["reason"] for each in world.list("events")],
    )
    assert (status["imageID"], status["lastImageID"]) == ("daily@sha256:aa", "daily@sha256:bb")


def runs(image: str) -> dict[str, object]:
    """Return the status of a pod whose node tells what it runs."""
    container = {
        "name": "flow",
        "image": "daily",
        "imageID": image,
        "ready": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": now()}},
    }
    return {"phase": "Running", "containerStatuses": [container]}
