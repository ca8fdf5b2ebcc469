"""What a run looks like on a terminal: a pure function of the FlowRun and the time.

A local run has no FlowRun; it shows one of its own making, of the same shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from penstock.cli.moments import human_duration, parse_time
from penstock.cli.outcome import is_final, state_of

Run = Mapping[str, Any]

STYLES = {
    "Scheduled": "blue",
    "Pending": "yellow",
    "Running": "cyan",
    "Suspended": "blue",
    "Cancelling": "magenta",
    "Completed": "green",
    "Failed": "red",
    "Crashed": "red",
    "Cancelled": "magenta",
}
SIGNS = {"Completed": "✔", "Failed": "✘", "Crashed": "✘", "Cancelled": "■", "Suspended": "‖"}
GOES_ON = {"Sleep", "RetryDelay", "Recovery"}
"""Waits that end well by themselves."""
BAR_WIDTH = 32
SHOWN_FAILURES = 3
AT_WORK = frozenset({"Running", "Retrying"})
"""States of tasks whose message is no trouble: the last heartbeat."""
NAME_WIDTH = 40


class RunView:
    """Draws a run again and again; it keeps nothing but the spinner's position."""

    def __init__(self) -> None:
        self._spinner = Spinner("dots")

    def render(
        self, run: Run, *, now: datetime, trouble: str = "", rows: int | None = None
    ) -> RenderableType:
        """Return the run as it stands: a line about it, its tasks, and what is wrong.

        While it goes on, no more tasks are shown than there are ``rows``; at its end all are.
        """
        parts: list[RenderableType] = [self._headline(run, now=now)]
        if tasks := current_execution(run).get("tasks"):
            shown = tasks if rows is None or is_final(run) else _most_lively(tasks, rows=rows)
            parts.append(Padding(_tasks(shown), (0, 0, 0, 2), expand=False))
            if hidden := len(tasks) - len(shown):
                parts.append(Text(f"  … and {hidden} more", "dim"))
        parts += [
            Padding(part, (0, 0, 0, 2), expand=False)
            for part in _remarks(run, now=now, trouble=trouble)
        ]
        return Group(*parts)

    def _headline(self, run: Run, *, now: datetime) -> RenderableType:
        style = STYLES.get(state_of(run), "")
        line = Table.grid(padding=(0, 1))
        sign = Text(sign, style) if (sign := SIGNS.get(state_of(run))) else self._spinner
        self._spinner.style = style
        line.add_row(sign, _summary(run, now=now))
        return line


def _summary(run: Run, *, now: datetime) -> Text:
    state = state_of(run)
    line = Text(run["metadata"]["name"], "bold", no_wrap=True)
    line.append(f"  {run['spec']['flowRef']['name']}", "not bold")
    line.append(f"  {state}", f"not bold {STYLES.get(state, '')}")
    if progress := current_execution(run).get("progress"):
        line.append(f"  {progress}", "not bold")
    if attempt := run.get("status", {}).get("attempt", 1):
        line.append(f"  attempt {attempt}" if attempt > 1 else "", "not bold yellow")
    line.append(f"  {duration_of(run, now=now)}", "not bold dim")
    if origin := origin_of(run):
        line.append(f"  {origin}", "not bold dim")
    return line


def origin_of(run: Run) -> str:
    """Say which run has started this one, or goes on as it; nothing if neither."""
    spec = run["spec"]
    words = [f"child of {spec['parentRef']['name']}"] if spec.get("parentRef") else []
    words += [f"after {spec['continuedFrom']['name']}"] if spec.get("continuedFrom") else []
    return ", ".join(words)


def _most_lively(tasks: list[dict[str, Any]], *, rows: int) -> list[dict[str, Any]]:
    """Return as many tasks as there is room for, in their order: those that run, the latest."""
    if len(tasks) <= rows:
        return tasks
    by_life = sorted(range(len(tasks)), key=lambda at: (tasks[at]["running"] > 0, at))
    return [tasks[at] for at in sorted(by_life[1 - max(rows, 2) :])]


def _tasks(tasks: list[dict[str, Any]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(max_width=NAME_WIDTH, no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=False)  # the bar alone gives way on a narrow terminal
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True)
    for task in tasks:
        table.add_row(task["name"], Bar(task), f"{_done(task)}/{task['total']}", _asides(task))
    return table


@dataclass(frozen=True, slots=True)
class Bar:
    """How far a task's runs are, each part in its colour; as wide as there is room."""

    task: Mapping[str, Any]

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, min(BAR_WIDTH, options.max_width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, total = min(BAR_WIDTH, options.max_width), self.task["total"]
        bar, drawn, counted = Text(no_wrap=True), 0, 0
        for count, style in (
            (self.task["completed"], "green"),
            (self.task["failed"], "red"),
            (self.task.get("cancelled", 0), "yellow"),
            (self.task["running"], "cyan"),
            (total, "bright_black"),
        ):
            counted = min(counted + count, total)
            end = round(width * counted / total) if total else 0
            bar.append("━" * (end - drawn), style)
            drawn = end
        yield bar


def _asides(task: Mapping[str, Any]) -> Text:
    aside = Text()
    if task["running"]:
        aside.append(f"{task['running']} running ", "cyan")
    if task["failed"]:
        aside.append(f"{task['failed']} failed ", "red")
    if task.get("cancelled"):
        aside.append(f"{task['cancelled']} cancelled", "yellow")
    return aside


def _remarks(run: Run, *, now: datetime, trouble: str) -> list[Text]:
    status = run.get("status", {})
    remarks = []
    if trouble:
        remarks.append(Text(trouble, "yellow"))
    if waiting := waiting_words(run, now=now) or _awaited_words(run):
        remarks.append(Text(waiting, "yellow"))
    remarks += _told_by_tasks(current_execution(run)) if state_of(run) != "Completed" else []
    if is_final(run) and state_of(run) != "Completed":
        remarks.append(Text(status.get("message", ""), STYLES[state_of(run)]))
        if traceback := traceback_of(run):
            remarks.append(Text(traceback, "dim"))
    return remarks


def _told_by_tasks(execution: Mapping[str, Any]) -> list[Text]:
    told = [move for move in execution.get("recent", ()) if move.get("message")]
    failed = [move for move in told if move["state"] not in AT_WORK][-SHOWN_FAILURES:]
    busy = [move for move in told if move["state"] in AT_WORK][-SHOWN_FAILURES:]
    return [
        Text(line, style, no_wrap=True, overflow="ellipsis")
        for line, style in (
            *((f"{move['name']}: {move['message']}", "dim") for move in busy),
            *((f"{move['name']} {move['state']}: {move['message']}", "red") for move in failed),
        )
    ]


def plain_line(run: Run) -> str:
    """Return a run as one line for logs and pipes; two equal lines mean that nothing happened."""
    execution = current_execution(run)
    words = [run["metadata"]["name"], state_of(run), execution.get("progress", "")]
    if run.get("status", {}).get("attempt", 1) > 1:
        words.append(f"attempt {run['status']['attempt']}")
    words.append(", ".join(f"{task['name']} {_count(task)}" for task in execution.get("tasks", ())))
    if needs_words(run):
        words.append(run.get("status", {}).get("message", ""))
    else:
        words.append(_awaited_words(run))
    return "  ".join(word for word in words if word)


def _count(task: Mapping[str, Any]) -> str:
    asides = [f"{task[word]} {word}" for word in ("failed", "cancelled") if task.get(word)]
    return f"{_done(task)}/{task['total']}" + (f" ({', '.join(asides)})" if asides else "")


def _done(task: Mapping[str, Any]) -> int:
    """Return how many runs of a task will not move again."""
    return int(task["completed"] + task["failed"] + task.get("cancelled", 0))


def needs_words(run: Run) -> bool:
    """Tell whether the state alone does not say enough: the run waits, or ended badly."""
    return is_final(run) or bool(run.get("status", {}).get("waitingFor"))


def waiting_words(run: Run, *, now: datetime) -> str:
    """Say why a run does not go on, and when that ends; nothing if it goes on."""
    status = run.get("status", {})
    if is_final(run):
        return ""
    if not status.get("state"):
        seconds = (now - parse_time(run["metadata"]["creationTimestamp"])).total_seconds()
        return (
            "No operator has taken the run up yet; is one running? "
            "kubectl get pods -A -l app.kubernetes.io/name=penstock"
            if seconds > 5
            else ""
        )
    waiting = status.get("waitingFor")
    if not waiting:
        return ""
    words = str(status.get("message") or f"It waits for {waiting['kind']}.")
    if until := waiting.get("until"):
        left = max(0.0, (parse_time(until) - now).total_seconds())
        what = "goes on" if waiting["kind"] in GOES_ON else "gives up"
        words += f" It {what} in {human_duration(left)}."
    return words


def _awaited_words(run: Run) -> str:
    """Say which signals a run waits for that has its pod."""
    awaited = awaited_signals(run)
    return f"waits for the signal {' and '.join(awaited)}" if awaited else ""


def awaited_signals(run: Run) -> list[str]:
    """Return the names of the signals that a run waits for, with a pod or without."""
    if is_final(run):
        return []
    report = current_execution(run)
    if names := report.get("suspension", {}).get("signals") or report.get("awaitedSignals"):
        return list(names)
    waiting = run.get("status", {}).get("waitingFor") or {}
    return [waiting["name"]] if waiting.get("kind") == "Signal" else []


def current_execution(run: Run) -> dict[str, Any]:
    """Return what the runner of the present attempt reported; an older attempt's is void."""
    status = run.get("status", {})
    execution: dict[str, Any] = status.get("execution", {})
    return execution if execution.get("attempt") == status.get("attempt") else {}


def traceback_of(run: Run) -> str:
    """Return what explains a bad end; where a cancellation met the flow explains nothing."""
    if state_of(run) not in ("Failed", "Crashed"):
        return ""
    return str(current_execution(run).get("error", {}).get("traceback", "")).rstrip()


def duration_of(run: Run, *, now: datetime) -> str:
    """Return how long a run has been at it, from its start, or from its creation before that."""
    status = run.get("status", {})
    started = status.get("startedAt") or run["metadata"]["creationTimestamp"]
    finished = status.get("finishedAt")
    end = parse_time(finished) if finished else now
    return human_duration((end - parse_time(started)).total_seconds())
