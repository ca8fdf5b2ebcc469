"""Arrays and tables as plain values of texts, numbers and buffers, which a digest can be made of.

numpy, pandas and pyarrow are never imported here: whoever holds such a value has them loaded. Equal
values give equal plain values, whatever their layout in memory; what stands in an object column is
looked at one by one.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable
from typing import Any  # the libraries are looked up at run time, without their types

_LIBRARIES = frozenset({"numpy", "pandas", "pyarrow"})

Plain = tuple[object, ...]


def plain_value_of(value: object) -> Plain | None:
    """Return what makes up an array or table; ``None`` for what is none, or is not known."""
    library = type(value).__module__.partition(".")[0]
    if library not in _LIBRARIES:
        return None
    module: Any = sys.modules.get(library)
    if module is None:
        return None
    try:
        return _OF[library](module, value)
    except Exception:  # of a version or a kind that is not known here: no reason to fail a task
        return None


def _of_numpy(np: Any, value: Any) -> Plain | None:
    kind = type(value)
    if kind in (np.ndarray, np.memmap):
        return _of_array(np, value)
    if kind is np.ma.MaskedArray:
        mask = np.ma.getmaskarray(value)
        return "masked", _of_array(np, value.filled(0)), _of_array(np, mask)
    if isinstance(value, np.generic):
        return "scalar", *_of_array(np, np.asarray(value))
    return ("dtype", str(value)) if isinstance(value, np.dtype) else None


def _of_array(np: Any, value: Any) -> Plain:
    dtype = value.dtype
    if dtype.kind == "O":
        return "object", tuple(value.shape), _of_objects(value.ravel().tolist())
    if dtype.hasobject:
        return str(dtype.descr), tuple(value.shape), value.ravel().tolist()
    name = dtype.str if dtype.names is None else str(dtype.descr)
    flat = np.ascontiguousarray(value).reshape(-1)
    return name, tuple(value.shape), memoryview(flat.view("u1")) if flat.size else b""


def _of_objects(items: list[object]) -> Plain:
    """Return texts as one text, since they are many; anything else as it is."""
    if not {str, type(None)}.issuperset(map(type, items)):
        return ("values", items)
    texts = [item for item in items if type(item) is str]
    lengths = array("q", (len(item) if type(item) is str else -1 for item in items))
    return "texts", lengths.tobytes(), "".join(texts)


def _of_pandas(pd: Any, value: Any) -> Plain | None:
    if isinstance(value, pd.DataFrame):
        columns = [_of_column(pd, column.array) for _, column in value.items()]
        return "frame", _of_index(pd, value.columns), _of_index(pd, value.index), columns
    if isinstance(value, pd.Series):
        return "series", value.name, _of_index(pd, value.index), _of_column(pd, value.array)
    if isinstance(value, pd.Index):
        return _of_index(pd, value)
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return _of_column(pd, value)
    if isinstance(value, pd.Timestamp | pd.Timedelta | pd.Period) or value is pd.NaT:
        return type(value).__name__, str(value)
    return ("NA",) if value is pd.NA else None


def _of_index(pd: Any, index: Any) -> Plain:
    if isinstance(index, pd.MultiIndex):
        levels = [index.get_level_values(number) for number in range(index.nlevels)]
        return "levels", [_of_index(pd, level) for level in levels]
    if isinstance(index, pd.RangeIndex):
        return "range", index.start, index.stop, index.step, index.name
    return "index", index.name, _of_column(pd, index.array)


def _of_column(pd: Any, column: Any) -> Plain:
    dtype = str(column.dtype)
    if isinstance(column, pd.Categorical):
        categories = _of_index(pd, column.categories)
        return "categories", _plain(column.codes), categories, bool(column.ordered)
    if isinstance(column, pd.arrays.IntervalArray):
        ends = (_of_index(pd, pd.Index(end)) for end in (column.left, column.right))
        return dtype, *ends
    if hasattr(column, "asi8"):  # points, spans and periods of time, a zone beside them
        return dtype, _plain(column.asi8)
    if isinstance(column.dtype, pd.api.extensions.ExtensionDtype):
        return dtype, _of_extension(pd, column)
    return dtype, _plain(column.to_numpy())


def _of_extension(pd: Any, column: Any) -> object:
    if isinstance(column, pd.arrays.SparseArray):
        return _plain(column.to_dense())
    missing = column.isna()
    if hasattr(column.dtype, "numpy_dtype") and column.dtype.kind in "iufb":
        return _plain(column.to_numpy(dtype=column.dtype.numpy_dtype, na_value=0)), _plain(missing)
    items = column.to_numpy(dtype=object).tolist()
    if not missing.any():
        return _of_objects(items)
    return _of_objects([None if gone else item for item, gone in zip(items, missing, strict=True)])


def _plain(numpy_array: Any) -> Plain:
    return _of_array(sys.modules["numpy"], numpy_array)


def _of_pyarrow(pa: Any, value: Any) -> Plain | None:
    if isinstance(value, pa.Table | pa.RecordBatch):
        columns = [_of_arrow_column(pa, column) for column in value.columns]
        return "table", value.schema.to_string(), columns
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return str(value.type), _of_arrow_column(pa, value)
    if isinstance(value, pa.Schema | pa.DataType | pa.Field):
        return type(value).__name__, str(value)
    return (str(value.type), value.as_py()) if isinstance(value, pa.Scalar) else None


def _of_arrow_column(pa: Any, column: Any) -> object:
    is_numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if is_numeric and column.null_count == 0 and "numpy" in sys.modules:
        chunks: Iterable[Any] = getattr(column, "chunks", None) or [column]
        return _plain(sys.modules["numpy"].concatenate([chunk.to_numpy() for chunk in chunks]))
    return _of_objects(column.to_pylist())


_OF: dict[str, Callable[[Any, Any], Plain | None]] = {
    "numpy": _of_numpy,
    "pandas": _of_pandas,
    "pyarrow": _of_pyarrow,
}
