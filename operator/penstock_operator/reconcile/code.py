"""What a run starts from: the flow's settings and files, pinned by a hash of both.

A run takes its flow's code at its first attempt and keeps it for all attempts, although the Flow
changes meanwhile. So the code is kept in an immutable ConfigMap, the snapshot, whose name ends with
the hash; `status.codeVersion` pins it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Literal

from pydantic import ValidationError

from penstock_operator.model.flow import Flow, FlowSpec
from penstock_operator.model.schema import JsonObject
from penstock_operator.model.states import ReadyReason
from penstock_operator.reconcile.names import FLOW_LABEL, MANAGED_BY, snapshot_name
from penstock_operator.reconcile.views import ConfigMapView
from penstock_operator.reconcile.wire import canonical, child, text

SourceKind = Literal["image", "inline", "configMap"]
_SOURCES: dict[str, SourceKind] = {"image": "image", "inline": "inline", "configMap": "configMap"}

MAX_SNAPSHOT_BYTES = 1_000_000
"""A ConfigMap holds 1 MiB; some of it goes to names."""

_NOT_FOR_LAUNCHING = ("source", "suspend", "history", "concurrency", "concurrencyLimits", "queue")


@dataclass(frozen=True)
class Code:
    """A flow's settings and files. Without slots: its hash is computed once."""

    flow: str
    spec: JsonObject
    """The Flow's spec, without what has no part in launching a run."""
    source: SourceKind
    files: Mapping[str, str] = field(default_factory=dict)
    """Text files by path."""
    binary: Mapping[str, str] = field(default_factory=dict)
    """Other files by path, in base64."""

    @cached_property
    def version(self) -> str:
        """Return the first 10 hexadecimal digits of the SHA-256 of the canonical content."""
        content: JsonObject = {
            "spec": {**self.spec, "source": self.source},
            "files": {**self.files, **self.binary},
        }
        return sha256(canonical(content).encode(errors="surrogatepass")).hexdigest()[:10]

    @cached_property
    def settings(self) -> FlowSpec:
        """Return the spec as a model; its source says nothing."""
        return FlowSpec.model_validate(self.spec)

    @property
    def snapshot(self) -> str:
        return snapshot_name(self.flow, code_version=self.version)

    @property
    def paths(self) -> dict[str, str]:
        """Return the paths of the files by their keys in the snapshot."""
        return {f"file-{index}": path for index, path in enumerate((*self.files, *self.binary))}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a Flow or a WorkPool cannot be used: the reason, and a sentence that says the mend."""

    reason: ReadyReason
    sentence: str


def code_of(flow: Flow, *, source: ConfigMapView | None) -> Code | Fault:
    """Take a flow's code as it is now; `source` is the ConfigMap that it names, if it names one."""
    wire = flow.spec.to_wire()
    spec = {name: value for name, value in wire.items() if name not in _NOT_FOR_LAUNCHING}
    name = flow.metadata.name
    if flow.spec.source.inline is not None:
        files = dict(sorted(flow.spec.source.inline.files.items()))
        return _fitting(Code(flow=name, spec=spec, source="inline", files=files))
    if flow.spec.source.config_map is None:
        return Code(flow=name, spec=spec, source="image")
    if source is None:
        return Fault(
            ReadyReason.CONFIG_MAP_NOT_FOUND,
            f"The ConfigMap {flow.spec.source.config_map.name}, which holds the flow's code, does"
            " not exist. Create it; the runs that wait then start by themselves.",
        )
    files = dict(sorted(source.data.items()))
    binary = dict(sorted(source.binary.items()))
    return _fitting(Code(flow=name, spec=spec, source="configMap", files=files, binary=binary))


def _fitting(code: Code) -> Code | Fault:
    path, _, _ = code.settings.entrypoint.partition(":")
    if path.endswith(".py") and path not in {*code.files, *code.binary}:
        return Fault(
            ReadyReason.INVALID_SOURCE,
            f"The entrypoint names the file {path}, which is not in the flow's source. It has:"
            f" {', '.join((*code.files, *code.binary)) or 'nothing'}.",
        )
    manifest = snapshot_manifest(code, namespace="")
    size = len(canonical(manifest).encode(errors="surrogatepass"))
    if size > MAX_SNAPSHOT_BYTES:
        return Fault(
            ReadyReason.INVALID_SOURCE,
            f"The flow's files and settings have {size} bytes; a run can start from at most"
            f" {MAX_SNAPSHOT_BYTES}. Put the code into an image.",
        )
    return code


def snapshot_manifest(code: Code, *, namespace: str) -> JsonObject:
    """Write the ConfigMap that the runs of this version start from."""
    keys = {path: key for key, path in code.paths.items()}
    data: JsonObject = {
        "launch.json": canonical(_launch(code)),
        "spec.json": canonical(code.spec),
        "files.json": canonical({**code.paths}),
        **{keys[path]: content for path, content in code.files.items()},
    }
    manifest: JsonObject = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": code.snapshot,
            "namespace": namespace,
            "labels": {**MANAGED_BY, FLOW_LABEL: code.flow},
        },
        "immutable": True,
        "data": data,
    }
    if code.binary:
        manifest["binaryData"] = {keys[path]: content for path, content in code.binary.items()}
    return manifest


def _launch(code: Code) -> JsonObject:
    spec = code.spec
    return {
        "entrypoint": spec.get("entrypoint"),
        "parameters": spec.get("parameters") or {},
        "retries": spec.get("retries"),
        "retryDelaySeconds": spec.get("retryDelaySeconds"),
        "timeoutSeconds": spec.get("timeoutSeconds"),
        "sourceKind": code.source,
    }


@lru_cache(32)  # every plan of a run asks, and a snapshot that was read before is the same object
def code_from(snapshot: ConfigMapView, *, flow: str, version: str) -> Code | None:
    """Read a snapshot back; None if it does not hold what its name says."""
    try:
        spec = json.loads(snapshot.data.get("spec.json", ""))
        paths = json.loads(snapshot.data.get("files.json", ""))
        launch = json.loads(snapshot.data.get("launch.json", ""))
    except (ValueError, RecursionError):
        return None
    kind = _SOURCES.get(text(launch, "sourceKind"))
    if kind is None:
        return None
    files = {text(paths, key): each for key, each in snapshot.data.items() if key in child(paths)}
    binary = {text(paths, key): each for key, each in snapshot.binary.items()}
    code = Code(flow=flow, spec=child(spec), source=kind, files=files, binary=binary)
    try:
        sound = code.version == version and bool(code.settings.entrypoint)
    except (ValidationError, RecursionError):
        return None
    return code if sound else None
