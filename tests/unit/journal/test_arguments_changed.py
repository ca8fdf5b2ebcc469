"""What a task does to its arguments and to files: neither is there on a later launch (rule 18)."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.unit.journal.runs import PowerCut, Runs

from penstock import File, flow, opaque, task
from penstock.engine.outcome import Outcome
from penstock.errors import MutatedArgument, UnstorableValue
from penstock.execution import RunContext, execute
from penstock.journal.run_journal import open_journal


@task
def add(rows: list[int], row: int) -> int:
    rows.append(row)
    return len(rows)


@dataclass
class Table:
    rows: list[int] = field(default_factory=list)


@task
def fill(table: Table) -> None:
    table.rows.append(1)


@task
def length(rows: object) -> int:
    return len(rows)  # type: ignore[arg-type]


def run(body: Callable[[], Any], **options: Any) -> Outcome:
    return Runs(flow(**options)(body)).attempt()


def test_an_argument_that_a_task_changes_is_named() -> None:
    with pytest.warns(MutatedArgument, match="argument rows of add-0 was changed"):
        run(lambda: add([], 1))


def test_a_change_inside_a_dataclass_is_seen() -> None:
    with pytest.warns(MutatedArgument, match="argument table"):
        run(lambda: fill(table=Table()))


def test_a_result_of_another_task_that_is_changed_is_seen() -> None:
    @task
    def made() -> list[int]:
        return [1]

    with pytest.warns(MutatedArgument, match="argument rows"):
        run(lambda: add.submit(made.submit(), 1).result())


def test_a_strict_flow_fails() -> None:
    assert isinstance(run(lambda: add([], 1), strict=True).state.data, MutatedArgument)


@pytest.mark.parametrize(
    "value",
    [[1, 2], "text", Table([1]).rows, opaque([1]), [opaque([1])], list(range(20_000))],
    ids=["list", "text", "rows", "opaque", "opaque inside", "large"],
)
def test_what_stays_as_it_was_is_nothing_to_tell(value: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(lambda: length(value)).state.is_completed()


def test_a_large_argument_is_not_looked_at() -> None:
    rows = [1] * 10_000

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(lambda: add(rows, 2)).result == 10_001


def test_a_plain_call_may_change_what_it_likes() -> None:
    rows: list[int] = []
    flow(lambda: add(rows, 1))()

    assert rows == [1]


def test_a_strict_flow_fails_at_once_where_a_result_cannot_be_stored() -> None:
    @task
    def connect() -> object:
        return (each for each in ())

    assert isinstance(run(lambda: connect(), strict=True).state.data, UnstorableValue)
    assert run(lambda: connect() and None).state.is_completed()


class Files:
    """A flow of two launches, between which the disk is lost."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.launches = 0
        self.written = 0

    def body(self) -> str:
        self.launches += 1
        file = self.report("monday")
        if self.launches == 1:
            raise PowerCut
        return f"{file.name}: {self.read(file)}"

    @task
    def report(self, day: str) -> File:
        self.written += 1
        path = self.folder / f"{day}.csv"
        path.write_text("a,b\n")
        return File(path)

    @task
    def read(self, file: File) -> str:
        with Path(file).open() as lines:
            return lines.read()


def test_a_file_is_there_again_on_a_machine_that_never_had_it(tmp_path: Path) -> None:
    files = Files(tmp_path)
    runs = Runs(flow(lambda: files.body()))
    runs.attempt()
    (tmp_path / "monday.csv").unlink()

    assert runs.attempt().result == "monday.csv: a,b\n"
    assert files.written == 1
    assert not (tmp_path / "monday.csv").exists()


def test_a_file_that_is_still_there_is_not_written_again(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a")
    made = task(lambda path: File(path))

    assert run(lambda: made(str(tmp_path / "a.csv")).path).result == tmp_path / "a.csv"


def test_a_file_counts_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a")
    same, other = File(path), File(path)
    before = same.__penstock_key__()
    path.write_text("b")

    assert other.__penstock_key__() != before
    assert other.read_text() == "b"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file"):
        File(tmp_path / "nothing")


def test_a_path_that_goes_with_the_pod_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @task
    def report() -> Path:
        return tmp_path

    runs = Runs(flow(lambda: str(report())))
    context = RunContext("daily-1")
    context.journal = open_journal(runs.chain, holder=runs.next_holder())
    context.outlives_pod = lambda path: path != str(tmp_path)
    execute(runs.flow, parameters={}, context=context)

    assert f"report-0 returned the path {tmp_path}, which goes with this pod" in caplog.text
