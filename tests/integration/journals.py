"""Journals of runs on the API server under test, written with the tokens of the runs' own pods."""

import base64
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from tests.integration.apiserver import GROUP, ApiServer, Object, Refused
from tests.integration.forgery import Pod, start_pod

from penstock.journal.records import Header, encode_record
from penstock.runner.environment import Environment
from penstock.runner.segment import Owner, Segment
from penstock.runner.segments import SegmentChain, open_segments
from penstock_operator.reconcile.names import job_name


def fence(attempt: int, holder: str = "pod") -> bytes:
    return _record("fence", attempt, holder, ())


def entries(*lines: str, attempt: int = 1, holder: str = "pod") -> bytes:
    return _record("entries", attempt, holder, lines)


def _record(kind: str, attempt: int, holder: str, lines: tuple[str, ...]) -> bytes:
    batch = uuid.uuid4().hex
    header = Header(kind=kind, attempt=attempt, holder=holder, batch=batch, epoch=0)  # type: ignore[arg-type]
    return encode_record(header, lines)


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal of the run `name`, and the pods that write it."""

    api: ApiServer
    namespace: str
    name: str
    uid: str
    folder: Path
    pods: dict[int, Pod] = field(default_factory=dict)
    chains: list[SegmentChain] = field(default_factory=list)

    def chain(self, *, attempt: int = 1) -> SegmentChain:
        """Open the chain as the pod of an attempt does."""
        self.chains.append(open_segments(self.environment(attempt), run=self.run))
        return self.chains[-1]

    def beside(self, name: str) -> "Journal":
        """Make another run, perhaps of the same name, whose chains are closed with this one's."""
        folder = self.folder / uuid.uuid4().hex
        other = create_journal(self.api, self.namespace, name, folder)
        return replace(other, chains=self.chains)

    def close(self) -> None:
        for chain in self.chains:
            chain.close()

    @property
    def run(self) -> Object:
        return self.api.get(f"{GROUP}/namespaces/{self.namespace}/flowruns/{self.name}")

    @property
    def owner(self) -> Owner:
        return Owner(self.namespace, name=self.name, uid=self.uid)

    def pod(self, attempt: int = 1) -> Pod:
        if attempt not in self.pods:
            name = f"{job_name(self.name, attempt=attempt)}-bcdfg"
            self.pods[attempt] = start_pod(self.api, self.namespace, name)
        return self.pods[attempt]

    def environment(self, attempt: int) -> Environment:
        pod = self.pod(attempt)
        address = urlsplit(self.api.url)
        credentials = self.folder / pod.name
        credentials.mkdir(parents=True, exist_ok=True)
        (credentials / "token").write_text(pod.api.headers["Authorization"].split()[1])
        (credentials / "ca.crt").write_text(authority(self.api.kubeconfig))
        return Environment(
            namespace=self.namespace,
            run=self.name,
            flow="daily",
            attempt=attempt,
            pod_name=pod.name,
            pod_uid=pod.uid,
            grace_seconds=30,
            linger_seconds=30,
            server_host=str(address.hostname),
            server_port=address.port or 443,
            credentials=credentials,
            snapshot=Path("/nowhere"),
            result_preview=False,
        )

    @property
    def objects(self) -> list[Object]:
        found: list[Object] = self.api.get(
            self.owner.collection, fieldSelector=f"spec.run={self.name}"
        )["items"]
        return found

    @property
    def names(self) -> list[str]:
        """What its objects are called behind the name of the run and its uid."""
        return [item["metadata"]["name"].removeprefix(self.prefix) for item in self.objects]

    @property
    def prefix(self) -> str:
        return f"{self.name}-{self.uid[:8]}-"

    def manifest(self, number: int, *, attempt: int = 1, **spec: object) -> Object:
        """Return what the pod of an attempt may create; `spec` has what is forged."""
        segment = Segment(number, records=(entries(attempt=attempt),))
        manifest = segment.manifest(self.owner, attempt=attempt)
        return manifest | {"spec": manifest["spec"] | spec}

    def forge(self, manifest: Object, *, attempt: int = 1) -> Object:
        """Create an object with the pod's own token."""
        return self.pod(attempt).api.create(self.owner.collection, manifest)

    def wait_until_in_force(self) -> None:
        """A new policy takes a moment to reach the API server's own caches, so do new rights."""
        deadline = time.monotonic() + 20
        stranger = self.manifest(9_999_999, attempt=99)
        while time.monotonic() < deadline:
            try:
                self.forge(stranger)
            except Refused as refusal:
                if refusal.status == 422 and "in the name of its own attempt" in refusal.message:
                    return
            else:
                self.api.delete(f"{self.owner.collection}/{stranger['metadata']['name']}")
            time.sleep(0.1)
        raise AssertionError("The policy is not in force.")


def create_journal(api: ApiServer, namespace: str, name: str, folder: Path) -> Journal:
    """Make a run that is at its first attempt; its journal is empty."""
    body = {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "FlowRun",
        "metadata": {"name": name},
        "spec": {"flowRef": {"name": "daily"}},
    }
    run = api.create(f"{GROUP}/namespaces/{namespace}/flowruns", body)
    journal = Journal(api, namespace, name, run["metadata"]["uid"], folder)
    start_attempt(journal, 1)
    return journal


def start_attempt(journal: Journal, attempt: int) -> None:
    """Do what the operator does before it launches an attempt."""
    path = f"{GROUP}/namespaces/{journal.namespace}/flowruns/{journal.name}/status"
    journal.api.merge(path, {"status": {"state": "Pending", "attempt": attempt}})


def authority(kubeconfig: Path) -> str:
    cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
    if "certificate-authority-data" in cluster:
        return base64.b64decode(cluster["certificate-authority-data"]).decode()
    return Path(cluster["certificate-authority"]).read_text()


@contextmanager
def finished(chain: SegmentChain) -> Iterator[SegmentChain]:
    """Wait for the chain's merges in the end."""
    try:
        yield chain
    finally:
        done = chain.finish(within=60)
    assert done


def kind_of(item: Object) -> str:
    """Tell fences, single and merged segments apart."""
    spec = item["spec"]
    return "fence" if spec.get("fence") else "merged" if "last" in spec else "single"


def size_at_etcd(item: Object) -> int:
    return len(json.dumps(item, separators=(",", ":")))
