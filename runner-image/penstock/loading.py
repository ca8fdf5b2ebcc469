"""From ``path/to/file.py:function`` or ``package.module:function`` to the flow it names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType

from penstock.errors import FlowLoadError
from penstock.flows import Flow
from penstock.tracebacks import user_traceback

__all__ = ["load_flow"]

_MARK = "__loaded_by_penstock__"
"""Set on modules made from a file here: another file of the same name may take their place."""


def load_flow(entrypoint: str) -> Flow[..., object]:
    """Import the entrypoint's file or module and return its flow.

    A file is imported under its stem; ``sys.path`` then starts with its folder and the working
    directory. Raises ``FlowLoadError`` with one sentence, and the user's traceback after it
    where the import raised; ``FlowLoadError.__cause__`` is that exception.
    """
    source, separator, function = entrypoint.rpartition(":")
    if not separator or not source or not function:
        raise FlowLoadError(
            f"The entrypoint {entrypoint!r} names no function: write it as "
            "path/to/file.py:function or package.module:function."
        )
    if source.endswith(".py") or "/" in source:
        module = _import_file(Path(source))
    else:
        _search_first(Path.cwd())
        module = _imported(lambda: importlib.import_module(source), source=source)
    return _flow_of(module, function=function, source=source)


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FlowLoadError(f"There is no file {path} in {Path.cwd()}; check the entrypoint.")
    path = path.resolve()
    _search_first(Path.cwd())
    _search_first(path.parent)
    main = sys.modules.get("__main__")
    if main is not None and _file_of(main) == path:
        return main
    present = sys.modules.get(path.stem)
    if present is not None and _file_of(present) == path:
        return present
    if present is not None and not hasattr(present, _MARK):
        raise FlowLoadError(
            f"{path.name} has the name of the module {path.stem}, which is in use; rename the file."
        )
    return _imported(lambda: _executed(path), source=str(path))


def _search_first(folder: Path) -> None:
    name = str(folder)
    if name in sys.path:
        sys.path.remove(name)
    sys.path.insert(0, name)


def _file_of(module: ModuleType) -> Path | None:
    name = getattr(module, "__file__", None)
    return Path(name).resolve() if name else None


class _Source(SourceFileLoader):
    """Compiles the file each time, as `python file.py` does: a cached code is held current where
    the file has the same second and length, which a quick change may leave."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _executed(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        path.stem, path, loader=_Source(path.stem, str(path))
    )
    assert spec is not None
    assert spec.loader is not None, "every .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    setattr(module, _MARK, True)
    sys.modules[path.stem] = module  # before it runs: pickle and dataclasses look it up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module


def _imported(load: Callable[[], ModuleType], *, source: str) -> ModuleType:
    try:
        return load()
    except (Exception, SystemExit) as error:
        error.__traceback__ = _from_user_code(error.__traceback__)
        raise FlowLoadError(f"{source} could not be imported.\n{user_traceback(error)}") from error


def _from_user_code(trace: TracebackType | None) -> TracebackType | None:
    """Skip the frames of the import machinery and of this module."""
    first = trace
    while first is not None and _is_machinery(first.tb_frame.f_code.co_filename):
        first = first.tb_next
    return first


def _is_machinery(filename: str) -> bool:
    return filename.startswith("<frozen importlib") or filename in (__file__, importlib.__file__)


def _flow_of(module: ModuleType, *, function: str, source: str) -> Flow[..., object]:
    found = getattr(module, function, None)
    if isinstance(found, Flow):
        return found
    flows = sorted(name for name, value in vars(module).items() if isinstance(value, Flow))
    known = (
        f"its flows are {', '.join(flows)}" if flows else "it has no flows: decorate one with @flow"
    )
    if found is None:
        raise FlowLoadError(f"{source} has no function {function}; {known}.")
    raise FlowLoadError(f"{function} in {source} is not a flow but {_described(found)}; {known}.")


def _described(value: object) -> str:
    return f"a {type(value).__name__}"
