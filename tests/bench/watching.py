"""What changes in a cluster, as it changes."""

import json
from collections.abc import Iterator

from tests.integration.apiserver import ApiServer, Object


def watch(server: ApiServer, path: str) -> Iterator[Object]:
    """Yield the events of a watch."""
    url = f"{server.url}{path}?watch=true&resourceVersion=0"
    response = server.pool.request(
        "GET", url, headers=dict(server.headers), preload_content=False, timeout=300
    )
    rest = b""
    for chunk in response.stream(65536):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from map(json.loads, lines)
