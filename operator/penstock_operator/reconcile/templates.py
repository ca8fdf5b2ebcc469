"""Merge pod templates the way Kubernetes does: a strategic merge, the later one wins.

Items of a list are the same if they agree in its merge keys; they merge, or the later one replaces.
Other lists replace, and null takes away. Unlike in Kubernetes, tolerations and envFrom add up: who
writes a flow need not know what the pool tolerates. The order is: Penstock's defaults, the pool's
template, the flow's template, and at last what Penstock needs to be so.
"""

from pydantic import JsonValue

from penstock_operator.model.schema import JsonObject
from penstock_operator.reconcile.wire import canonical

_BY_NAME: JsonObject = {"name": ""}
_MERGE_KEYS: dict[str, JsonObject] = {
    "containers": _BY_NAME,
    "initContainers": _BY_NAME,
    "ephemeralContainers": _BY_NAME,
    "volumes": _BY_NAME,
    "env": _BY_NAME,
    "imagePullSecrets": _BY_NAME,
    "resourceClaims": _BY_NAME,
    "claims": _BY_NAME,
    "schedulingGates": _BY_NAME,
    "volumeMounts": {"mountPath": ""},
    "volumeDevices": {"devicePath": ""},
    "ports": {"containerPort": 0, "protocol": "TCP"},
    "hostAliases": {"ip": ""},
    "topologySpreadConstraints": {"topologyKey": "", "whenUnsatisfiable": "DoNotSchedule"},
    "tolerations": {"key": "", "operator": "Equal", "value": "", "effect": ""},
}
"""The merge keys of each list, with what the API server takes for a key that is absent."""

_REPLACING = frozenset({"env", "volumes", "resourceClaims", "tolerations"})
"""Lists whose items are replaced as a whole: of a variable's value and valueFrom, or the types of a
volume, there can be one, and a toleration without tolerationSeconds has no end."""

_ADDED_UP = frozenset({"envFrom"})


def merged(under: JsonObject, *, over: JsonObject) -> JsonObject:
    """Lay one piece of a pod template over another."""
    result = dict(under)
    for name, value in over.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged_value(name, under.get(name), value)
    return result


def _merged_value(name: str, under: JsonValue, over: JsonValue) -> JsonValue:
    if isinstance(under, dict) and isinstance(over, dict):
        return merged(under, over=over)
    if isinstance(under, list) and isinstance(over, list):
        if name in _MERGE_KEYS:
            return _merged_items(under, over=over, name=name)
        if name in _ADDED_UP:
            known = {canonical(each) for each in under}
            return [*under, *(each for each in over if canonical(each) not in known)]
    return over


def _merged_items(under: list[JsonValue], *, over: list[JsonValue], name: str) -> list[JsonValue]:
    result = list(under)
    places = {_identity(each, name): index for index, each in enumerate(under)}
    for each in over:
        index = places.get(_identity(each, name))
        if index is None:
            result.append(each)
        else:
            result[index] = each if name in _REPLACING else _merged_value("", result[index], each)
    return result


def _identity(item: JsonValue, name: str) -> str:
    """Return what makes an item of the list the same as another."""
    if not isinstance(item, dict):
        return canonical(item)
    return canonical([item.get(key, absent) for key, absent in _MERGE_KEYS[name].items()])
