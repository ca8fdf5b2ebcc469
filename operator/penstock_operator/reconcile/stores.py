"""What the pods of a pool with a store have beside those of others."""

from pydantic import JsonValue

from penstock_operator.model.schema import JsonObject
from penstock_operator.model.store import Store

STORE_PATH = "/var/run/penstock/store"


def store_environment(store: Store | None) -> list[JsonValue]:
    """Tell the runner where the store is."""
    if store is None:
        return []
    url = f"file://{STORE_PATH}" if store.url is None else store.url
    variables: list[JsonValue] = [{"name": "PENSTOCK_STORE", "value": url}]
    if store.signing_key_secret_ref is not None:
        key: JsonObject = {"secretKeyRef": store.signing_key_secret_ref.to_wire()}
        variables.append({"name": "PENSTOCK_SIGNING_KEY", "valueFrom": key})
    if not store.allow_pickle:
        variables.append({"name": "PENSTOCK_ALLOW_PICKLE", "value": "false"})
    return variables


def store_credentials(store: Store | None) -> list[JsonObject]:
    """Let the container have what the store asks for."""
    if store is None or store.credentials_secret_ref is None:
        return []
    return [{"secretRef": {"name": store.credentials_secret_ref.name}}]


def store_mounts(store: Store | None) -> list[JsonValue]:
    """Mount the store's volume in the container."""
    if store is None or store.persistent_volume_claim is None:
        return []
    folder = store.persistent_volume_claim.sub_path
    mount: JsonObject = {"name": "penstock-store", "mountPath": STORE_PATH}
    return [{**mount, "subPath": folder} if folder else mount]


def store_volumes(store: Store | None) -> list[JsonValue]:
    """Bring the store's volume to the pod."""
    if store is None or store.persistent_volume_claim is None:
        return []
    claim: JsonObject = {"claimName": store.persistent_volume_claim.claim_name}
    return [{"name": "penstock-store", "persistentVolumeClaim": claim}]
