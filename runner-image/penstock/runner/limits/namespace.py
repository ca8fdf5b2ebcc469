"""The limits of a pod's namespace, for whatever asks for them in one of its processes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping
from functools import cache
from random import SystemRandom
from typing import Any

from penstock.concurrency.claims import Claim, Request
from penstock.concurrency.ledger import Me
from penstock.concurrency.line import Place
from penstock.runner import exits
from penstock.runner.apiserver import ApiServer, UnreachableError
from penstock.runner.environment import Environment, read_environment
from penstock.runner.limits.claim import ClusterClaim
from penstock.runner.limits.clerk import Clerk
from penstock.runner.limits.desk import Desk
from penstock.runner.limits.following import Follower

_API = "/apis/penstock.dev/v1alpha1/namespaces"


class NamespaceLimits:
    """The ConcurrencyLimits of a namespace, as one process of a run uses them."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._random = SystemRandom()
        path = f"{_API}/{environment.namespace}/concurrencylimits"
        self._desks: Mapping[str, Desk] = {}
        self._tags: Mapping[str, str] = {}
        self._lock = threading.Lock()
        self._me: Me | None = None
        self._strangers: list[Place] = []
        server = _server(environment)
        self._follower = Follower(
            server, path=path, begin=self._introduce, tell=self._meet, when_known=self._know
        )
        self._clerk = Clerk(_server(environment), path=path, desks=lambda: self._desks)

    def claim(self, request: Request, *, overtakes: bool) -> Claim:
        """Return a claim to slots of all the names, which are had one after the other."""
        return ClusterClaim(request, overtakes=overtakes, limits=self)

    def are_known(self, place: Place) -> bool:
        """Tell whether the limits are known; if not, the bell of the place will ring."""
        self._follower.ask()
        if self._follower.knows.is_set():
            return True
        with self._lock:
            self._strangers.append(place)
        return self._follower.knows.is_set()

    def of_tags(self, tags: Iterable[str]) -> list[str]:
        """Return the limits of tags; wait until they are known."""
        self._follower.ask()
        self._follower.knows.wait()
        return sorted(name for name, tag in self._tags.items() if tag in set(tags))

    def may_be_of_tags(self, tags: Iterable[str]) -> bool:
        """Tell whether there may be limits of tags, without waiting."""
        return not self._follower.knows.is_set() or bool(self.of_tags(tags))

    def desk(self, name: str) -> Desk | None:
        """Return where slots of a limit are had, if there is that limit."""
        desk = self._desks.get(name)
        return desk if desk is not None and desk.terms is not None else None

    def wake(self) -> None:
        """Have written what was asked."""
        self._clerk.wake()

    def close(self, *, suspended: bool, within: float) -> None:
        """Give back what this process holds; with ``suspended``, keep its places in line."""
        if self._desks:
            self._clerk.close(suspended=suspended, within=within)

    def _introduce(self, server: ApiServer) -> None:
        """Learn under which name slots are taken: that of the very run, which has a uid."""
        if self._me is not None:
            return
        environment = self._environment
        answer = server.get(f"{_API}/{environment.namespace}/flowruns/{environment.run}")
        if not answer.ok:
            raise UnreachableError(answer.sentence)
        self._me = Me(
            run=environment.run,
            uid=answer.body["metadata"]["uid"],
            attempt=environment.attempt,
            process=os.urandom(4).hex(),
        )

    def _meet(self, name: str, limit: Mapping[str, Any] | None) -> None:
        """Take note of a limit as it is now, or that there is none any more."""
        with self._lock:
            if name not in self._desks:
                self._desks = {**self._desks, name: self._new_desk(name)}
            tag = limit["spec"].get("tag") if limit is not None else None
            others = {each: of for each, of in self._tags.items() if each != name}
            self._tags = {**others, name: tag} if tag else others
        if self._desks[name].meet(limit, at=time.monotonic()):
            self._clerk.wake()

    def _new_desk(self, name: str) -> Desk:
        assert self._me is not None, "it was introduced before"

        def tell_lost(slots: int) -> None:
            which = "1 slot" if slots == 1 else f"{slots} slots"
            exits.say(
                f"{which} of the ConcurrencyLimit {name} {'was' if slots == 1 else 'were'} lost: "
                "this process could give no sign of life for as long as a lease lasts "
                "(spec.leaseDurationSeconds). What it does goes on beside whoever has them now."
            )

        return Desk(self._me, random=self._random, tell_lost=tell_lost)

    def _know(self) -> None:
        """Wake those who had to wait until the limits were known."""
        with self._lock:
            strangers, self._strangers = self._strangers, []
        for place in strangers:
            place.ring()


def _server(environment: Environment) -> ApiServer:
    return ApiServer(
        environment.server_host,
        port=environment.server_port,
        credentials=environment.credentials,
    )


def limits_in_pod() -> NamespaceLimits:
    """Return the limits as this process of a pod uses them; a forked child begins anew."""
    return _limits_of(os.getpid())


@cache
def _limits_of(pid: int) -> NamespaceLimits:
    return NamespaceLimits(read_environment(os.environ))
