"""What becomes of each moment that a Schedule names."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.unit.operator.reconcile.scheduling.world import START, World, clock

from penstock_operator.model.states import State
from penstock_operator.reconcile.actions import CreateRun

HOURLY = {"cron": "0 * * * *"}
HOUR = timedelta(hours=1)


def test_each_moment_gets_a_run_that_bears_its_name() -> None:
    world = World({"cron": "0 6 * * *", "timeZone": "Europe/Berlin"})

    world.run_until(START + timedelta(days=2))

    assert world.made == ["nightly-20260101050000", "nightly-20260102050000"]


def test_the_status_says_what_came_and_what_comes() -> None:
    world = World(HOURLY)

    world.run_until(START + 2 * HOUR)

    assert world.status["lastTick"] == "2026-01-01T02:00:00Z"
    assert world.status["nextTicks"][:2] == ["2026-01-01T03:00:00Z", "2026-01-01T04:00:00Z"]
    assert (world.status["started"], world.status["activeRuns"]) == (2, 2)
    assert world.status["active"] == ["nightly-20260101010000", "nightly-20260101020000"]
    assert world.condition("Ready")["status"] == "True"


def test_between_two_moments_nothing_is_written() -> None:
    world = World(HOURLY)
    world.run_until(START + HOUR + timedelta(minutes=1))

    world.now += timedelta(minutes=19)
    plan = world.plan()

    assert (plan.actions, plan.requeue_after) == ((), timedelta(minutes=40))


def test_parameters_hold_the_moment_that_the_run_is_for() -> None:
    world = World(
        {
            "cron": "30 0 * * *",
            "timeZone": "Europe/Berlin",
            "parameters": {
                "at": "{{ scheduledTime }}",
                "paths": ["data/{{ scheduledTime:%Y-%m-%d }}.csv"],
                "limit": 3,
            },
        }
    )

    world.run_until(START + timedelta(hours=23, minutes=30))

    assert world.runs[world.made[0]].parameters == {
        "at": "2026-01-01T23:30:00Z",
        "paths": ["data/2026-01-02.csv"],
        "limit": 3,
    }


@pytest.mark.parametrize(
    ("policy", "made", "skipped"),
    [
        ("Allow", [1, 2, 3], {}),
        ("Skip", [1], {"Overlap": 2}),
        ("BufferOne", [1, 2], {"Overlap": 1}),
        ("BufferAll", [1, 2, 3], {}),
        ("CancelRunning", [1, 3], {"Overlap": 1}),
        ("TerminateRunning", [1, 2, 3], {}),
    ],
)
def test_an_overlap_goes_by_the_policy(
    policy: str, made: list[int], skipped: dict[str, int]
) -> None:
    world = World({**HOURLY, "overlapPolicy": policy})

    world.run_until(START + 3 * HOUR)
    for _ in range(4):  # what waits starts when what goes on has ended
        world.end()
        world.settle()

    assert [moment.hour for moment in world.moments] == made
    assert world.skipped == skipped


@pytest.mark.parametrize(("policy", "started"), [("CancelRunning", 1), ("TerminateRunning", 2)])
def test_a_later_run_cancels_the_earlier(policy: str, started: int) -> None:
    world = World({**HOURLY, "overlapPolicy": policy})

    world.run_until(START + 2 * HOUR)

    assert world.runs["nightly-20260101010000"].cancelled
    assert len(world.made) == started


@pytest.mark.parametrize(
    ("catch_up", "made", "missed"),
    [
        ({}, [6], 5),
        ({"windowSeconds": 4 * 3600, "limit": 3}, [4, 5, 6], 3),
        ({"windowSeconds": 4 * 3600, "limit": 3, "order": "NewestFirst"}, [6, 5, 4], 3),
        ({"windowSeconds": 4 * 3600, "limit": 100}, [3, 4, 5, 6], 2),
        ({"limit": 0}, [], 6),
    ],
)
def test_what_was_missed_is_made_up_within_the_window_and_the_rest_counted(
    catch_up: dict[str, Any], made: list[int], missed: int
) -> None:
    world = World({**HOURLY, "catchUp": catch_up})
    world.settle()

    world.now = START + timedelta(hours=6, minutes=30)
    world.settle()

    assert [moment.hour for moment in world.moments] == made
    assert world.skipped == {"Missed": missed}


def test_a_year_that_nobody_looked_is_counted_to_the_last_moment() -> None:
    world = World({"interval": {"seconds": 300}, "catchUp": {"windowSeconds": 900, "limit": 10}})

    world.now = START + timedelta(days=60, seconds=30)
    world.settle()

    moments = 60 * 24 * 12
    assert len(world.made) == 3
    assert world.skipped == {"Missed": moments - 3}


def test_a_changed_rule_fires_nothing_of_the_past() -> None:
    world = World({"cron": "0 0 1 2 *"})
    world.run_until(START + timedelta(hours=12))

    world.edit(**HOURLY)
    world.settle()

    assert world.made == []
    assert world.status["nextTicks"][0] == "2026-01-01T13:00:00Z"


def test_any_other_change_loses_no_moment() -> None:
    world = World(HOURLY)
    world.settle()

    world.now = START + HOUR
    world.edit(parameters={"limit": 5})
    world.settle()

    assert world.runs["nightly-20260101010000"].parameters == {"limit": 5}


def test_what_is_due_while_it_is_suspended_is_counted_when_it_goes_on() -> None:
    world = World(HOURLY)
    world.run_until(START + HOUR)
    world.edit(suspend=True)
    world.run_until(START + timedelta(hours=3, minutes=30))
    held = world.status

    world.edit(suspend=False)
    world.run_until(START + 4 * HOUR)

    assert (held["nextTicks"], world.skipped) == ([], {"Suspended": 2})
    assert [moment.hour for moment in world.moments] == [1, 4]


def test_moments_without_a_run_are_told_by_an_event_an_hour() -> None:
    world = World({"cron": "*/20 * * * *", "overlapPolicy": "Skip"})

    world.run_until(START + 2 * HOUR)

    told = list(world.events.values())
    assert world.skipped == {"Overlap": 5}
    assert [each["lastTimestamp"] for each in told] == [
        "2026-01-01T00:40:00Z",
        "2026-01-01T01:00:00Z",
        "2026-01-01T02:00:00Z",
    ]
    assert told[0]["type"] == "Warning"
    assert told[0]["involvedObject"]["kind"] == "Schedule"
    assert told[0]["message"].startswith("A moment got no run: an earlier run still went on.")


def test_failures_in_a_row_stop_it_until_it_is_changed() -> None:
    world = World({**HOURLY, "suspendAfterFailures": 2})
    for hour, state in ((1, State.FAILED), (2, State.COMPLETED), (3, State.CRASHED)):
        world.run_until(START + hour * HOUR)
        world.end(state=state)
    world.run_until(START + 4 * HOUR)
    world.end(state=State.FAILED)

    world.run_until(START + timedelta(hours=6, minutes=30))
    stopped = dict(world.condition("Stalled"))
    world.edit(parameters={"mended": True})
    world.run_until(START + 7 * HOUR)

    assert (stopped["status"], stopped["reason"]) == ("True", "TooManyFailures")
    assert [each["reason"] for each in world.events.values()] == ["TooManyFailures"]
    assert [moment.hour for moment in world.moments] == [1, 2, 3, 4, 7]
    assert world.skipped == {"Suspended": 2}
    assert world.condition("Ready")["status"] == "True"


def test_bounds_are_kept() -> None:
    world = World({**HOURLY, "startAt": "2026-01-01T02:00:00Z", "endAt": "2026-01-01T03:00:00Z"})

    world.run_until(START + timedelta(days=1))

    assert [moment.hour for moment in world.moments] == [2, 3]
    assert world.skipped == {}


def test_jitter_delays_each_run_by_a_share_of_its_own_that_never_changes() -> None:
    def starts() -> list[float]:
        world = World({**HOURLY, "jitterSeconds": 600})
        delays = []
        while len(world.made) < 5:
            plan = world.settle()
            if len(world.made) > len(delays):
                delays.append((world.now - world.moments[-1]).total_seconds())
            assert plan.requeue_after is not None
            world.now += plan.requeue_after
        return delays

    delays = starts()

    assert delays == starts()
    assert all(0 <= each <= 600 for each in delays)
    assert len(set(delays)) == len(delays)


def test_a_run_can_be_asked_for_at_a_moment_once() -> None:
    world = World({"cron": "0 0 1 2 *"})
    world.settle()

    world.edit(triggerAt="2026-01-01T00:30:00Z")
    world.run_until(START + timedelta(hours=5))
    world.edit(parameters={"other": "change"})
    world.run_until(START + timedelta(hours=6))

    assert world.moments == [clock(2026, 1, 1, 0, 30)]


def test_a_backfill_makes_the_runs_of_a_stretch_one_after_another() -> None:
    backfill = {"name": "december", "start": "2025-12-30T00:00:00Z", "end": "2025-12-31T00:00:00Z"}
    world = World({"cron": "0 */8 * * *", "backfills": [backfill]})

    most = 0
    for _ in range(10):
        world.settle()
        most = max(most, len(world.active))
        world.end()
    world.settle()

    assert most == 1
    assert [f"{moment:%d %H}" for moment in world.moments] == ["30 00", "30 08", "30 16", "31 00"]
    (status,) = world.status["backfills"]
    assert (status["done"], status["total"], status["complete"]) == (4, 4, True)


def test_a_backfill_that_is_taken_off_the_list_is_given_up() -> None:
    backfill = {"name": "year", "start": "2025-01-01T00:00:00Z", "end": "2025-12-31T00:00:00Z"}
    world = World({"cron": "0 0 * * *", "backfills": [backfill]})
    world.settle()

    world.edit(backfills=None)
    world.end()
    world.settle()

    assert (len(world.made), world.status["backfills"]) == (1, [])


def test_a_backfill_all_at_once_leaves_the_schedule_its_own_runs() -> None:
    backfill = {
        "name": "day", "start": "2025-12-31T00:00:00Z", "end": "2025-12-31T23:00:00Z",
        "overlapPolicy": "Allow",
    }  # fmt: skip
    world = World({**HOURLY, "overlapPolicy": "Skip", "backfills": [backfill]})

    world.run_until(START + HOUR)

    assert len(world.made) == 25
    assert (world.skipped, world.status["active"]) == ({}, ["nightly-20260101010000"])


def test_a_missing_flow_skips_and_says_so_until_it_appears() -> None:
    world = World(HOURLY)
    flow, world.flow = world.flow, None
    world.run_until(START + HOUR)
    missing = dict(world.condition("Stalled"))

    world.flow = flow
    world.run_until(START + 2 * HOUR)

    assert (missing["status"], missing["reason"]) == ("True", "FlowNotFound")
    assert [moment.hour for moment in world.moments] == [2]
    assert world.skipped == {"FlowNotFound": 1}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"cron": "61 * * * *"}, "is no cron line"),
        ({"rrule": "FREQ=SOMETIMES"}, "is no recurrence rule"),
        ({"cron": "0 0 * * *", "timeZone": "Mars/Phobos"}, "no time zone 'Mars/Phobos'"),
        ({**HOURLY, "parameters": {"day": "{{ yesterday }}"}}, "{{ yesterday }}"),
    ],
)
def test_what_cannot_be_followed_says_what_to_mend_and_goes_on_when_it_is(
    spec: dict[str, Any], words: str
) -> None:
    world = World(spec)
    world.run_until(START + HOUR)
    stalled = dict(world.condition("Stalled"))

    world.edit(cron="30 * * * *", rrule=None, parameters=None, backfills=None, timeZone=None)
    world.run_until(START + timedelta(hours=2, minutes=30))

    assert stalled["status"] == "True"
    assert words in stalled["message"]
    assert len(world.made) >= 1
    assert world.condition("Stalled")["status"] == "False"


def test_parameters_that_do_not_fit_the_flow_are_told_before_any_run() -> None:
    world = World({**HOURLY, "parameters": {"limit": "many"}})
    assert world.flow is not None
    world.flow["parameterSchema"] = {"properties": {"limit": {"type": "integer"}}}

    world.settle()

    assert world.condition("Stalled")["reason"] == "InvalidParameters"
    assert "limit" in world.condition("Stalled")["message"]


@pytest.mark.parametrize("suspended", [False, True])
def test_a_clock_that_is_put_back_fires_nothing_again(suspended: bool) -> None:
    world = World(HOURLY)
    world.run_until(START + 3 * HOUR)
    world.edit(suspend=suspended)
    world.settle()

    world.now = START + timedelta(minutes=90)
    world.edit(suspend=False)
    world.settle()
    said = dict(world.condition("Ready"))
    world.run_until(START + 4 * HOUR)

    assert said["message"].startswith("Moments up to 2026-01-01T03:00:00Z were decided by a clock")
    assert world.condition("Ready")["message"] == "Runs are created when they are due."
    assert [moment.hour for moment in world.moments] == [1, 2, 3, 4]
    assert world.status["started"] == 4


def test_a_zone_that_nobody_knows_stalls_an_interval_too() -> None:
    told = {"day": "{{ scheduledTime:%Y-%m-%d }}"}
    world = World({"interval": {"seconds": 60}, "timeZone": "Mars/Phobos", "parameters": told})

    world.settle()

    assert world.condition("Stalled")["reason"] == "InvalidRule"
    assert "Mars/Phobos" in world.condition("Stalled")["message"]


def test_a_line_that_is_never_due_stalls() -> None:
    world = World({"cron": "0 9 30 2 *"})

    world.settle()

    assert world.condition("Stalled")["reason"] == "InvalidRule"
    assert "is never due" in world.condition("Stalled")["message"]


def test_a_suspended_flow_skips_and_its_schedule_says_why() -> None:
    world = World(HOURLY)
    assert world.flow is not None
    world.flow["suspend"] = True
    world.run_until(START + HOUR)
    held = dict(world.condition("Ready"))

    world.flow["suspend"] = False
    world.run_until(START + 2 * HOUR)

    assert (held["status"], held["reason"]) == ("True", "Suspended")
    assert "Flow nightly is suspended" in held["message"]
    assert [moment.hour for moment in world.moments] == [2]
    assert world.skipped == {"FlowSuspended": 1}


def test_a_run_asked_for_at_a_moment_that_is_due_anyway_counts_once() -> None:
    world = World(HOURLY)
    world.settle()

    world.edit(triggerAt="2026-01-01T01:00:00Z")
    world.run_until(START + HOUR)

    assert (len(world.made), world.status["started"]) == (1, 1)


def test_a_rule_of_several_lines_is_shown_in_one() -> None:
    world = World({"rrule": "DTSTART:20260101T000000\nRRULE:FREQ=HOURLY"})

    world.settle()

    assert world.status["schedule"] == "DTSTART:20260101T000000; RRULE:FREQ=HOURLY"


def test_what_a_backfill_makes_is_not_late() -> None:
    backfill = {"name": "day", "start": "2025-12-31T00:00:00Z", "end": "2025-12-31T00:00:00Z"}
    world = World({**HOURLY, "backfills": [backfill]})

    plan = world.plan()

    (made,) = [each for each in plan.actions if isinstance(each, CreateRun)]
    assert made.due_at is None


@pytest.mark.parametrize("policy", ["Allow", "BufferAll"])
def test_a_backfill_leaves_out_what_has_a_run(policy: str) -> None:
    world = World(HOURLY)
    world.run_until(START + 2 * HOUR)
    world.end()

    world.edit(
        backfills=[
            {
                "name": "again",
                "start": "2025-12-31T23:00:00Z",
                "end": "2026-01-01T02:00:00Z",
                "overlapPolicy": policy,
            }
        ]
    )
    for _ in range(4):
        world.settle()
        world.end()

    (status,) = world.status["backfills"]
    assert sorted(world.made) == [
        "nightly-20251231230000",
        "nightly-20260101000000",
        "nightly-20260101010000",
        "nightly-20260101020000",
    ]
    assert (status["done"], status["total"], status["complete"]) == (4, 4, True)


def test_what_a_rule_named_is_counted_when_it_was_changed_before_anybody_looked() -> None:
    world = World(HOURLY)
    world.run_until(START + HOUR)

    world.now = START + timedelta(hours=4, minutes=45)
    world.edit(cron="30 * * * *")
    world.settle()

    assert [moment.hour for moment in world.moments] == [1]
    assert world.skipped == {"RuleChanged": 3}
    assert world.status["nextTicks"][0] == "2026-01-01T05:30:00Z"


def test_what_was_due_while_suspended_stays_so_when_the_rule_is_changed_too() -> None:
    world = World({**HOURLY, "suspend": True})
    world.settle()

    world.now = START + timedelta(hours=3, minutes=45)
    world.edit(cron="30 * * * *", suspend=False)
    world.settle()

    assert (world.made, world.skipped) == ([], {"Suspended": 3})


def test_a_rule_that_is_mended_fires_nothing_of_the_past() -> None:
    world = World({"cron": "61 * * * *"})
    world.run_until(START + HOUR)

    world.now = START + timedelta(hours=1, minutes=45)
    world.edit(cron="30 * * * *")
    world.run_until(START + timedelta(hours=2, minutes=45))

    assert [f"{moment:%H:%M}" for moment in world.moments] == ["02:30"]
    assert world.skipped == {}


def test_many_moments_of_a_changed_rule_are_counted_in_pieces() -> None:
    world = World({"interval": {"seconds": 60}, "catchUp": {"limit": 0}})
    world.settle()

    world.now = START + timedelta(days=2, seconds=30)
    world.edit(cron="30 * * * *", interval=None)
    world.settle()

    assert world.skipped == {"RuleChanged": 2 * 24 * 60}
    assert world.made == []


def test_a_schedule_that_is_over_says_so() -> None:
    world = World({**HOURLY, "endAt": "2026-01-01T01:30:00Z"})
    world.run_until(START + timedelta(minutes=1))
    before = world.condition("Ready")["message"]

    world.run_until(START + 3 * HOUR)

    assert before == "Runs are created when they are due."
    assert world.made == ["nightly-20260101010000"]
    assert world.condition("Ready")["message"].startswith("No run is due any more")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param("0001-01-01T00:00:00Z", "0001-01-02T00:00:00Z", id="beginning"),
        pytest.param("9999-12-30T00:00:00Z", "9999-12-31T23:59:59Z", id="end"),
    ],
)
@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_the_ends_of_the_calendar_disturb_nothing(start: str, end: str, zone: str) -> None:
    backfill = {"name": "far", "start": start, "end": end}
    bounds = {"startAt": "0001-01-01T00:00:00Z", "endAt": "9999-12-31T23:59:59Z"}
    world = World({**HOURLY, **bounds, "timeZone": zone, "backfills": [backfill]})

    world.run_until(START + HOUR)

    assert world.made == ["nightly-20260101010000"]
    assert world.condition("Ready")["status"] == "True"


def test_a_backfill_that_asks_for_too_much_is_told_and_stops_nothing_else() -> None:
    year = {"start": "2025-01-01T00:00:00Z", "end": "2025-12-31T00:00:00Z"}
    world = World({"interval": {"seconds": 60}, "backfills": [{"name": "all", **year}]})

    world.run_until(START + timedelta(minutes=2))
    stalled = dict(world.condition("Stalled"))
    world.edit(backfills=None)
    world.run_until(START + timedelta(minutes=3))

    assert (stalled["status"], stalled["reason"]) == ("True", "BackfillTooLarge")
    assert "The backfill all asks for more than 10000 runs" in stalled["message"]
    assert [moment.minute for moment in world.moments] == [1, 2, 3]
    assert world.condition("Stalled")["status"] == "False"
