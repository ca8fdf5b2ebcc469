"""What a task's options say of its results: the cache rule, for the engine."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from penstock.cache_policies import CachePolicy, key_by, key_of_function, parts_of
from penstock.engine.cache_terms import CacheQuestion, CacheRule
from penstock.options import storage_key


def rule_of(options: Mapping[str, Any]) -> CacheRule | None:
    """Return the rule; ``None`` where nothing is cached."""
    policy, key_fn = options.get("cache_policy"), options.get("cache_key_fn")
    template = options.get("result_storage_key")
    key_of: Callable[[CacheQuestion], str | None]
    if template is not None:
        key_of = partial(storage_key, template)
    elif key_fn is not None:
        key_of = partial(key_of_function, key_fn)
    elif policy is not None and parts_of(policy):
        key_of = partial(key_by, policy)
    else:
        if options.get("cache_expiration") is not None:
            warnings.warn(
                "cache_expiration is of no use where nothing is cached: give a cache_policy, "
                "such as INPUTS, or a cache_key_fn too.",
                stacklevel=7,
            )
        return None
    never_read = policy is not None and not parts_of(policy)
    return CacheRule(
        key_of=key_of,
        expiration=options.get("cache_expiration"),
        refresh=never_read or bool(options.get("refresh_cache")),
        **_configured(policy),
    )


def _configured(policy: CachePolicy | None) -> dict[str, Any]:
    """Return what a policy says beside the key."""
    if policy is None or (policy.isolation_level is None and policy.key_storage is None):
        return {}
    from penstock.filesystems import filesystem_for

    place = policy.key_storage
    return {
        "storage": None if place is None else filesystem_for(place),
        "is_serial": policy.isolation_level == "SERIALIZABLE",
        "locks": policy.lock_manager,
    }
