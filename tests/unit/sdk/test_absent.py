"""Each public name of Prefect 3.8.8 is there after a search and replace, or says what to use.

``prefect_names.txt`` has what the modules of its SDK define: a module in each line, then its names.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

import penstock
from penstock import absent, flow, task
from penstock.deployments import run_deployment
from penstock.flow_runs import wait_for_flow_run
from penstock.testing.utilities import penstock_test_harness

LINES = (Path(__file__).parent / "prefect_names.txt").read_text().splitlines()
OF_PREFECT = {module: names for module, *names in map(str.split, LINES)}


def replaced(name: str) -> str:
    """Return what a search and replace makes of a name."""
    return name.replace("prefect", "penstock").replace("Prefect", "Penstock")


def refusal_of(module: str, name: str) -> str | None:
    """Return what importing a name says, or ``None`` if it is there."""
    path = "penstock" if module == "prefect" else f"penstock.{module}"
    how = "import {0}; {0}.{1}" if module.startswith("runtime.") else "from {0} import {1}"
    try:
        exec(how.format(path, replaced(name)))
    except (ImportError, AttributeError) as error:
        return str(error)
    return None


@pytest.mark.parametrize("module", OF_PREFECT)
def test_a_name_of_prefect_s_is_there_or_says_what_to_use(module: str) -> None:
    refusals = {name: refusal_of(module, name) for name in OF_PREFECT[module]}

    silent = {n: words for n, words in refusals.items() if words and "Penstock has no" not in words}
    assert silent == {}


def test_a_refusal_is_one_sentence() -> None:
    for module in OF_PREFECT:
        names = OF_PREFECT[module]
        for words in filter(None, (refusal_of(module, name) for name in names)):
            assert words.endswith("."), words
            assert len(words) < 220, words


def test_no_name_that_is_there_is_in_the_table() -> None:
    there = [f"{m}.{n}" for m, names, _ in absent.NAMES for n in names.split() if is_there(m, n)]

    assert there == [], "take them out of absent.py"


def is_there(module: str, name: str) -> bool:
    try:
        return name in dir(import_module(f"penstock.{module}" if module else "penstock"))
    except ImportError:
        return False


@pytest.mark.parametrize("module", absent.MODULES)
def test_a_module_of_prefect_s_says_what_to_use(module: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=f"Penstock has no penstock.{module}: "):
        import_module(f"penstock.{module}")


def test_a_module_that_nobody_has_is_simply_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'penstock\.nothing'"):
        import_module("penstock.nothing")
    with pytest.raises(ImportError, match="cannot import name 'nothing' from 'penstock'"):
        exec("from penstock import nothing")
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        penstock.states.Nothing  # type: ignore[attr-defined] # noqa: B018 - raises


@task
def step() -> None: ...


@flow
def daily() -> None: ...


@pytest.mark.parametrize(
    ("owner", "name", "words"),
    [
        (step, "delay", "A task has no delay: tasks run where their flow does"),
        (step, "deploy", "call the task in one"),
        (daily, "submit", "A flow has no submit: call it where it is to run"),
        (daily, "visualize", "`penstock run FILE:FLOW` shows it"),
        (daily, "nothing", "A flow has no attribute 'nothing'"),
    ],
)
def test_a_method_of_prefect_s_says_what_to_use(owner: object, name: str, words: str) -> None:
    with pytest.raises(AttributeError, match=words):
        getattr(owner, name)


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, n) for kind, names, _ in absent.MEMBERS for n in names.split()]
)
def test_every_method_that_only_prefect_has_says_what_to_use(kind: str, name: str) -> None:
    with pytest.raises(AttributeError, match=f"A {kind} has no {name}: "):
        getattr(daily if kind == "flow" else step, name)


CALLS: dict[str, Callable[..., object]] = {
    "flow": lambda **option: flow(**option)(print),
    "task": lambda **option: task(**option)(print),
    "serve": daily.serve,
    "to_deployment": daily.to_deployment,
    "deploy": daily.deploy,
    "run_deployment": run_deployment,
    "wait_for_flow_run": wait_for_flow_run,
    "penstock_test_harness": penstock_test_harness,
}


@pytest.mark.parametrize(
    ("call", "name"), [(call, n) for call, names, _ in absent.OPTIONS for n in names.split()]
)
def test_every_option_that_only_prefect_has_says_what_to_use(call: str, name: str) -> None:
    with pytest.raises(TypeError, match=rf"{call} has no option {name}: .*\.$"):
        CALLS[call](**{name: None})


def test_an_option_of_prefect_s_says_what_to_use() -> None:
    with pytest.raises(TypeError, match=r"@task has no option asset_deps: there are no assets"):
        task(asset_deps=[])(print)  # type: ignore[call-overload] # on purpose
    with pytest.raises(TypeError, match=r"@flow has no option tags: use `with tags"):
        flow(tags=["a"])(print)  # type: ignore[call-overload] # on purpose
