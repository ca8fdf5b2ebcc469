"""What is interrupted when the time of a body has run out, and what is not."""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from penstock.drivers.leash import Leash
from penstock.errors import TaskAbandoned


def test_a_body_that_runs_is_interrupted() -> None:
    leash, begun, told = Leash(), threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            with leash:
                begun.set()
                while True:
                    pass
        except TaskAbandoned as error:
            told.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    begun.wait(60)

    leash.cut()

    thread.join(60)
    assert len(told) == 1


def test_a_body_that_has_not_begun_does_not_begin() -> None:
    leash = Leash()
    leash.cut()

    with pytest.raises(TaskAbandoned, match="before the body had begun"), leash:
        pytest.fail("The body ran.")


def test_a_thread_that_has_left_the_body_is_let_be() -> None:
    leash = Leash()
    with leash:
        pass

    leash.cut()

    assert sum(range(1000)) == 499500  # an exception would be raised by now


def test_an_import_is_not_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_go_on = threading.Event(), threading.Event()
    gates = SimpleNamespace(begun=begun, may_go_on=may_go_on)
    monkeypatch.setitem(sys.modules, "gates_of_a_slow_module", gates)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "a_slow_module.py").write_text(
        "import gates_of_a_slow_module as gates\n"
        "gates.begun.set()\n"
        "gates.may_go_on.wait(60)\n"
        "LOADED = True\n"
    )
    leash = Leash()

    def run() -> None:
        with leash:
            importlib.import_module("a_slow_module")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    begun.wait(60)

    leash.cut()

    may_go_on.set()
    thread.join(60)
    assert sys.modules.pop("a_slow_module").LOADED


@pytest.mark.parametrize("where", ["__enter__", "__exit__"])
def test_whoever_takes_a_lock_or_gives_it_back_is_not_interrupted(where: str) -> None:
    begun, may_go_on, lock = threading.Event(), threading.Event(), threading.Lock()

    def dawdle(at: str) -> None:
        if at == where:
            begun.set()
            may_go_on.wait(60)

    class Door:
        def __enter__(self) -> None:
            lock.acquire()
            dawdle("__enter__")

        def __exit__(self, *_: object) -> None:
            dawdle("__exit__")
            lock.release()

    leash = Leash()

    def run() -> None:
        with leash, Door():
            pass

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    begun.wait(60)

    leash.cut()

    may_go_on.set()
    thread.join(60)
    assert not lock.locked()
