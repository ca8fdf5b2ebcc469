"""Where a call stands in its run: the same text at every attempt of it, and in a rerun.

It is the path of the journal's key where there is a journal; else the call's number in its flow
run and the digest of its arguments take the place of that. Nothing is computed before somebody
asks.
"""

from __future__ import annotations

import os

from penstock.drivers.scope import Scope
from penstock.engine.runs import FlowRun
from penstock.errors import MissingContextError


def idempotency_key(scope: Scope) -> str:
    """Return what a system outside may know this task's work by, however often it is begun."""
    import hashlib

    path = call_path(scope)
    digest = hashlib.blake2b(path.encode(), digest_size=16).hexdigest()
    return f"{path.partition('/')[0]}-{digest}"


def call_path(scope: Scope) -> str:
    """Return the place of the call whose body has this scope; it begins with the first run's id."""
    run = scope.run
    if run.call_path is None:
        run.call_path = _path_of(scope)
    return run.call_path


def _path_of(scope: Scope) -> str:
    run, parent = scope.run, scope.parent
    if parent is None:
        return _outermost(scope)
    around = call_path(parent)
    if parent.journal is not None:
        return around + scope.path.removeprefix(parent.path)
    from penstock.engine.digest import digest_of_call, digests_of

    digest = digest_of_call(digests_of(*scope.arguments))
    if scope.frame is not None or isinstance(parent.run, FlowRun):
        return f"{around}/{run.id}:{digest}"
    # In a body elsewhere, calls are not numbered.
    return around + parent.branch.draw(identity=scope.path, digest=digest).path.removeprefix(
        parent.path
    )


def _outermost(scope: Scope) -> str:
    run, context = scope.run, scope.context
    if isinstance(run, FlowRun) and context is not None:
        return context.first_run_id
    if run.parent is not None:
        raise MissingContextError(
            "runtime.task_run.idempotency_key is to be read in the task's body, before its hooks."
        )
    return f"outside/{os.urandom(16).hex()}"  # nothing but this call itself can be begun again
