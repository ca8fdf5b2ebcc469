"""Run a flow of a file in this process: which run it is, and what follows it.

What is the flow's own goes to stdout; what is ours (the run's id, logs, the view) to stderr.
"""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.cli.errors import CommandError
from penstock.cli.local_journals import (
    keep_journal_beside,
    keep_journal_in,
    refuse_unusable_seal,
    refuse_unusable_store,
)
from penstock.cli.local_run import LocalRun, state_word
from penstock.cli.local_runs import LocalRuns, RunRow
from penstock.cli.local_signals import hand_on_signals
from penstock.cli.orders import Order
from penstock.cli.outcome import USAGE
from penstock.cli.output import print_document, say
from penstock.cli.render import object_name
from penstock.cli.rewinding import leave_behind
from penstock.errors import ParameterError
from penstock.home import home
from penstock.runner.exits import OF_STATE

if TYPE_CHECKING:
    from penstock.engine.outcome import Outcome
    from penstock.flows import Flow

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""What Kubernetes makes the ends of its names of: nothing that reads like another letter."""


def run_here(order: Order) -> int:
    """Run the flow to its end, or until it is suspended, and return the exit code."""
    runs = LocalRuns(home())
    following: Order | None = order
    while following is not None:
        order = following
        row = _row_of(order, runs=runs)
        say(f"run {row.id}")
        with runs.held(row, force=order.force), _in_folder(row.folder if order.resume else None):
            run = LocalRun(load(row.entrypoint), row=row, runs=runs)
            outcome = run.execute(order)
            following = _following(order, outcome, row=row, runs=runs)
    sys.stdout.flush()
    if order.form is not None and outcome.state.is_completed():
        print_document(_plain(outcome.result), form=order.form)
    return USAGE if outcome.reason == "InvalidParameters" else OF_STATE[state_word(outcome)]


def _plain_id(typed: str) -> str:
    """Return the id of a new run, which names its folders too, in stores of journals as well."""
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,99}", typed):
        raise CommandError(
            f"{typed!r} cannot name a run: --run-id takes at most 100 letters, digits, '-', '_' "
            "and '.', and begins with a letter or a digit."
        )
    return typed


def _following(order: Order, outcome: Outcome, *, row: RunRow, runs: LocalRuns) -> Order | None:
    """Return what is to be run next, if the flow goes on as a new run."""
    if outcome.continuation is None:
        return None
    name = runs.following(row)
    if not runs.has(name):
        runs.add(name, journal=name, flow=row.flow, entrypoint=row.entrypoint, folder=row.folder)
    keep_journal_beside(row, run_id=name, runs=runs)
    hand_on_signals(row, to=name, runs=runs)
    runs.continue_as(row, name=name, parameters=outcome.parameters)
    return replace(order, entrypoint=None, resume=name, run_id=None, parameters={}, start=None)


def _row_of(order: Order, *, runs: LocalRuns) -> RunRow:
    """Return the run to go on with, or a new one."""
    if order.resume is None:
        assert order.entrypoint is not None
        run_id = _plain_id(order.run_id) if order.run_id else _new_id(order.entrypoint)
        _check(load(order.entrypoint), order.parameters)
        refuse_unusable_seal()
        if order.journal is not None:
            refuse_unusable_store(order.journal, run_id=run_id)
        row = runs.add(
            run_id,
            journal=run_id,
            flow=order.entrypoint.rpartition(":")[2],
            entrypoint=order.entrypoint,
            folder=str(Path.cwd()),
        )
        if order.journal is not None:
            keep_journal_in(order.journal, run_id=run_id, runs=runs)
        return row
    named = runs.find(order.resume)
    last = runs.find(runs.last_of_chain(named.id)) if order.start is None else named
    row = runs.latest_of(last.journal)
    entrypoint = order.entrypoint or row.entrypoint
    if order.start is not None:
        leave_behind(row, order.start, runs=runs)
    elif row.state not in ("Failed", "Crashed", "Cancelled"):
        return replace(row, entrypoint=entrypoint)
    # A state that is final stays: what goes on from it is another run on the same journal.
    links = sum(other.journal == row.journal for other in runs.all())
    return runs.add(
        f"{row.journal}.{links + 1}",
        journal=row.journal,
        flow=row.flow,
        entrypoint=entrypoint,
        folder=row.folder,
    )


def _check(flow: Flow[..., Any], parameters: Mapping[str, Any]) -> None:
    """Refuse what cannot even begin, so that it leaves no run behind."""
    try:
        flow.validate_parameters(parameters)
    except ParameterError as error:
        raise CommandError(
            f"{error}\nParameters are given by -p NAME=VALUE; text that reads like a number, a "
            """list or true, in double quotes: -p 'NAME="1.2"'."""
        ) from None


@contextmanager
def _in_folder(folder: str | None) -> Iterator[None]:
    """Work where the run was started: its entrypoint and its paths may be relative."""
    if folder is None:
        yield
        return
    try:
        with chdir(folder):
            yield
    except FileNotFoundError:
        raise CommandError(f"The run was started in {folder}, which is gone.") from None


def load(entrypoint: str) -> Flow[..., Any]:
    """Import the flow, or say in a sentence why that does not work."""
    from penstock.errors import FlowLoadError
    from penstock.loading import load_flow

    try:
        return load_flow(entrypoint)
    except FlowLoadError as error:
        raise CommandError(str(error)) from error


def _new_id(entrypoint: str) -> str:
    suffix = "".join(secrets.choice(ALPHABET) for _ in range(5))
    return f"{object_name(entrypoint.rpartition(':')[2])[:46]}-{suffix}"


def _plain(result: object) -> Any:
    """Return the result in JSON's types; what has none of them is shown as Python shows it."""
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(result, fallback=repr)
