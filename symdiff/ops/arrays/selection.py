"""Indexing as NumPy does it: `x[key]`, and arrays with some of their elements changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np

from symdiff.errors import IndexRangeError, ShapeError, UnsupportedError
from symdiff.ir import DType, Graph, Type, Value, i64
from symdiff.ops.arithmetic import add
from symdiff.ops.arrays.promote import (
    Operand,
    as_array,
    cast,
    common_dtype,
    common_shape,
    constant,
    graph_of,
    shape_of,
    spread,
    value_in,
)
from symdiff.ops.arrays.shapes import axis_of, permuted, ravel, reshaped
from symdiff.ops.comparison import eq, lt, where
from symdiff.ops.define import like
from symdiff.ops.indexing import gather, put_at, scatter_add
from symdiff.ops.structure import Ints, embed, slice_, transpose


@dataclass(frozen=True)
class Selection:
    """What `x[key]` does to `x`: four linear steps, each of which has an adjoint.

    A strided slice of every axis; axes brought into the order `axes`; the axes from `axis` on
    replaced by those of the index arrays, if there are any; the result seen in `shape`.
    """

    source: Ints
    start: Ints
    step: Ints
    sliced: Ints
    axes: Ints
    indices: tuple[Value, ...]
    axis: int
    gathered: Ints
    shape: Ints

    @property
    def whole(self) -> bool:
        """Whether the slices keep every element in its place."""
        return self.sliced == self.source and all(s == 1 for s in self.step)

    def take(self, x: Value) -> Value:
        """The elements of `x`."""
        x = permuted(x if self.whole else self.slices(x), self.axes)
        if self.indices:
            x = gather(x, *self.indices, axis=self.axis)
        return reshaped(x, self.shape)

    def place(self, value: Value) -> Value:
        """`value`, of the selection's shape, added up at its places in zeros: the adjoint."""
        x = reshaped(value, self.gathered)
        ordered = tuple(self.sliced[a] for a in self.axes)
        if self.indices:
            x = scatter_add(x, *self.indices, axis=self.axis, shape=ordered)
        x = self.in_order(x)
        return x if self.whole else self.embedded(x)

    def slices(self, x: Value) -> Value:
        """The slice of every axis of `x`."""
        return slice_(x, start=self.start, step=self.step, shape=self.sliced)

    def embedded(self, x: Value) -> Value:
        """`x`, of the slices' shape, in zeros."""
        return embed(x, start=self.start, step=self.step, shape=self.source)

    def in_order(self, x: Value) -> Value:
        """`x`, whose axes are in the order `axes`, in the order of the source."""
        if self.axes == tuple(range(len(self.axes))):
            return x
        return transpose(x, axes=tuple(int(a) for a in np.argsort(self.axes)))


def getitem(x: Value, key: Any) -> Value:
    """`x[key]` by NumPy's rules: whole numbers, slices, None, Ellipsis, index arrays and Values
    of integers, constant Boolean masks.

    Raises:
        IndexRangeError: a constant index is out of range, or there are too many indices.
        ShapeError: the index arrays do not broadcast, or a key is no index.
        UnsupportedError: a mask that is computed.
    """
    return select(x, key).take(x)


def add_at(x: Value, key: Any, value: Operand) -> Value:
    """`x` with `value` added to `x[key]`; an element that is named twice is added to twice."""
    dtype = common_dtype((x, value))
    x = cast(x, dtype)
    chosen = select(x, key)
    return add(x, chosen.place(_fitting("add_at", x.graph, value, dtype, chosen.shape)))


def put(x: Value, key: Any, value: Operand) -> Value:
    """`x` with `value` in place of `x[key]`; where an element is named twice, the last one counts.

    The result has the dtype of `x`, as with an assignment in NumPy.
    """
    chosen = select(x, key)
    dtype = x.type.dtype
    new = reshaped(_fitting("put", x.graph, value, dtype, chosen.shape), chosen.gathered)
    if chosen.indices:
        part = x if chosen.whole else chosen.slices(x)
        new = put_at(permuted(part, chosen.axes), new, *chosen.indices, axis=chosen.axis)
    new = chosen.in_order(new)
    if chosen.whole:
        return new
    kind = i64 if dtype.kind == "b" else dtype
    ones = x.graph.const(1, Type(kind, chosen.sliced))
    here = eq(chosen.embedded(ones), x.graph.const(1, Type(kind, x.type.shape)))
    return where(here, cast(chosen.embedded(cast(new, kind)), dtype), x)


def _fitting(name: str, graph: Graph, value: Operand, dtype: DType, shape: Ints) -> Value:
    lifted = value_in(graph, value, dtype)
    given = lifted.type.shape
    while len(given) > len(shape) and given[0] == 1:
        given = given[1:]
    lead = len(shape) - len(given)
    if lead < 0 or any(n not in (1, m) for n, m in zip(given, shape[lead:], strict=True)):
        raise ShapeError(f"{name}: {lifted.type} does not fit the shape {shape} of x[key]")
    return spread(reshaped(lifted, given), shape)


# Keys.


def select(x: Value, key: Any) -> Selection:
    """What `x[key]` selects; see `getitem`."""
    return Selector(x, key).selection()


class Selector:
    """A key, taken apart. `parts` has an entry per key: None, a slice, an int or an index array."""

    def __init__(self, x: Value, key: Any) -> None:
        self.x = x
        self.shape = x.type.shape
        items: list[Any] = list(_items(key))
        dots = [i for i, item in enumerate(items) if item is Ellipsis]
        if len(dots) > 1:
            raise ShapeError(f"{x.type} is indexed with more than one Ellipsis")
        read = [item if item is Ellipsis else self._read(item) for item in items]
        used = sum(_axes_used(entry) for entry in read)
        missing = len(self.shape) - used
        if missing < 0:
            raise IndexRangeError(f"{x.type} is indexed along {used} axes")
        at = dots[0] if dots else len(read)
        read[at : at + 1] = [slice(None)] * missing
        self.parts: list[Any] = []
        for entry in read:
            is_mask = isinstance(entry, np.ndarray) and entry.dtype.kind == "b"
            self.parts.extend(self._unmasked(entry) if is_mask else [entry])
        self._simplify()

    def _read(self, item: Any) -> Any:
        """One item of the key: None, a slice, an int, a Value of integers or an array."""
        if item is None or isinstance(item, slice):
            return item
        if isinstance(item, Value):
            return self._checked(item)
        if not isinstance(item, (bool, np.bool)):
            try:
                return index(item)
            except TypeError:
                pass
        array = as_array(item)
        if array.size == 0 and isinstance(item, (list, tuple)):
            return array.astype(np.int64)
        if array.dtype.kind == "b" and array.ndim:
            return array
        if array.dtype.kind not in "iu":
            raise ShapeError(f"an index is whole numbers, a slice or a mask, not {item!r}")
        return array.astype(np.int64)

    def _checked(self, item: Value) -> Any:
        if item.type.dtype.kind == "b":
            raise UnsupportedError(
                f"{self.x.type} is indexed with a computed mask, which gives a shape that is "
                "not known before the call; write where(mask, x, 0), or multiply by the mask"
            )
        if item.type.dtype.kind != "i":
            raise ShapeError(f"an index is whole numbers, not {item.type}")
        if item.literal is None:
            return item
        array = item.literal.array.astype(np.int64)
        return array if array.shape else int(array)

    def _unmasked(self, mask: Any) -> list[Any]:
        """The index arrays of the places where `mask` holds."""
        axis = sum(map(_axes_used, self.parts))
        if mask.shape != self.shape[axis : axis + mask.ndim]:
            raise IndexRangeError(f"a mask of shape {mask.shape} does not fit {self.x.type}")
        return [np.asarray(places, np.int64) for places in np.nonzero(mask)]

    def _axis(self, position: int) -> int:
        """The axis that the entry at `position` is about."""
        return sum(map(_axes_used, self.parts[:position]))

    def _simplify(self) -> None:
        """Indices are counted from the front; one index array with even steps becomes a slice."""
        arrays = [i for i, p in enumerate(self.parts) if isinstance(p, (np.ndarray, Value))]
        ints = [i for i, p in enumerate(self.parts) if isinstance(p, int)]
        for i in [*arrays, *ints]:
            self.parts[i] = self._in_range(self.parts[i], self._axis(i))
        if len(arrays) == 1 and not ints and isinstance(self.parts[arrays[0]], np.ndarray):
            even = _even(self.parts[arrays[0]])
            if even is not None:
                self.parts[arrays[0]] = even

    def _in_range(self, given: Any, axis: int) -> Any:
        """`given` with negative numbers counted from the end."""
        extent = self.shape[axis]
        if isinstance(given, Value):
            below = lt(given, like(given, 0))
            return where(below, add(given, like(given, extent)), given)
        numbers: Any = np.asarray(given)
        if numbers.size and not (numbers.min() >= -extent and numbers.max() < extent):
            worst = numbers.max() if numbers.max() >= extent else numbers.min()
            raise IndexRangeError(f"index {worst} is out of range for axis {axis} of {self.x.type}")
        wrapped = np.where(numbers < 0, numbers + extent, numbers)
        return int(wrapped) if isinstance(given, int) else wrapped

    def selection(self) -> Selection:
        """The steps that the key stands for."""
        advanced = [i for i, p in enumerate(self.parts) if isinstance(p, (np.ndarray, Value))]
        if advanced:
            advanced = [
                i for i, p in enumerate(self.parts) if isinstance(p, (np.ndarray, Value, int))
            ]
        slices = [self._sliced(i, i in advanced) for i, p in enumerate(self.parts) if p is not None]
        start, step, sliced = (tuple(s[i] for s in slices) for i in range(3))
        kept: dict[int, int] = {}  # the extent of each axis of the result that is not indexed
        for i, entry in enumerate(self.parts):
            if entry is None:
                kept[i] = 1
            elif isinstance(entry, slice):
                kept[i] = sliced[self._axis(i)]
        axes = tuple(range(len(self.shape)))
        if not advanced:
            shape = tuple(kept.values())
            return Selection(self.shape, start, step, sliced, axes, (), 0, sliced, shape)
        indices, places = self._indices(advanced)
        indexed = tuple(self._axis(i) for i in advanced)
        together = advanced == list(range(advanced[0], advanced[0] + len(advanced)))
        if together:
            axis, lead = indexed[0], [n for i, n in kept.items() if i < advanced[0]]
        else:
            axis, lead = 0, []
            axes = (*indexed, *(a for a in axes if a not in indexed))
        ordered = tuple(sliced[a] for a in axes)
        gathered = (*ordered[:axis], *places, *ordered[axis + len(indexed) :])
        shape = (*lead, *places, *list(kept.values())[len(lead) :])
        return Selection(self.shape, start, step, sliced, axes, indices, axis, gathered, shape)

    def _sliced(self, position: int, whole: bool) -> tuple[int, int, int]:
        """Start, step and extent along the axis of the entry at `position`."""
        entry, extent = self.parts[position], self.shape[self._axis(position)]
        if whole:
            return 0, 1, extent
        if isinstance(entry, int):
            return entry, 1, 1
        try:
            start, stop, step = entry.indices(extent)
        except (TypeError, ValueError) as error:
            raise ShapeError(f"{self.x.type} cannot be sliced by {entry}: {error}") from None
        count = len(range(start, stop, step))
        return (start, step, count) if count else (0, 1, 0)

    def _indices(self, advanced: Sequence[int]) -> tuple[tuple[Value, ...], Ints]:
        """The index arrays, broadcast against each other, and their shape."""
        graph = self.x.graph
        given = [self.parts[i] for i in advanced]
        places = common_shape("indexing", [shape_of(g) for g in given])
        values = [g if isinstance(g, Value) else constant(graph, g, i64) for g in given]
        kinds = {v.type.dtype for v in values}
        dtype = kinds.pop() if len(kinds) == 1 else i64
        return tuple(spread(cast(v, dtype), places) for v in values), places


def _items(key: Any) -> tuple[Any, ...]:
    """The items of a key."""
    return (*key,) if isinstance(key, tuple) else (key,)


def _axes_used(entry: Any) -> int:
    """How many axes of the array an entry of a key is about."""
    if entry is None or entry is Ellipsis:
        return 0
    return entry.ndim if isinstance(entry, np.ndarray) and entry.dtype.kind == "b" else 1


def _even(places: Any) -> slice | None:
    """The slice that picks the same places, if there is one."""
    if places.ndim != 1 or places.size == 0:
        return None
    step = int(places[1] - places[0]) if places.size > 1 else 1
    if step == 0 or not np.array_equal(places, places[0] + step * np.arange(places.size)):
        return None
    end = int(places[-1]) + (1 if step > 0 else -1)
    return slice(int(places[0]), None if end < 0 else end, step)


def take(x: Value, indices: Operand, axis: int | None = None) -> Value:
    """The elements at `indices` along `axis`, or of the flattened array."""
    if axis is None:
        x, axis = ravel(x), 0
    place = axis_of("take", axis, len(x.type.shape), x)
    where_ = indices if isinstance(indices, Value) else np.asarray(indices)
    return getitem(x, (*(slice(None),) * place, where_))


def take_along_axis(x: Operand, indices: Operand, axis: int | None = -1) -> Value:
    """The elements at `indices`, of as many axes as `x`, along `axis`; the others broadcast."""
    graph = graph_of((x, indices))
    x = value_in(graph, x)
    where_ = value_in(graph, indices)
    if axis is None:
        x, axis = ravel(x), 0
    rank = len(x.type.shape)
    if len(where_.type.shape) != rank:
        raise ShapeError(f"take_along_axis: {where_.type} does not have the {rank} axes of x")
    place = axis_of("take_along_axis", axis, rank, x)
    shapes = [tuple(1 if i == place else n for i, n in enumerate(x.type.shape)), where_.type.shape]
    shape = common_shape("take_along_axis", shapes)
    key: list[Any] = []
    for i in range(rank):
        along = tuple(-1 if j == i else 1 for j in range(rank))
        key.append(where_ if i == place else np.arange(shape[i]).reshape(along))
    return getitem(x, tuple(key))
