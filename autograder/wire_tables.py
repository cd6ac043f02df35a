"""pandas tables on the wire: columns of numbers and texts, never of objects."""

from collections.abc import Callable
from typing import Any

from msgpack import ExtType

from autograder import wire_format as wf
from autograder.wire_format import NULLABLE, PLAIN, References, WireError


def write(
    refs: References, pack: Callable[[object], bytes], pd: Any, value: Any
) -> ExtType:
    """Return the extension that holds a table; a reference where it cannot."""
    try:
        if isinstance(value, pd.Index):
            parts = ["index", _index(pd, value)]
        elif isinstance(value, pd.Series):
            parts = ["series", _index(pd, value.index), value.name, _column(pd, value)]
        else:
            columns = [_column(pd, value.iloc[:, j]) for j in range(value.shape[1])]
            parts = [
                "frame",
                _index(pd, value.index),
                _index(pd, value.columns),
                columns,
            ]
    except WireError:
        return refs.encode(value)
    return ExtType(wf.TABLE, pack(parts))


def _index(pd: Any, index: Any) -> list[object]:
    if isinstance(index, pd.RangeIndex):
        return ["range", index.name, index.start, index.stop, index.step]
    if isinstance(index, pd.MultiIndex):
        levels = [_column(pd, index.get_level_values(i)) for i in range(index.nlevels)]
        return ["multi", list(index.names), levels]
    return ["plain", index.name, _column(pd, index)]


def _column(pd: Any, column: Any) -> list[object]:
    dtype = column.dtype
    is_numpy = type(dtype).__module__.startswith("numpy")
    if is_numpy and dtype.kind in "biufcmM":
        return ["array", column.to_numpy()]
    if isinstance(dtype, pd.CategoricalDtype):
        cat = column.cat if hasattr(column, "cat") else column
        return [
            "category",
            cat.codes.to_numpy() if hasattr(cat.codes, "to_numpy") else cat.codes,
            _column(pd, cat.categories),
            bool(dtype.ordered),
        ]
    name = str(dtype)
    values = column.to_numpy(dtype=object).tolist()
    if name in ("str", "string", "object") or name in NULLABLE:
        items = [None if it is pd.NA else it for it in values]
        if all(type(it) in PLAIN for it in items):
            return ["list", name, items]
    raise WireError(f"a column of dtype {name}")


def read(reader: Any, payload: Any) -> object:
    """Return the table that a payload holds.

    Raises:
        WireError: it holds none.
    """
    pd = reader.library("pandas")
    kind, index = payload[0], _read_index(pd, payload[1])
    if kind == "index":
        return index
    if kind == "series":
        _, _, name, column = payload
        return pd.Series(_read_column(pd, column), index=index, name=name)
    wf.check(kind == "frame", "table")
    _, _, labels, columns = payload
    data = {j: _read_column(pd, column) for j, column in enumerate(columns)}
    frame = pd.DataFrame(data, index=index)
    return frame.set_axis(_read_index(pd, labels), axis=1)


def _read_index(pd: Any, payload: Any) -> Any:
    kind, name, *rest = payload
    if kind == "range":
        found = range(*rest)
        wf.check(len(found) <= wf.MAX_RANGE, "index")
        return pd.RangeIndex(found, name=name)
    if kind == "multi":
        levels = [_read_column(pd, it) for it in rest[0]]
        return pd.MultiIndex.from_arrays(levels, names=name)
    wf.check(kind == "plain", "index")
    return pd.Index(_read_column(pd, rest[0]), name=name)


def _read_column(pd: Any, payload: Any) -> Any:
    """Return what pandas makes a column of: only numbers, texts, and None."""
    kind, *rest = payload
    if kind == "array":
        ok = getattr(rest[0], "ndim", 0) == 1 and rest[0].dtype.kind in "biufcmM"
        wf.check(ok, "column")
        return rest[0]
    if kind == "category":
        codes, categories, ordered = rest
        found = _read_column(pd, categories)
        return pd.Categorical.from_codes(codes, found, ordered=bool(ordered))
    name, items = rest
    wf.check(kind == "list" and type(items) is list, "column")
    wf.check(all(type(it) in wf.PLAIN for it in items), "column")
    wf.check(name in ("str", "string", "object") or name in wf.NULLABLE, "column")
    return pd.array(items, dtype=name) if name != "object" else _objects(items)


def _objects(items: list[Any]) -> Any:
    import numpy as np

    column = np.empty(len(items), dtype=object)
    column[:] = items
    return column
