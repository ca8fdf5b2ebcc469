"""The limits of a pod's run: ConcurrencyLimit objects of its namespace.

Whoever takes slots asks at a desk (`desk`), of which each limit has one in this process. A clerk
(`clerk`) writes for all desks what was asked there meanwhile, in one request for each limit; a
follower (`following`) hears what others wrote. `namespace` puts them together.
"""

from __future__ import annotations

import sys


def close_limits(*, suspended: bool, within: float) -> None:
    """Give back what this process holds, if it ever asked for any; see ``NamespaceLimits``."""
    namespace = sys.modules.get(f"{__name__}.namespace")
    if namespace is not None:
        namespace.limits_in_pod().close(suspended=suspended, within=within)
