"""Results over the limits of a journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from penstock import Flow, flow, task
from penstock.engine.outcome import Outcome
from penstock.execution import RunContext, execute
from penstock.journal.chain import MemoryChain
from penstock.journal.limits import Limits
from penstock.journal.run_journal import open_journal
from penstock.journal.writing import Holder


@dataclass
class Files:
    """A file system of the test's."""

    files: dict[str, bytes] = field(default_factory=dict)
    fails: bool = False

    def read_path(self, path: str) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    def write_path(self, path: str, content: bytes) -> None:
        if self.fails:
            raise OSError("no route")
        self.files[path] = content

    @property
    def of_journals(self) -> dict[str, bytes]:
        return {path: file for path, file in self.files.items() if path.startswith("journals/")}


@dataclass
class Run:
    """Attempts of a flow that fails at the end of its first."""

    calls: list[int] = field(default_factory=list)
    chain: MemoryChain = field(default_factory=MemoryChain)
    limits: Limits = field(default_factory=lambda: Limits(result=1000))
    attempts: int = 0

    def flow(self, files: Files | None, *, size: int = 10_000) -> Flow[..., Any]:
        @task
        def rows(n: int) -> list[tuple[int, str]]:
            self.calls.append(n)
            return [(n, "x" * size)]

        @flow(name="daily", result_storage=files)
        def daily() -> list[int]:
            found = [rows(n) for n in range(2)]
            if self.attempts == 1:
                raise ValueError("not yet")
            return [len(text) for [(_, text)] in found]

        return daily

    def attempt(self, daily: Flow[..., Any]) -> Outcome:
        self.attempts += 1
        context = RunContext("daily-1")
        holder = Holder(attempt=self.attempts, process="p")
        context.journal = open_journal(self.chain, holder=holder, anew=True, limits=self.limits)
        return execute(daily, parameters={}, context=context)


def stored(chain: MemoryChain) -> int:
    return sum(map(len, chain.read()))


def test_a_large_result_goes_to_the_flows_storage() -> None:
    run, files = Run(), Files()

    run.attempt(run.flow(files))
    outcome = run.attempt(run.flow(files))

    assert outcome.result == [10_000, 10_000], outcome.message
    assert run.calls == [0, 1]
    assert len(files.of_journals) == 2
    assert stored(run.chain) < 3000


def test_what_is_too_much_in_all_goes_there_as_well() -> None:
    run, files = Run(limits=Limits(run=5000)), Files()

    run.attempt(run.flow(files, size=2000))
    outcome = run.attempt(run.flow(files, size=2000))

    assert (outcome.result, run.calls) == ([2000, 2000], [0, 1])
    assert len(files.of_journals) == 1


def test_without_a_storage_it_runs_again_and_that_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = Run()

    run.attempt(run.flow(None))
    outcome = run.attempt(run.flow(None))

    assert (outcome.result, run.calls) == ([10_000, 10_000], [0, 1, 0, 1])
    assert "the journal takes 1,000 of one result. Return less, or give the flow a" in caplog.text


def test_a_storage_that_fails_is_said(caplog: pytest.LogCaptureFixture) -> None:
    run, files = Run(), Files(fails=True)

    run.attempt(run.flow(files))
    outcome = run.attempt(run.flow(files))

    assert (outcome.result, run.calls) == ([10_000, 10_000], [0, 1, 0, 1])
    assert "cannot be written to the flow's result_storage (OSError: no route)" in caplog.text


@pytest.mark.parametrize(
    ("lose", "because"),
    [
        (lambda files: files.files.clear(), "FileNotFoundError"),
        (lambda files: files.files.update(dict.fromkeys(files.files, b"{}")), "has changed"),
    ],
    ids=["gone", "changed"],
)
def test_a_file_that_is_lost_is_no_silent_rerun(lose: Any, because: str) -> None:
    run, files = Run(), Files()
    run.attempt(run.flow(files))
    lose(files)

    outcome = run.attempt(run.flow(files))

    assert run.calls == [0, 1]
    assert "The result of rows" in outcome.message
    assert because in outcome.message


def test_a_flow_that_lost_its_storage_says_so() -> None:
    run = Run()
    run.attempt(run.flow(Files()))

    outcome = run.attempt(run.flow(None))

    assert "has no result_storage any more" in outcome.message
