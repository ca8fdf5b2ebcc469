"""What pod templates may not hold.

A WorkPool belongs to the people who run the platform; its template may hold whatever a pod may, but
for the names that Penstock itself uses. Whoever may write Flows is to gain no more than a plain
pod of the `restricted` standard: their template is held to an allow-list. The API server prunes
unknown fields of the pod already; here are the depths that its schema leaves open. The chart's
admission policy says nearly all of it when a template is applied.
"""

from collections.abc import Iterator, Mapping
from itertools import chain

from pydantic import JsonValue

from penstock_operator.model.pods import FLOW_POD_FIELDS
from penstock_operator.model.schema import JsonObject
from penstock_operator.reconcile.names import FLOW_CONTAINER
from penstock_operator.reconcile.quantities import quantity_faults
from penstock_operator.reconcile.wire import child, children, field, text

RESERVED_PREFIX = "penstock-"
"""Names of volumes that begin with it are Penstock's own."""

_OWN_PATHS = ("/var/run/penstock", "/var/run/secrets/penstock.dev")

FLOW_CONTAINER_FIELDS = frozenset({"name", "env", "envFrom", "volumeMounts", "resources", "ports"})
SIDECAR_FIELDS = frozenset(
    {
        "args", "command", "env", "envFrom", "image", "imagePullPolicy", "lifecycle",
        "livenessProbe", "name", "ports", "readinessProbe", "resources", "restartPolicy",
        "securityContext", "startupProbe", "terminationMessagePath", "terminationMessagePolicy",
        "volumeMounts", "workingDir",
    }
)  # fmt: skip
SECURITY_FIELDS = frozenset(
    {
        "allowPrivilegeEscalation", "capabilities", "privileged", "readOnlyRootFilesystem",
        "runAsGroup", "runAsNonRoot", "runAsUser", "seccompProfile",
    }
)  # fmt: skip
_VOLUME_TYPES = frozenset(
    {"configMap", "csi", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)
_SECURITY_ANNOTATIONS = (
    "container.apparmor.security.beta.kubernetes.io/",
    "container.seccomp.security.alpha.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
)
_CONTAINERS = ("containers", "initContainers")
_CHOOSE = "choose another name"


def flow_template_fault(spec: JsonObject) -> str | None:
    """Say which field of a Flow's pod template is refused, by its path, or return None."""
    return next(_flow_faults(spec), None)


def flow_annotation_fault(annotations: Mapping[str, str]) -> str | None:
    """Say which annotation of a Flow's pods is refused, or return None."""
    loosening = sorted(each for each in annotations if each.startswith(_SECURITY_ANNOTATIONS))
    at = "spec.podTemplate.metadata.annotations"
    return f"{at}[{loosening[0]}] is not allowed in a Flow; remove it" if loosening else None


def pool_template_fault(spec: JsonObject) -> str | None:
    """Say which field of a WorkPool's pod template cannot be used, by its path, or return None."""
    at = "spec.podTemplate.spec"
    if field(spec, "restartPolicy") not in (None, "Never"):
        return f"{at}.restartPolicy is not Never; remove it"
    return next(chain(_shape_faults(spec, at=at), _name_faults(spec, at=at)), None)


def clash(flow: JsonObject, *, pool: JsonObject) -> str | None:
    """Say what of the pool's template a Flow's template would change or reach, or return None."""
    at = "spec.podTemplate.spec"
    containers = _names(pool, *_CONTAINERS) - {FLOW_CONTAINER}
    volumes = _names(pool, "volumes")
    for group, taken in (*((each, containers) for each in _CONTAINERS), ("volumes", volumes)):
        for name in sorted(_names(flow, group) & taken):
            return f"{at}.{group}[{name}] has a name that the WorkPool uses; {_CHOOSE}"
    host = {text(each, "name") for each in children(pool, "volumes") if "hostPath" in each}
    for group in _CONTAINERS:
        for each in children(flow, group):
            for mount in children(each, "volumeMounts"):
                if text(mount, "name") in host:
                    path = f"{at}.{group}[{text(each, 'name')}].volumeMounts"
                    return (
                        f"{path} mounts the WorkPool's host path {text(mount, 'name')}; remove it"
                    )
    return None


def _flow_faults(spec: JsonObject) -> Iterator[str]:
    at = "spec.podTemplate.spec"
    for name in sorted(spec.keys() - FLOW_POD_FIELDS.keys()):
        yield f"{at}.{name} is the WorkPool's to set, not the Flow's; remove it"
    yield from _shape_faults(spec, at=at)
    yield from _name_faults(spec, at=at)
    for volume in children(spec, "volumes"):
        for kind in sorted(volume.keys() - _VOLUME_TYPES - {"name"}):
            yield f"{at}.volumes[{text(volume, 'name')}].{kind} is not allowed in a Flow; remove it"
    for group in _CONTAINERS:
        for container in children(spec, group):
            where = f"{at}.{group}[{text(container, 'name')}]"
            yield from _container_faults(container, at=where, group=group)


def _container_faults(container: JsonObject, *, at: str, group: str) -> Iterator[str]:
    is_flow = group == "containers" and text(container, "name") == FLOW_CONTAINER
    allowed = FLOW_CONTAINER_FIELDS if is_flow else SIDECAR_FIELDS
    for name in sorted(container.keys() - allowed):
        yield f"{at}.{name} is not allowed in a Flow; remove it"
    for port in children(container, "ports"):
        if "hostPort" in port or "hostIP" in port:
            yield f"{at}.ports has a hostPort or hostIP, which is not allowed in a Flow; remove it"
    for mount in children(container, "volumeMounts"):
        if text(mount, "name").startswith(RESERVED_PREFIX):
            yield f"{at}.volumeMounts names a volume of Penstock's own; {_CHOOSE}"
    yield from _security_faults(child(container, "securityContext"), at=f"{at}.securityContext")
    if _names_host(container):
        yield f"{at} has a probe or hook that names a host, which a Flow cannot; remove the host"


def _security_faults(context: JsonObject, *, at: str) -> Iterator[str]:
    for name in sorted(context.keys() - SECURITY_FIELDS):
        yield f"{at}.{name} is not allowed in a Flow; remove it"
    wanted: tuple[tuple[str, JsonValue], ...] = (
        ("privileged", False),
        ("allowPrivilegeEscalation", False),
        ("runAsNonRoot", True),
    )
    for name, value in wanted:
        if name in context and context[name] is not value:
            yield f"{at}.{name} can only be {str(value).lower()} in a Flow"
    if context.get("runAsUser") == 0:
        yield f"{at}.runAsUser cannot be 0 in a Flow"
    if child(context, "capabilities").keys() - {"drop"}:
        yield f"{at}.capabilities can only drop in a Flow"
    if text(context, "seccompProfile", "type") == "Unconfined":
        yield f"{at}.seccompProfile cannot be Unconfined in a Flow"


def _names_host(container: JsonObject) -> bool:
    probes = ("livenessProbe", "readinessProbe", "startupProbe")
    hooks = (
        *(child(container, probe) for probe in probes),
        *(child(container, "lifecycle", when) for when in ("postStart", "preStop")),
    )
    return any(
        field(hook, how, "host") is not None for hook in hooks for how in ("httpGet", "tcpSocket")
    )


def _names(spec: JsonObject, *groups: str) -> set[str]:
    return {text(each, "name") for group in groups for each in children(spec, group)}


def _shape_faults(spec: JsonObject, *, at: str) -> Iterator[str]:
    yield from _directive_faults(spec, at=at)
    for group in (*_CONTAINERS, "volumes"):
        if group not in spec:
            continue
        items = spec[group]
        if not isinstance(items, list) or len(children(spec, group)) < len(items):
            yield f"{at}.{group} is not a list of objects"
            continue
        names = [text(each, "name") for each in children(spec, group)]
        if not all(names):
            yield f"{at}.{group} has an item without a name; give it one"
        if len(set(names)) < len(names):
            yield f"{at}.{group} has two items of one name; {_CHOOSE}"
    yield from quantity_faults(spec, at=at)


def _directive_faults(value: JsonValue, *, at: str) -> Iterator[str]:
    """A template says what shall be; `$patch: delete` and its kin are for patches."""
    if isinstance(value, list):
        for index, each in enumerate(value):
            name = text(each, "name") or str(index)
            yield from _directive_faults(each, at=f"{at}[{name}]")
    if isinstance(value, dict):
        for name, each in value.items():
            if name.startswith("$"):
                yield f"{at}.{name} is a directive of patches; remove it (null unsets a field)"
            yield from _directive_faults(each, at=f"{at}.{name}")


def _name_faults(spec: JsonObject, *, at: str) -> Iterator[str]:
    for volume in children(spec, "volumes"):
        name = text(volume, "name")
        if name.startswith(RESERVED_PREFIX):
            yield f"{at}.volumes[{name}] is named like Penstock's own volumes; {_CHOOSE}"
    if any(text(each, "name") == FLOW_CONTAINER for each in children(spec, "initContainers")):
        yield f"{at}.initContainers[{FLOW_CONTAINER}] is named like the main container; {_CHOOSE}"
    for name in sorted(_names(spec, "containers") & _names(spec, "initContainers")):
        yield f"{at}.initContainers[{name}] has the name of a container; {_CHOOSE}"
    for container in children(spec, "containers"):
        for mount in children(container, "volumeMounts"):
            if text(container, "name") == FLOW_CONTAINER and _is_reserved(text(mount, "mountPath")):
                path = text(mount, "mountPath")
                yield f"{at}.containers[{FLOW_CONTAINER}].volumeMounts uses {path}, Penstock's own"


def _is_reserved(path: str) -> bool:
    plain = "/" + path.strip("/")
    return plain in _OWN_PATHS or plain.startswith(tuple(f"{each}/" for each in _OWN_PATHS))
