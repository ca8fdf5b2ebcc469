"""Whether a run can be launched: its flow and its pool exist, are usable, and not suspended.

Whatever is in the way is mended by other hands, at any time; the run waits for it as `Scheduled`.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from penstock_operator.model.flow import Concurrency, Flow
from penstock_operator.model.meta import Condition
from penstock_operator.model.states import ConditionStatus, ConditionType, Reason, WaitKind
from penstock_operator.model.workpool import WorkPool
from penstock_operator.reconcile.actions import Action
from penstock_operator.reconcile.case import NeedError, RunCase
from penstock_operator.reconcile.code import Code, Fault
from penstock_operator.reconcile.holds import SETTLING, Hold, line
from penstock_operator.reconcile.names import DEFAULT_QUEUE, pool_name, queue_name
from penstock_operator.reconcile.observed import Look, NotLooked
from penstock_operator.reconcile.sharing import with_shared_slots
from penstock_operator.reconcile.usable import flow_fault, image_of, pool_fault
from penstock_operator.reconcile.views import Malformed

PREPARING = timedelta(seconds=5)
"""How long a run waits without a word for the pool's ServiceAccount to be seen to."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What a launch takes."""

    code: Code
    pool: WorkPool
    image: str
    before: tuple[Action, ...] = ()
    """What to do first: take the slots of ConcurrencyLimits."""


def admitted(case: RunCase) -> Ready | Hold:
    """Take what the first launch needs, or say what holds the run."""
    flow = _usable_flow(case)
    if isinstance(flow, Hold):
        return flow
    pool = _usable_pool(case)
    if isinstance(pool, Hold):
        return pool
    if pool.spec.suspend:
        return _pool_hold(
            case,
            Reason.WORK_POOL_SUSPENDED,
            "is suspended. Set its spec.suspend to false; the run then starts by itself.",
        )
    code = case.code_now()
    fault = code if isinstance(code, Fault) else None
    if isinstance(code, Code):
        fault = flow_fault(code, pool=pool, settings=case.settings)
        image = image_of(code, pool=pool, settings=case.settings)
        if fault is None and image is not None:
            return _with_slots(case, Ready(code, pool, image), attempt=1)
    assert fault is not None
    return _flow_hold(case, Reason.FLOW_STALLED, f"cannot be used. {fault.sentence}")


def placed(case: RunCase, code: Code, *, attempt: int) -> Ready | Hold:
    """Take what a further launch needs: a run that has started goes on, suspended pool or not."""
    ready = placed_beyond_limits(case, code)
    return ready if isinstance(ready, Hold) else _with_slots(case, ready, attempt=attempt)


def placed_beyond_limits(case: RunCase, code: Code) -> Ready | Hold:
    """Take what a further launch needs, but for slots."""
    pool = _usable_pool(case)
    if isinstance(pool, Hold):
        return pool
    fault = flow_fault(code, pool=pool, settings=case.settings)
    image = case.status.image or image_of(code, pool=pool, settings=case.settings)
    if fault is not None or image is None:
        words = fault.sentence if fault is not None else "It names no image."
        return _pool_hold(case, Reason.WORK_POOL_STALLED, f"cannot take this run any more. {words}")
    store = pool.spec.store.name if pool.spec.store else None
    if store != case.status.store:
        words = (
            f"cannot take this run any more. Its store is now {store or 'none'}, and the run's"
            f" journal is in {case.status.store or 'JournalSegments'}. Set the store back, and give"
            " new runs another WorkPool."
        )
        return _pool_hold(case, Reason.WORK_POOL_STALLED, words)
    return Ready(code, pool, image)


def _with_slots(case: RunCase, ready: Ready, *, attempt: int) -> Ready | Hold:
    """Take the slots of pool and flow, and only with them those that are shared with others."""
    held = _without_slot(case, ready.pool)
    if held is not None:
        return held
    taken = with_shared_slots(case, attempt=attempt)
    return taken if isinstance(taken, Hold) else replace(ready, before=taken)


def limit_of(case: RunCase) -> Concurrency | None:
    """Return the limit of the run's flow, as it is now."""
    flow = case.observed.flow
    return flow.spec.concurrency if isinstance(flow, Flow) else None


def _without_slot(case: RunCase, pool: WorkPool) -> Hold | None:
    """Take a slot of the pool and of the flow, or say that there is none."""
    is_limited = pool.spec.concurrency is not None or pool.spec.queues
    if not is_limited and limit_of(case) is None:
        return None
    queue = queue_name(case.run, flow=case.observed.flow)
    queues = {DEFAULT_QUEUE, *(each.name for each in pool.spec.queues)}
    if is_limited and queue not in queues:
        words = (
            f"has no queue {queue}. Add it to the pool's spec.queues; the run then starts by"
            " itself."
        )
        return _pool_hold(case, Reason.QUEUE_NOT_FOUND, words)
    if isinstance(case.observed.slot, NotLooked):
        raise NeedError(Look.SLOT)
    ahead = case.observed.slot.ahead
    if ahead is None:
        return None
    limit = limit_of(case)
    if case.observed.slot.for_flow and limit is not None:
        name = case.run.spec.flow_ref.name
        words = (
            f"The run waits, as its Flow {name} lets {_runs(limit.limit)} be at work at once;"
            f" {line(ahead)}."
        )
        return Hold(Reason.WAITING_FOR_SLOT, WaitKind.FLOW, name, words, ahead=ahead)
    name = pool.metadata.name
    words = f"The run waits for a slot in the WorkPool {name}, queue {queue}; {line(ahead)}."
    return Hold(Reason.WAITING_FOR_SLOT, WaitKind.SLOT, name, words, ahead=ahead)


def _runs(number: int) -> str:
    return f"{number} run" if number == 1 else f"{number} runs"


def _usable_flow(case: RunCase) -> Flow | Hold:
    flow = case.observed.flow
    if flow is None:
        return _flow_hold(
            case,
            Reason.FLOW_NOT_FOUND,
            "does not exist in this namespace. Create it; the run then starts by itself.",
            grace=SETTLING,
        )
    if isinstance(flow, Malformed):
        return _flow_hold(case, Reason.FLOW_STALLED, f"cannot be used. {flow.sentence}")
    if flow.spec.suspend:
        return _flow_hold(
            case,
            Reason.FLOW_SUSPENDED,
            "is suspended. Set its spec.suspend to false; the run then starts by itself.",
        )
    return flow


def _usable_pool(case: RunCase) -> WorkPool | Hold:
    pool = case.observed.pool
    if pool is None:
        return _pool_hold(
            case,
            Reason.WORK_POOL_NOT_FOUND,
            "does not exist in this namespace. Create it; the run then starts by itself.",
            grace=SETTLING,
        )
    if isinstance(pool, Malformed):
        return _pool_hold(case, Reason.WORK_POOL_STALLED, f"cannot be used. {pool.sentence}")
    fault = pool_fault(pool)
    if fault is not None:
        return _pool_hold(case, Reason.WORK_POOL_STALLED, f"cannot be used. {fault.sentence}")
    stalled = next((each for each in pool.status.conditions if _says_stalled(each)), None)
    if stalled is not None:
        return _pool_hold(case, Reason.WORK_POOL_STALLED, f"cannot be used. {stalled.message}")
    if pool.status.observed_generation < 0:
        return _pool_hold(
            case,
            Reason.WORK_POOL_STALLED,
            "has not been prepared by the operator yet. If this stays, read the operator's log.",
            grace=PREPARING,
        )
    return pool


def _says_stalled(condition: Condition) -> bool:
    return condition.type == ConditionType.STALLED and condition.status == ConditionStatus.TRUE


def _flow_hold(
    case: RunCase, reason: Reason, words: str, *, grace: timedelta = timedelta()
) -> Hold:
    name = case.run.spec.flow_ref.name
    return Hold(reason, WaitKind.FLOW, name, f"The Flow {name} {words}", grace)


def _pool_hold(
    case: RunCase, reason: Reason, words: str, *, grace: timedelta = timedelta()
) -> Hold:
    name = pool_name(case.run, flow=case.observed.flow)
    return Hold(reason, WaitKind.WORK_POOL, name, f"The WorkPool {name} {words}", grace)
