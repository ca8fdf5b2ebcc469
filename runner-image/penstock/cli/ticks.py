"""`penstock next`: what a rule means, and when it is due, without a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from penstock.cli.errors import CommandError
from penstock.cli.moments import TYPED, human_duration, wire_time
from penstock.cli.output import Document, console, print_document
from penstock.errors import PenstockError
from penstock.schedules import Cron, Gap, Overlap, RRule, ticks_after

_WHOLES = ((60, "minute"), (60, "hour"), (24, "day"), (0, "month"), (12, "year"), (7, "week"))
"""How many seconds, minutes, hours, days, months and weekdays make one of what; months differ."""


def next_runs(
    rule: Annotated[
        str,
        typer.Argument(
            metavar="RULE", help="A cron line ('0 9 * * 1-5'), or a rule ('FREQ=DAILY;BYHOUR=9')."
        ),
    ],
    zone: Annotated[
        str, typer.Option("--tz", "--timezone", metavar="ZONE", help="Whose clock is meant.")
    ] = "UTC",
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="How many.")] = 5,
    after: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            metavar="MOMENT",
            formats=TYPED,
            help="Begin there, on the clock of that zone, instead of now.",
        ),
    ] = None,
    gap: Annotated[
        Gap | None,
        typer.Option(
            case_sensitive=False,
            help="For a time that the clock leaves out: RunOnceAfter, but Skip for a rule that"
            " names no hours.",
        ),
    ] = None,
    overlap: Annotated[
        Overlap | None,
        typer.Option(
            case_sensitive=False,
            help="For a time that it shows twice: First, but Both for a rule that names no hours.",
        ),
    ] = None,
    output: Annotated[
        Document | None, typer.Option("-o", "--output", help="Format, if not a table.")
    ] = None,
) -> None:
    """Explain a rule of a schedule, and say when it is due next."""
    now = datetime.now(UTC)
    try:
        kind = RRule if "FREQ=" in rule.upper() else Cron
        schedule = kind(rule, timezone=zone, gap=gap, overlap=overlap)
        start = now if after is None else after.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        ticks = list(islice(ticks_after(start, schedule), number))
    except PenstockError as error:
        raise CommandError(str(error)) from error
    meaning = _meaning(rule) if kind is Cron else None
    if output is not None:
        moments = [*map(wire_time, ticks)]
        print_document({"meaning": meaning, "timeZone": zone, "ticks": moments}, form=output)
        return
    title = f"{meaning} ({zone})" if meaning else None
    print_ticks(ticks, zone=ZoneInfo(zone), title=title, now=now)


def _meaning(line: str) -> str | None:
    from cron_descriptor import Options, get_description

    if line.strip().startswith("@"):
        return None  # says it in a word
    options = Options()
    options.use_24hour_time_format = True
    meaning: str = get_description(line, options)
    return ", ".join([meaning, *_anew(line.split())])


def _anew(fields: list[str]) -> Iterator[str]:
    """Say where each so many begin again before they are full: 40 minutes, then 20."""
    for field, (size, whole) in zip(fields, _WHOLES[-len(fields) :], strict=True):
        step = field.removeprefix("*/")
        if step != field and step.isdecimal() and int(step) > 1 and (not size or size % int(step)):
            yield f"counted anew each {whole}"


def print_ticks(
    ticks: Iterable[datetime], *, zone: ZoneInfo, title: str | None, now: datetime
) -> None:
    """Print moments on the clock of a zone, and in UTC."""
    from rich.table import Table

    out = console()
    if title:
        out.print(f"{title}\n", markup=False)
    rows = [_row(tick, zone=zone, now=now) for tick in ticks]
    table = Table("DAY", "TIME", "OFFSET", "UTC", "IN", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    out.print(table if rows else "It is never due after that.")


def _row(tick: datetime, *, zone: ZoneInfo, now: datetime) -> tuple[str, ...]:
    shown = tick.astimezone(zone)
    return (
        f"{shown:%a %Y-%m-%d}",
        f"{shown:%H:%M:%S}",
        _offset(shown),
        wire_time(tick),
        human_duration((tick - now).total_seconds()) if tick > now else "-",
    )


def _offset(shown: datetime) -> str:
    return f"{shown:%z}"[:3] + ":" + f"{shown:%z}"[3:5]
