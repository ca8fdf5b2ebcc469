"""`penstock limit`: the limits of `concurrency` and `rate_limit` on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from penstock.cli.errors import CommandError
from penstock.cli.output import Document, console, print_document

limits = typer.Typer(
    no_args_is_help=True, help="Limit what flows on this machine do at once, or how often."
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="As in concurrency('NAME').")]


@limits.command(name="set")
def set_limit(
    name: Name,
    slots: Annotated[int, typer.Argument(metavar="NUMBER", min=0, help="How many slots it has.")],
    decay: Annotated[
        float | None,
        typer.Option(
            metavar="SLOTS", min=0.0, help="Slots that come back each second, for rate_limit."
        ),
    ] = None,
) -> None:
    """Set a limit, in the place of one of the same name."""
    from penstock.concurrency.limits import Limit
    from penstock.concurrency.limits import set_limit as keep

    with _sentences():
        keep(Limit(name=name, slots=slots, decay=decay or 0.0))


@limits.command(name="list")
def list_limits(
    output: Annotated[
        Document | None, typer.Option("-o", "--output", help="Format, if not a table.")
    ] = None,
) -> None:
    """List the limits, what is taken of them, and how many wait."""
    from penstock.concurrency.limits import limits_file, read_limits
    from penstock.concurrency.slots import SlotStore

    with _sentences():
        known = read_limits()
    store = SlotStore(limits_file().with_name("slots.db"))
    taken, waiting = store.taken(known), store.waiting(known)
    rows = [
        {
            "name": limit.name,
            "limit": limit.slots,
            "taken": round(taken[limit.name], 3),
            "waiting": waiting[limit.name],
            "decay": limit.decay,
        }
        for limit in known.values()
    ]
    if output is not None:
        print_document(rows, form=output)
        return
    from rich.table import Table

    table = Table("NAME", "LIMIT", "TAKEN", "WAITING", "DECAY", box=None, pad_edge=False)
    for row in rows:
        decay = f"{row['decay']:g}/s" if row["decay"] else "-"
        table.add_row(
            str(row["name"]), str(row["limit"]), f"{row['taken']:g}", str(row["waiting"]), decay
        )
    console().print(table)


@limits.command()
def delete(name: Name) -> None:
    """Delete a limit; nothing waits for its name any more."""
    from penstock.concurrency.limits import delete_limit

    with _sentences():
        known = delete_limit(name)
    if not known:
        raise CommandError(f"There is no limit {name}; see: penstock limit list")


@contextmanager
def _sentences() -> Iterator[None]:
    """End the command with a sentence where a limit, or the file, makes no sense."""
    from penstock.errors import PenstockError

    try:
        yield
    except (PenstockError, ValueError) as error:
        raise CommandError(str(error)) from error
