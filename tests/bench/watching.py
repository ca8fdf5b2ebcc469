"""What changes in a cluster, as it changes."""

import json
from collections.abc import Iterator
from contextlib import suppress

from tests.integration.apiserver import ApiServer, Object
from urllib3.exceptions import HTTPError


def watch(server: ApiServer, path: str) -> Iterator[Object]:
    """Yield the events of a watch."""
    url = f"{server.url}{path}?watch=true&resourceVersion=0"
    response = server.pool.request(
        "GET", url, headers=dict(server.headers), preload_content=False, timeout=300
    )
    rest = b""
    with suppress(HTTPError):  # the server is taken down
        for chunk in response.stream(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from map(json.loads, lines)
