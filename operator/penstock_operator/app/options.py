"""What the command line decides about the process."""

from __future__ import annotations

import argparse
import os
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from penstock_operator.app.logs import LogFormat
from penstock_operator.kube.lease import LeaseTimes
from penstock_operator.reconcile.settings import Settings


def own_identity() -> str:
    """Name this process; another process of the same pod has another name."""
    pod = os.environ.get("POD_NAME") or socket.gethostname()
    return f"{pod}_{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class Options:
    """How one operator is set up."""

    settings: Settings
    namespaces: tuple[str, ...] = ()
    """Namespaces to serve; all if empty."""
    context: str | None = None
    log_format: LogFormat = "text"
    log_level: str = "INFO"
    http_port: int = 8080
    """Port of the probes and metrics; 0 takes any that is free."""
    lease_namespace: str = "default"
    lease_name: str = "penstock-operator"
    lease_times: LeaseTimes = field(default_factory=LeaseTimes)
    identity: str = field(default_factory=own_identity)
    workers: int = 16
    first_resync_seconds: float = 15.0
    resync_seconds: float = 300.0


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; exits with a usage message where it is wrong."""
    given = _parser().parse_args(arguments)
    return Options(
        settings=Settings(
            runner_image=given.runner_image,
            runner_cluster_role=given.runner_cluster_role,
            journals_cap=given.journals_cap_mebibytes * 1024 * 1024,
            image_deadline=timedelta(seconds=given.image_deadline_seconds),
            unschedulable_deadline=timedelta(seconds=given.unschedulable_deadline_seconds),
            quota_deadline=timedelta(seconds=given.quota_deadline_seconds),
            pod_deadline=timedelta(seconds=given.pod_deadline_seconds),
        ),
        namespaces=tuple(dict.fromkeys(given.namespace)),
        context=given.context,
        log_format=given.log_format,
        log_level=given.log_level,
        http_port=given.http_port,
        lease_namespace=given.lease_namespace,
        lease_name=given.lease_name,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="penstock-operator",
        description="Launches a Job for each attempt of a FlowRun and follows it to its end.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--namespace",
        action="append",
        default=[],
        metavar="NAME",
        help="serve only this namespace; may be given several times (none: all namespaces)",
    )
    add(
        "--runner-image",
        required=True,
        metavar="IMAGE",
        help="image of flows with inline or configMap source that name no image themselves",
    )
    add(
        "--runner-cluster-role",
        default="penstock-runner",
        metavar="NAME",
        help="ClusterRole that the runners' ServiceAccounts are bound to",
    )
    _add_deadlines(parser)
    add(
        "--journals-cap-mebibytes",
        type=int,
        default=256,
        metavar="MIB",
        help="how much the journals of one namespace may take in etcd",
    )
    add(
        "--http-port",
        type=int,
        default=8080,
        metavar="PORT",
        help="port of /livez, /readyz and /metrics",
    )
    add(
        "--lease-namespace",
        default=os.environ.get("POD_NAMESPACE", "default"),
        metavar="NAME",
        help="namespace of the Lease that elects the operator that acts",
    )
    add("--lease-name", default="penstock-operator", metavar="NAME", help="name of that Lease")
    add("--context", default=None, metavar="NAME", help="context of the kubeconfig to use")
    add("--log-format", choices=("text", "json"), default="text", help="form of the log lines")
    add(
        "--log-level",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
        default="INFO",
        help="least severity that is logged",
    )
    return parser


def _add_deadlines(parser: argparse.ArgumentParser) -> None:
    for name, default, what in (
        ("image", 300, "its image cannot be pulled"),
        ("unschedulable", 1800, "no node has room for its pod"),
        ("quota", 1800, "a quota is exhausted"),
        ("pod", 300, "its pod is refused or does not start"),
    ):
        parser.add_argument(
            f"--{name}-deadline-seconds",
            type=_positive,
            default=default,
            metavar="SECONDS",
            help=f"after how long a run fails because {what}",
        )


def _positive(text: str) -> int:
    seconds = int(text)
    if seconds < 1:
        raise argparse.ArgumentTypeError("must be at least 1 second")
    return seconds
