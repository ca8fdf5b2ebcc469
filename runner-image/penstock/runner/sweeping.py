"""Journals in a store go when their run is gone: each run that ends looks after a few of them.

The API server knows nothing of stores, and the operator cannot reach them. So the pods do it, which
can: a sample each time, so that it costs each run the same however many there are. What is left
behind is about a quarter of what is in use.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any

from penstock.runner import exits
from penstock.runner.apiserver import ApiServer
from penstock.runner.chains import journal_folder
from penstock.runner.environment import Environment
from penstock.runner.own_run import API_VERSION
from penstock.stores import Store, holds_journals, open_store

SAMPLE = 5
"""Journals that each run looks at."""
SECONDS = 3.0
"""How long that may take."""
_MARK = "cluster"


class Sweep:
    """The journals of one namespace in the pool's store."""

    def __init__(self, store: Store, *, environment: Environment, server: ApiServer) -> None:
        self._store = store
        self._server = server
        self._namespace = environment.namespace
        self._cluster = _cluster(environment)

    def mark(self, folder: str) -> None:
        """Leave word in a journal of whose it is: clusters may share a store."""
        self._store.put_if_absent(f"{folder}/{_MARK}", self._cluster)

    def sweep(self, *, within: float = SECONDS) -> list[str]:
        """Delete those of a few journals whose run is gone; return their names."""
        deadline = time.monotonic() + within
        names = self._store.names(f"journals/{self._namespace}")
        swept: list[str] = []
        for name in random.sample(names, min(SAMPLE, len(names))):
            if time.monotonic() >= deadline:
                break
            if self._is_ours(name) and self._is_orphan(name):
                self._store.remove(f"journals/{self._namespace}/{name}")
                swept.append(name)
        return swept

    def _is_ours(self, name: str) -> bool:
        try:
            (mark,) = self._store.read([f"journals/{self._namespace}/{name}/{_MARK}"])
        except FileNotFoundError:
            return False
        return mark == self._cluster

    def _is_orphan(self, name: str) -> bool:
        run, _, uid = name.rpartition("-")
        path = f"/apis/{API_VERSION}/namespaces/{self._namespace}/flowruns/{run}"
        answer = self._server.get(path)
        if answer.ok:
            return not str(answer.body["metadata"]["uid"]).startswith(uid)
        return answer.status == 404 and answer.body.get("reason") == "NotFound"


def sweep_afterwards(
    afterwards: ExitStack, *, environment: Environment, run: Mapping[str, Any]
) -> None:
    """Have journals of deleted runs looked for when this run has ended, if they are in a store."""
    if not holds_journals(environment.store):
        return
    server = ApiServer(
        environment.server_host,
        port=environment.server_port,
        credentials=environment.credentials,
    )
    sweep = Sweep(open_store(environment.store), environment=environment, server=server)
    if environment.attempt == 1:
        with suppress(Exception):  # then this journal stays
            sweep.mark(journal_folder(run, namespace=environment.namespace))
    afterwards.callback(_tidy_up, sweep)


def _tidy_up(sweep: Sweep) -> None:
    """Sweep; whatever goes wrong is left to the next run."""
    try:
        swept = sweep.sweep()
    except Exception as error:
        exits.say(f"Journals of deleted runs were not looked for: {error!r}")
        return
    if swept:
        exits.say(f"Deleted the journals of runs that are gone: {', '.join(swept)}.")


def _cluster(environment: Environment) -> bytes:
    """Return what tells one cluster from another: its certificate authority."""
    authority = (environment.credentials / "ca.crt").read_bytes()
    return hashlib.sha256(authority).hexdigest().encode()
