"""Which paths a later pod has, by what the kernel says of mounts."""

import pytest

from penstock.runner.volumes import outlives_pod

MOUNTS = """\
22 1 0:21 / / rw,relatime - overlay overlay rw,lowerdir=/x
23 22 0:22 / /proc rw - proc proc rw
30 22 0:30 / /dev/shm rw - tmpfs shm rw
31 22 8:1 /pods/u/volumes/kubernetes.io~empty-dir/scratch /scratch rw - ext4 /dev/sda1 rw
32 22 0:40 / /data rw shared:1 master:2 - nfs4 server:/export rw
33 32 0:41 / /data/fast rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/data/day.csv", True),
        ("/data", True),
        ("/database/day.csv", False),
        ("/data/fast/day.csv", False),
        ("/scratch/day.csv", False),
        ("/tmp/day.csv", False),
        ("/dev/shm/x", False),
    ],
)
def test_a_volume_outlives_the_pod_and_its_own_disk_does_not(path: str, expected: bool) -> None:
    assert outlives_pod(path, mounts=MOUNTS) is expected


def test_where_nothing_is_known_nothing_is_said() -> None:
    assert outlives_pod("/x", mounts="")
