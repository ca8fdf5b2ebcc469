"""Merge pod templates the way Kubernetes does: a strategic merge, the later one wins.

Lists whose items have names merge item by item, tolerations and their kin add up, everything else
replaces. The order is: Penstock's defaults, the pool's template, the flow's template, and at last
what Penstock needs to be so.
"""

from pydantic import JsonValue

from penstock_operator.model.schema import JsonObject
from penstock_operator.reconcile.wire import canonical

_MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "hostAliases": "ip",
}
_ADDED_UP = frozenset({"tolerations", "envFrom", "topologySpreadConstraints"})


def merged(under: JsonObject, *, over: JsonObject) -> JsonObject:
    """Lay one piece of a pod template over another."""
    result = dict(under)
    for name, value in over.items():
        result[name] = _merged_value(name, under.get(name), value)
    return result


def _merged_value(name: str, under: JsonValue, over: JsonValue) -> JsonValue:
    if isinstance(under, dict) and isinstance(over, dict):
        return merged(under, over=over)
    if isinstance(under, list) and isinstance(over, list):
        if name in _MERGE_KEYS:
            # A variable's value and valueFrom exclude each other: an item of env replaces.
            return _merged_items(under, over=over, key=_MERGE_KEYS[name], replace=name == "env")
        if name in _ADDED_UP:
            known = {canonical(each) for each in under}
            return [*under, *(each for each in over if canonical(each) not in known)]
    return over


def _merged_items(
    under: list[JsonValue], *, over: list[JsonValue], key: str, replace: bool
) -> list[JsonValue]:
    result = list(under)
    places = {_key(each, key): index for index, each in enumerate(under)}
    for each in over:
        name = _key(each, key)
        index = places.get(name) if name is not None else None
        if index is None:
            result.append(each)
        else:
            result[index] = each if replace else _merged_value("", result[index], each)
    return result


def _key(item: JsonValue, key: str) -> str | int | None:
    value = item.get(key) if isinstance(item, dict) else None
    return value if isinstance(value, str | int) else None
