"""What the person who installs the operator decides: `app` fills it from the command line."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """The flags that decisions depend on."""

    runner_image: str
    """Image of flows with inline or configMap source that name no image, nor does their pool."""

    runner_cluster_role: str
    """The ClusterRole that lets a pod report about its own run."""

    journals_cap: int = 256 * 1024 * 1024
    """How many bytes the journals of one namespace may take in etcd."""

    image_deadline: timedelta = timedelta(minutes=5)
    """How long an image may be unavailable before the run fails."""

    unschedulable_deadline: timedelta = timedelta(minutes=30)
    """How long no node may have room."""

    quota_deadline: timedelta = timedelta(minutes=30)
    """How long a quota may be exhausted."""

    pod_deadline: timedelta = timedelta(minutes=5)
    """How long a pod may be refused, or not start."""
