"""The tables for those who come from Prefect say what is true: each row that works is run."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import time
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import penstock
from penstock import (
    absent,
    allow_failure,
    exponential_backoff,
    flow,
    get_run_logger,
    opaque,
    quote,
    task,
    unmapped,
)
from penstock.absent import MEMBERS, MODULES, NAMES
from penstock.exceptions import FlowPauseTimeout
from penstock.flows import FlowOptions
from penstock.futures import PenstockFuture, PenstockFutureList, as_completed, wait
from penstock.schedules import Cron, Interval, RRule
from penstock.serving import DeploymentOptions
from penstock.states import Completed, Failed
from penstock.task_runners import ThreadPoolTaskRunner
from penstock.tasks import TaskOptions
from penstock.testing import answered

from . import prefect_rows
from .shown import PROGRAMS, shows
from .test_absent import OF_PREFECT

PAGE = (Path(__file__).parents[3] / "docs/from-prefect.md").read_text()
WORDS = frozenset(re.findall(r"\w+", PAGE))
LINES = [re.split(r" ?\| ?", line.strip("|")) for line in PAGE.splitlines() if line[:3] == "| `"]
ROWS = [[cell.strip() for cell in cells] for cells in LINES if len(cells) == 4]
WORKING = [row for row in ROWS if row[2] == "works"]

OPTIONS = re.findall(
    r"\w+",
    """
    name version flow_run_name retries retry_delay_seconds task_runner description timeout_seconds
    validate_parameters persist_result result_storage result_serializer cache_result_in_memory
    log_prints on_completion on_failure on_cancellation on_crashed on_running
    cache_policy cache_key_fn cache_expiration task_run_name retry_jitter_factor
    result_storage_key refresh_cache on_rollback on_commit retry_condition_fn viz_return_value
    asset_deps
    """,
)
"""What ``Flow.__init__`` and ``Task.__init__`` have in Prefect 3."""

assert prefect_rows.SHOWN, "its programs are noted when it is imported"


@task
def double(x: int) -> int:
    return x * 2


@task
def fail() -> int:
    raise KeyError("no")


@pytest.mark.parametrize("row", WORKING, ids=lambda row: row[0])
def test_a_row_that_works_works(row: list[str]) -> None:
    programs = [run for start, run in PROGRAMS if row[0].startswith(f"`{start}")]
    for name in re.findall(r"`(.*?)`", row[1]):
        assert is_there(name), name

    assert programs, f"add a program that shows {row[0]}"
    for run in programs:
        run()


def is_there(name: str) -> bool:
    """Tell whether a name such as ``penstock.Flow.serve(cron)`` or ``@flow(retries)`` exists."""
    path, _, listed = name.rstrip(")").partition("(")
    wanted = set(listed.split(", ")) if listed else set()
    if path.startswith("@"):
        known: set[str] = set({"@flow": FlowOptions, "@task": TaskOptions}[path].__annotations__)
        return wanted <= known
    found = found_by_path(path.removeprefix("penstock."))
    if not wanted:
        return found is not None
    known = set(inspect.signature(found).parameters)
    return wanted <= (
        known | set(DeploymentOptions.__annotations__) if "options" in known else known
    )


def found_by_path(path: str) -> Any:
    """Return what a path leads to: through modules as far as there are any."""
    found: Any = penstock
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            found = import_module(f"{found.__name__}.{part}")
    return found


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_of_prefects_is_on_the_page(name: str) -> None:
    assert re.search(rf"[`(., {{]{name}[`(), }}]", PAGE)


@pytest.mark.parametrize("module", OF_PREFECT)
def test_every_public_name_of_prefects_is_on_the_page(module: str) -> None:
    assert [name for name in OF_PREFECT[module] if name not in WORDS] == []


def test_what_only_prefect_has_is_on_the_page_as_its_import_says() -> None:
    """The table is that of absent.py, each of whose lines test_absent.py imports."""
    rows = "\n".join(absent_rows())

    assert rows in PAGE, f"let the last table of the page have these rows:\n{rows}"


def absent_rows() -> list[str]:
    """Return the rows of what only Prefect has, module by module."""
    found = [(f"{module}." if module else "", names, advice) for module, names, advice in NAMES]
    found += [(f"{kind.capitalize()}.", names, advice) for kind, names, advice in MEMBERS]
    rows = [row(listed(names.split(), before=before), advice) for before, names, advice in found]
    for module, advice in MODULES.items():
        inside = [n for m in OF_PREFECT if f"{m}.".startswith(f"{module}.") for n in OF_PREFECT[m]]
        rows.append(row(listed([module, *inside], before=""), advice))
    for owner, names, advice in absent.OPTIONS:
        call = f"@{owner}" if owner in ("flow", "task") else owner.replace("penstock", "prefect")
        rows.append(row(f"`{call}({', '.join(names.split())})`", advice))
    return sorted(rows, key=str.lower)


def listed(names: list[str], *, before: str) -> str:
    """Return names in code, as Prefect writes them, the first with its module."""
    prefects = [each.replace("Penstock", "Prefect") for each in names]
    return ", ".join([f"`{before}{prefects[0]}`", *(f"`{each}`" for each in prefects[1:])])


def row(cell: str, advice: str) -> str:
    kind = "not yet" if " yet" in advice else "none"
    return f"| {cell} | | {kind} | {advice.format(twin='the name without `a`')} |"


@pytest.mark.parametrize("options", [FlowOptions, TaskOptions], ids=["flow", "task"])
def test_every_option_is_on_the_page(options: type) -> None:
    assert [name for name in options.__annotations__ if name not in PAGE] == []


def test_every_row_has_four_columns() -> None:
    assert [cells for cells in LINES if len(cells) != 4] == []


def test_rows_are_one_of_three() -> None:
    assert {row[2] for row in ROWS} <= {"works", "not yet", "none"}


@shows("flow`", "task`", "Task.submit", "futures.PrefectFuture`", "futures.PrefectFutureList")
def _() -> None:
    @flow
    def both(x: int) -> int:
        future, futures = double.submit(x), double.map([1])
        assert isinstance(future, PenstockFuture)
        assert isinstance(futures, PenstockFutureList)
        return double(future) + sum(futures.result())

    assert both(2) == 10
    assert isinstance(both, penstock.Flow)
    assert isinstance(double, penstock.Task)


@shows("flow_runs.pause_flow_run", "input.RunInput", "exceptions.FlowPauseTimeout")
def _() -> None:
    @dataclass
    class Answer:
        limit: int

    @flow
    def asking() -> tuple[object, int]:
        comment = penstock.pause_flow_run(timeout=60)
        return comment, penstock.wait_for_input(Answer).limit

    @flow
    def unheard() -> None:
        penstock.suspend_flow_run(timeout=0.01)

    @flow
    def responding() -> None:
        with penstock.wait_for_update("limit", Answer) as update:
            update.answer(update.payload.limit + 1)

    with answered("resume", "go on"), answered("input", {"limit": "5"}):
        assert asking() == ("go on", 5)
    with answered("limit", {"limit": 5}) as sent:
        responding()
    assert sent.answer == 6
    with answered("another name"), pytest.raises(FlowPauseTimeout):
        unheard()


@shows("@flow(name", "@task(name", "Task.with_options")
def _() -> None:
    named = flow(name="a", description="b", version="c")(lambda: None)
    other = double.with_options(name="twice", tags=["t"], description="d")

    assert (named.name, named.description, named.version) == ("a", "b", "c")
    assert named.with_options(name="z").name == "z"
    assert (other.name, other.tags, other.description) == ("twice", {"t"}, "d")


@shows("@flow(retries", "@task(retries", "@task(retry_condition_fn", "tasks.exponential_backoff")
def _() -> None:
    tries: list[str] = []

    @task(retries=1, retry_delay_seconds=exponential_backoff(0.001), retry_jitter_factor=0.1)
    def once_more() -> None:
        tries.append("once_more")
        if tries.count("once_more") == 1:
            raise OSError

    @task(retries=5, retry_condition_fn=lambda task, run, state: False)
    def never() -> None:
        tries.append("never")
        raise OSError

    @flow(retries=1, retry_delay_seconds=0.001)
    def retried() -> None:
        once_more()
        never()

    assert exponential_backoff(1)(3) == [1, 2, 4]
    assert retried(return_state=True).is_failed()
    assert (tries.count("once_more"), tries.count("never")) == (2, 2)


@shows("@flow(timeout_seconds")
def _() -> None:
    @task(timeout_seconds=0.02)
    def slow() -> None:
        for _ in range(100):
            time.sleep(0.005)

    @flow(timeout_seconds=5)
    def hurried() -> str:
        return slow.submit(return_state=True).name

    assert hurried() == "TimedOut"


@shows("@flow(validate_parameters", "Flow.validate_parameters")
def _() -> None:
    checked = flow(double.fn)
    unchecked = flow(validate_parameters=False)(double.fn)

    with pytest.raises(penstock.errors.ParameterError, match=r"(?s)double.*x: .*integer"):
        checked("seven")  # type: ignore[arg-type] # on purpose
    assert checked("7") == 14  # type: ignore[arg-type] # coerced
    assert checked.validate_parameters({"x": "7"}) == {"x": 7}
    assert unchecked("7") == "77"  # type: ignore[arg-type, comparison-overlap] # left alone


@shows("@flow(flow_run_name", "@flow(log_prints", "get_run_logger", "@flow(task_runner")
def _() -> None:
    records: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(f"{record.run_name}: {record.getMessage()}")  # type: ignore[attr-defined, method-assign] # ours

    @task(task_run_name="load {x}", log_prints=True)
    def load(x: int) -> None:
        print("printed")
        get_run_logger().info("logged")

    @flow(flow_run_name="for {x}", log_prints=True, task_runner=ThreadPoolTaskRunner(max_workers=2))
    def named(x: int) -> None:
        print("above")
        load.submit(x).result()

    logger = logging.getLogger("penstock")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel("INFO")
    try:
        named(3)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)

    assert {"for 3: above", "load 3: printed", "load 3: logged"} <= set(records)


@shows("quote`")
def quoted_arguments() -> None:
    given = [1]

    @task
    def is_given(value: list[int]) -> bool:
        return value is given

    @flow
    def run() -> bool:
        return is_given(quote(given))

    assert run()


@shows("opaque`")
def opaque_arguments() -> None:
    @task
    def is_future(value: list[object]) -> bool:
        return isinstance(value[0], PenstockFuture)

    @flow
    def run() -> tuple[bool, bool]:
        future = double.submit(1)
        return is_future(opaque([future])), is_future(opaque(double.map([1])))

    assert run() == (True, True)


@shows("logging.disable_run_logger")
def silent_logs() -> None:
    from penstock.logging import disable_run_logger, get_logger

    @task
    def step() -> str:
        get_run_logger().info("unseen")
        return get_logger("etl").name

    with disable_run_logger():
        assert step.fn() == "penstock.etl"


@shows("my_task(", "allow_failure", "State`", "State.is_completed")
def _() -> None:
    @task
    def describe(value: object) -> str:
        return type(value).__name__

    @flow
    def states() -> str:
        done = double(1, return_state=True, wait_for=[double.submit(2)])
        failed = fail(return_state=True)
        assert (done.is_completed(), done.is_final(), done.result()) == (True, True, 2)
        assert (failed.is_failed(), failed.is_crashed(), failed.is_cancelled()) == (True, 0, 0)
        assert (done, failed.type) == (Completed(), Failed().type)
        return describe(allow_failure(fail.submit()))

    assert states() == "KeyError"


@shows("Task.map", "futures.wait", "PrefectFuture.result")
def _() -> None:
    called: list[object] = []

    @task
    def add(x: int, y: int) -> int:
        return x + y

    @flow
    def mapped() -> list[int]:
        futures = add.map([1, 2], y=unmapped(10))
        futures[0].add_done_callback(called.append)
        assert wait(futures).not_done == set()
        assert sorted(future.result() for future in as_completed(futures)) == [11, 12]
        futures[1].wait()
        assert futures[1].state.is_completed()
        with pytest.raises(penstock.errors.MappingError):
            add.map([1, 2], [3])
        return futures.result()

    assert mapped() == [11, 12]
    assert len(called) == 1


@shows("prefect concurrency-limit")
def _() -> None:
    from penstock.testing import isolated_home, limited

    @task(tags=["db"])
    def tagged() -> int:
        return 1

    with isolated_home():
        with limited("tag:db", 0), pytest.raises(penstock.errors.ConcurrencySlotAcquisitionError):
            tagged()
        with limited("tag:db", 1):
            assert tagged() == 1


@shows("concurrency.", "prefect gcl")
def _() -> None:
    from penstock.concurrency import asyncio as for_async
    from penstock.concurrency import sync
    from penstock.testing import isolated_home, limited

    async def in_loop() -> None:
        await for_async.rate_limit("api", timeout_seconds=0)
        async with for_async.concurrency(["db"], occupy=2):
            with pytest.raises(TimeoutError):
                sync.concurrency("db", timeout_seconds=0).__enter__()

    with isolated_home(), limited("db", 2), limited("api", 2, decay=0.001):
        asyncio.run(in_loop())
        sync.rate_limit("api")
        with pytest.raises(TimeoutError):
            penstock.rate_limit("api", timeout_seconds=0)
        with pytest.raises(penstock.errors.ConcurrencySlotAcquisitionError):
            sync.concurrency("other", strict=True).__enter__()


@shows("runtime.", "PREFECT__RUNTIME__FLOW_RUN__NAME")
def _() -> None:
    from penstock import runtime

    @task(tags=["io"])
    def step(x: int) -> tuple[object, ...]:
        of = runtime.task_run
        assert of.idempotency_key
        return of.id, of.name, of.task_name, of.parameters, of.run_count, of.tags

    @flow(version="7")
    def telling(x: int = 1) -> tuple[object, ...]:
        of = runtime.flow_run
        assert of.name == of.id == of.root_flow_run_id == runtime.deployment.flow_run_id
        assert of.scheduled_start_time is not None
        assert (of.parent_flow_run_id, of.parent_deployment_id) == (None, None)
        assert (runtime.deployment.id, runtime.deployment.name) == (None, None)
        assert (runtime.deployment.version, runtime.deployment.parameters) == (None, {})
        assert (of.flow_name, of.flow_version, of.parameters) == ("telling", "7", {"x": 1})
        assert (of.run_count, of.tags, step(2)[1:]) == (
            1,
            [],
            ("step-0", "step", {"x": 2}, 1, ["io"]),
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PENSTOCK__RUNTIME__FLOW_RUN__NAME", "made up")
            return of.name, runtime.flow_run.id != "made up"

    assert telling() == ("made up", True)


@shows("artifacts.", "events.emit_event")
def _() -> None:
    from penstock import artifacts, events

    kept: list[object] = []

    @flow
    async def keeping() -> None:
        kept.append(await artifacts.create_markdown_artifact("# A", key="report", description="d"))
        kept.append(await artifacts.acreate_link_artifact("https://a.example", link_text="a"))
        kept.append(artifacts.create_table_artifact({"a": [1]}))
        kept.append(artifacts.create_image_artifact("https://a.example/a.png"))
        kept.append(progress := artifacts.create_progress_artifact(0.0))
        kept.append(artifacts.MarkdownArtifact(markdown="# B", key="b").create().id)
        await artifacts.aupdate_progress_artifact(progress, 50.0)
        found = artifacts.Artifact.get("report")
        assert found is not None
        assert (found.id, found.data) == (kept[0], "# A")
        resource = {"prefect.resource.id": "order-7"}
        first = events.emit_event("order.made", resource, payload={"weight": 2})
        assert events.emit_event("order.shipped", resource, follows=first).follows == first.id

    asyncio.run(keeping())

    assert len(set(kept)) == 6


@shows("futures.PrefectFuture`")
def _() -> None:
    @flow
    async def awaiting() -> int:
        return await double.submit(4)

    assert asyncio.run(awaiting()) == 8


@shows("Flow.deploy(", "deploy`")
def deployed_flows() -> None:
    """What is applied, and runs in the cluster, is in tests/integration/cli."""
    deployment = flow(double.fn).to_deployment("x", interval=1, parameters={"x": 1})
    with pytest.raises(penstock.errors.PenstockError, match="not at the top of a file"):
        flow(double.fn).deploy("x", image="x:1", cron="0 6 * * *")
    with pytest.raises(penstock.errors.PenstockError, match="not at the top of a file"):
        penstock.deploy(deployment, image="i")


@shows("Flow.deploy(work_queue_name", "client.schemas.objects.ConcurrencyLimitConfig")
def limits_of_a_flow() -> None:
    from penstock.cli.render import Rendering, flow_manifest
    from penstock.deployments import ConcurrencyLimitConfig, ConcurrencyLimitStrategy

    limit = ConcurrencyLimitConfig(2, ConcurrencyLimitStrategy.CANCEL_NEW)
    with pytest.raises(penstock.errors.PenstockError, match="not at the top of a file"):
        flow(double.fn).deploy("x", image="i", work_queue_name="urgent", concurrency_limit=limit)
    rendered = flow_manifest(
        flow(double.fn), typed="f.py:double", options=Rendering(queue="urgent", concurrency=limit)
    )
    assert rendered["spec"]["queue"] == "urgent"
    assert rendered["spec"]["concurrency"] == {"limit": 2, "strategy": "CancelNew"}
    with pytest.raises(ValueError, match="0 or more"):
        ConcurrencyLimitConfig(-1)


@shows("deployments.run_deployment", "flow_runs.wait_for_flow_run")
def runs_in_a_cluster() -> None:
    from penstock.deployments import arun_deployment, run_deployment
    from penstock.flow_runs import wait_for_flow_run

    with pytest.raises(ValueError, match="timeout is a number of seconds"):
        run_deployment("daily", timeout=-1)
    for asked in (arun_deployment("daily"), wait_for_flow_run("daily-x7k2p")):
        assert inspect.iscoroutine(asked)
        asked.close()


@shows("Flow.from_source")
def flow_of_a_folder() -> None:
    found = flow.from_source(Path(__file__).parent, "typed_usage.py:sizes")

    assert isinstance(found, penstock.Flow)
    assert found(["a"]) == [1]


@shows("Flow.serve", "Flow.to_deployment", "schedules.")
def _() -> None:
    served = flow(double.fn)
    made = served.to_deployment(
        "x",
        cron="0 6 * * *",
        interval=timedelta(hours=1),
        rrule="FREQ=DAILY",
        schedules=[Cron("@daily", timezone="Europe/Berlin", day_or=False)],
        parameters={"x": 1},
    )

    assert [type(each) for each in made.schedules] == [Cron, Interval, RRule, Cron]
    with pytest.raises(TypeError, match="serve takes deployments"):
        penstock.serve()
    with pytest.raises(ValueError, match="Nothing says when"):
        served.serve("x", parameters={"x": 1}, limit=1)


@shows("@task(cache_policy")
def _() -> None:
    from penstock.cache_policies import DEFAULT, INPUTS

    cached = double.with_options(
        name="cached twice", cache_policy=INPUTS, cache_expiration=timedelta(hours=1)
    )
    states = [cached(4, return_state=True) for _ in range(2)]

    assert [state.result() for state in states] == [8, 8]
    assert states[1].name == "Cached"
    assert double.with_options(cache_policy=DEFAULT, refresh_cache=True)(4) == 8


@shows("persist_result", "results.ResultStore", "serializers.", "filesystems.")
def _() -> None:
    from penstock.filesystems import LocalFileSystem
    from penstock.results import ResultStore
    from penstock.serializers import CompressedSerializer

    with TemporaryDirectory() as folder:
        storage = LocalFileSystem(basepath=folder)

        @flow(result_storage=storage)
        def f() -> list[str]:
            kept = double.with_options(
                result_storage_key="doubles/{parameters[x]}",
                result_serializer=CompressedSerializer("json", compressionlib="zlib"),
            )
            return [kept(4, return_state=True).name for _ in range(2)]

        store = ResultStore(result_storage=storage)
        assert f() == ["Completed", "Cached"]
        assert store.read("doubles/4") == 8
        store.write(9, key="doubles/5")
        assert store.exists("doubles/5")


@shows("@task(on_rollback", "transactions.transaction")
def _() -> None:
    from penstock.transactions import CommitMode, Transaction, get_transaction, transaction

    lines: list[str] = []

    @task(on_commit=[lambda txn: lines.append(f"commit {txn.get('by')}")])
    def write() -> None:
        txn = get_transaction()
        assert isinstance(txn, Transaction)
        txn.set("by", "ada")

    @write.on_rollback
    def undo(txn: Transaction) -> None:
        lines.append(f"undo {txn.get('by')}")

    with transaction():
        write()
    with transaction(commit_mode=CommitMode.OFF):
        write()

    assert lines == ["commit ada", "undo ada"]


@shows("CachePolicy.configure", "locking.memory")
def _() -> None:
    from penstock.cache_policies import INPUTS
    from penstock.locking.memory import MemoryLockManager
    from penstock.results import MemoryResults
    from penstock.transactions import IsolationLevel, transaction

    locks = MemoryLockManager()
    policy = INPUTS.configure(isolation_level=IsolationLevel.SERIALIZABLE, lock_manager=locks)
    serial = double.with_options(name="one at a time", cache_policy=policy)

    @flow
    def many() -> list[int]:
        return serial.map([4, 4]).result()

    store = MemoryResults()
    with transaction("a key", store, isolation_level=IsolationLevel.SERIALIZABLE):
        assert locks.is_locked("a key")
        assert many() == [8, 8]
    assert not locks.is_locked("a key")
