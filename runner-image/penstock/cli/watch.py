"""Show a run until it ends: drawn anew on a terminal, line by line elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock.cli.cluster import Cluster, Object
from penstock.cli.following import follow_run
from penstock.cli.outcome import INTERRUPTED, exit_code
from penstock.cli.output import console, print_object, say

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

REFRESHES = 8
"""Drawings a second."""
AROUND = 7
"""Rows of a terminal that are not for tasks: the headline, remarks, a line of the log."""


def watch_run(cluster: Cluster, name: str, *, form: str | None, stderr: bool = False) -> int:
    """Show the run to its end, print it in a format if asked for, and return the exit code."""
    screen = console(stderr=stderr or form is not None)
    try:
        run = _show(cluster, name, screen=screen)
    except KeyboardInterrupt:
        place = f" -n {cluster.namespace}"
        say(
            f"\nThe run goes on. Come back with: penstock watch {name}{place}\n"
            f"Stop it with: penstock cancel {name}{place}"
        )
        return INTERRUPTED
    if form is not None:
        print_object(run, form=form)
    return exit_code(run)


def show_created(created: Object, cluster: Cluster, *, form: str | None, watch: bool) -> int:
    """Print a run that was created: its name, or all of it; return the command's exit code.

    With ``watch`` the run is shown to its end, and the code is its own.
    """
    name = created["metadata"]["name"]
    if form is None:
        print(name, flush=True)
    elif not watch:
        print_object(created, form=form)
    if not watch:
        return 0
    if form is not None:
        say(f"run {name}")
    return watch_run(cluster, name, form=form, stderr=True)


def _show(cluster: Cluster, name: str, *, screen: Console) -> Object:
    if screen.is_terminal and not screen.is_dumb_terminal:
        return _draw(cluster, name, screen=screen)
    return _write_lines(cluster, name, screen=screen)


def _draw(cluster: Cluster, name: str, *, screen: Console) -> Object:
    runs = follow_run(cluster, name, trouble=lambda words: frame.tell(words))  # noqa: PLW0108 - no frame yet
    run = next(runs)
    frame = Frame(lambda: run)
    with frame.shown_on(screen):
        for run in runs:  # noqa: B007 - the drawing thread reads it
            pass
    return run


class Frame:
    """What a thread of its own draws: whatever the source says the run is by then."""

    def __init__(self, source: Callable[[], Object]) -> None:
        from penstock.cli.view import RunView

        self._source = source
        self._trouble = ""
        self._screen: Console | None = None
        self._view = RunView()

    def tell(self, trouble: str) -> None:
        """Show a connection's trouble; an empty text ends it."""
        self._trouble = trouble

    @contextmanager
    def shown_on(self, screen: Console, *, redirect_stdout: bool = False) -> Iterator[None]:
        """Draw the run until the block ends; the last drawing stays on the screen."""
        from rich.live import Live

        self._screen = screen
        with Live(
            get_renderable=self._render,
            console=screen,
            refresh_per_second=REFRESHES,
            redirect_stdout=redirect_stdout,
        ):
            yield

    def _render(self) -> RenderableType:
        from rich.constrain import Constrain

        assert self._screen is not None
        drawing = self._view.render(
            self._source(),
            now=datetime.now(UTC),
            trouble=self._trouble,
            rows=self._screen.height - AROUND,
        )
        # The last column stays free: Ctrl-C is echoed there, and must not wrap.
        return Constrain(drawing, self._screen.width - 1)


def _write_lines(cluster: Cluster, name: str, *, screen: Console) -> Object:
    from penstock.cli.view import plain_line, traceback_of

    run: Object = {}
    written = ""
    for run in follow_run(cluster, name, trouble=lambda words: say(words) if words else None):
        if (line := plain_line(run)) != written:
            screen.print(line, markup=False)
            written = line
    if traceback := traceback_of(run):
        screen.print(traceback, markup=False)
    return run
