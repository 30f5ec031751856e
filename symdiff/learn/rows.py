"""Row-sparse gradients: of a table of which the loss looks at a few rows only.

The gradient of `table[words]` is a scatter of as many rows as there are words. It is kept as that:
what is done with it costs as much for a vocabulary of a million words as for one of a thousand.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from symdiff.errors import UnsupportedError
from symdiff.ir import Value
from symdiff.ops import OPS, gather, scatter_add
from symdiff.parser import Tracer

_ADD: Final = OPS["add"]


class Rows:
    """A gradient that is zero but for some rows.

    Rows that were looked up several times are summed: the sum stands at the first place where the
    row is named, zeros at the others. Finding these places compares all pairs of indices, which
    for the few thousand of a minibatch is less work than anything that needs memory.

    Attributes:
        index: the numbers of the rows, i64[n], from 0 on.
        values: the rows, f64[n, ...].
        first: whether a place is the first with its row, bool[n].

        >>> rows = Rows(np.array([2, 0, 2]), np.array([[1.0], [5.0], [2.0]]))
        >>> rows.values.ravel(), rows.first
        (array([3., 5., 0.]), array([ True,  True, False]))
    """

    __slots__ = ("first", "index", "values")

    def __init__(self, index: Any, values: Any) -> None:
        count: int = index.shape[0]
        places = np.arange(count)
        same = index[:, None] == index[None, :]
        first = np.min(np.where(same, places[None, :], count), axis=1)
        self.index: Any = index
        self.first: Any = first == places
        self.values: Any = _scattered(values, first, values.shape)

    def with_values(self, values: Any) -> Rows:
        """The same rows with other values."""
        made = object.__new__(Rows)
        made.index, made.first, made.values = self.index, self.first, values
        return made

    def of(self, table: Any) -> Any:
        """These rows of `table`."""
        if isinstance(table, Tracer):
            return Tracer(gather(table.value, self.index.value, axis=0))
        return table[self.index]

    def added(self, table: Any, change: Any) -> Any:
        """`table` with the rows of `change` added, each once."""
        once = np.reshape(self.first, (-1,) + (1,) * (len(change.shape) - 1))
        return table + _scattered(np.where(once, change, 0.0), self.index, table.shape)


def _scattered(values: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of the given shape, with the rows `values` added at `index`."""
    if isinstance(values, Tracer):
        return Tracer(scatter_add(values.value, index.value, axis=0, shape=shape))
    result = np.zeros(shape)
    np.add.at(result, index, values)
    return result


def rows_of(gradient: Tracer, name: str) -> Rows:
    """A traced gradient as what it is: rows that were looked up.

    Raises:
        UnsupportedError: it is a gradient of all rows.
    """
    parts: list[tuple[Value, Value]] = []
    pending = [gradient.value]
    while pending:
        value = pending.pop()
        if value.op is _ADD:
            pending += reversed(value.args)
        elif _scatters_rows(value):
            parts.append((value.args[0], value.args[1]))
        else:
            raise UnsupportedError(
                f"{name}: SparseAdam is for tables of which the loss only looks up rows, "
                f"{name}[indices]; this one's gradient has a {value.op.name} over all of it "
                "(such as a penalty). Use Adam for it"
            )
    row = gradient.value.type.shape[1:]
    index: list[Any] = [np.reshape(Tracer(where), (-1,)) for _, where in parts]
    values: list[Any] = [np.reshape(Tracer(value), (-1, *row)) for value, _ in parts]
    if len(parts) == 1:
        return Rows(index[0], values[0])
    return Rows(np.concatenate(index), np.concatenate(values))


def _scatters_rows(value: Value) -> bool:
    return value.op is OPS["scatter_add"] and len(value.args) == 2 and value.attr("axis") == 0
