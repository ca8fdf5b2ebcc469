"""What is counted and never made up: what a changed rule had named, and what a pause let go by."""

from itertools import islice, takewhile

from penstock_operator.model.schedule import ScheduleSpec
from penstock_operator.reconcile.scheduling.course import Course
from penstock_operator.reconcile.scheduling.missed import CHUNK
from penstock_operator.reconcile.scheduling.rules import scheduled_after, spec_by


def count_what_is_past(course: Course, *, rule: str, paused: bool) -> bool:
    """Count it; return whether some is left to count."""
    status, spec = course.schedule.status, course.schedule.spec
    if status.rule is not None and status.rule != rule:
        before = spec_by(status.rule, spec=spec)
        if before is not None:
            reason = "Suspended" if status.paused else "RuleChanged"
            return _count_what_went_by(course, spec=before, reason=reason)
        course.decided_through = max(course.decided_through, course.now)  # it was no rule
    elif status.paused and not paused:
        return _count_what_went_by(course, spec=spec, reason="Suspended")
    return False


def _count_what_went_by(course: Course, *, spec: ScheduleSpec, reason: str) -> bool:
    moments = scheduled_after(course.decided_through, spec=spec)
    missed = list(islice(takewhile(lambda moment: moment <= course.now, moments), CHUNK))
    course.skip(len(missed), reason)
    if len(missed) == CHUNK:
        course.decided_through = missed[-1]
        return True
    course.decided_through = max(course.decided_through, course.now)
    return False
