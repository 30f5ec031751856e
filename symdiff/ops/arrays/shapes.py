"""NumPy's functions that move elements: shapes, order, joining, repeating, triangles."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from operator import index
from typing import Any

import numpy as np

from symdiff.errors import ShapeError
from symdiff.ir import Type, Value, i64
from symdiff.ops import structure
from symdiff.ops.arithmetic import add
from symdiff.ops.arrays.promote import (
    Operand,
    common_dtype,
    common_shape,
    graph_of,
    spread,
    value_in,
)
from symdiff.ops.comparison import le, where
from symdiff.ops.define import like
from symdiff.ops.indexing import gather
from symdiff.ops.structure import Ints, embed, iota, slice_

Axes = int | Sequence[int] | None


def axis_of(name: str, axis: Any, rank: int, x: Value | None = None) -> int:
    """`axis` counted from the front.

    Raises:
        ShapeError: there is no such axis, or it is no whole number.
    """
    try:
        place = index(axis)
    except TypeError:
        raise ShapeError(f"{name}: an axis is a whole number, not {axis!r}") from None
    if not -rank <= place < rank:
        of = f"{x.type}" if x is not None else f"{rank} axes"
        raise ShapeError(f"{name}: axis {place} is out of range for {of}")
    return place % rank


def axes_of(name: str, axis: Any, x: Value) -> Ints:
    """The axes that `axis` (a number, several, or None for all) denotes, in order."""
    rank = len(x.type.shape)
    if axis is None:
        return tuple(range(rank))
    several: Sequence[Any] = axis if isinstance(axis, (tuple, list)) else (axis,)
    found = tuple(axis_of(name, a, rank, x) for a in several)
    if len(set(found)) != len(found):
        raise ShapeError(f"{name}: an axis is given twice in {tuple(several)}")
    return tuple(sorted(found))


def shape_given(name: str, shape: Any) -> Ints:
    """A shape given as a number or a sequence of numbers."""
    several = (shape,) if not isinstance(shape, (tuple, list, np.ndarray)) else shape
    try:
        return tuple(index(n) for n in several)
    except TypeError:
        if any(isinstance(n, Value) for n in several):
            raise ShapeError(
                f"{name}: a shape is whole numbers, but a computed value is among these; "
                "close over a Python int"
            ) from None
        raise ShapeError(f"{name}: a shape is whole numbers, not {shape!r}") from None


# Shape and order.


def reshape(x: Value, shape: int | Sequence[int]) -> Value:
    """The elements of `x` in C order in another shape; one extent may be -1."""
    wanted = shape_given("reshape", shape)
    known = prod(n for n in wanted if n != -1)
    size = x.type.size
    if wanted.count(-1) == 1 and known > 0 and size % known == 0:
        wanted = tuple(size // known if n == -1 else n for n in wanted)
    if any(n < 0 for n in wanted) or prod(wanted) != size:
        raise ShapeError(f"reshape: {x.type} has {size} elements, which do not fit shape {wanted}")
    return reshaped(x, wanted)


def reshaped(x: Value, shape: Ints) -> Value:
    """`x` in a shape known to fit; itself where it has that shape."""
    return x if x.type.shape == shape else structure.reshape(x, shape=shape)


def ravel(x: Value) -> Value:
    """The elements of `x` in C order along one axis."""
    return reshaped(x, (x.type.size,))


def transpose(x: Value, axes: Sequence[int] | None = None) -> Value:
    """`x` with its axes reversed, or in the order `axes`."""
    rank = len(x.type.shape)
    if axes is None:
        return permuted(x, tuple(reversed(range(rank))))
    order = tuple(axis_of("transpose", a, rank, x) for a in axes)
    if sorted(order) != list(range(rank)):
        raise ShapeError(f"transpose: {tuple(axes)} is no order of the axes of {x.type}")
    return permuted(x, order)


def permuted(x: Value, axes: Ints) -> Value:
    """`x` with its axes in a known order; itself where nothing moves."""
    return x if axes == tuple(range(len(axes))) else structure.transpose(x, axes=axes)


def matrix_transpose(x: Value) -> Value:
    """`x` with its last two axes exchanged."""
    if len(x.type.shape) < 2:
        raise ShapeError(f"matrix_transpose: expected at least two axes, got {x.type}")
    return swapaxes(x, -1, -2)


def swapaxes(x: Value, axis1: int, axis2: int) -> Value:
    """`x` with two axes exchanged."""
    order = list(range(len(x.type.shape)))
    a, b = (axis_of("swapaxes", n, len(order), x) for n in (axis1, axis2))
    order[a], order[b] = order[b], order[a]
    return permuted(x, tuple(order))


def moveaxis(x: Value, source: int | Sequence[int], destination: int | Sequence[int]) -> Value:
    """`x` with the axes `source` at the positions `destination`, the others in order."""
    rank = len(x.type.shape)
    pair: list[Ints] = []
    for given in (source, destination):
        several = given if isinstance(given, (tuple, list)) else (given,)
        pair.append(tuple(axis_of("moveaxis", a, rank, x) for a in several))
    old, new = pair
    if len(old) != len(new) or len(set(old)) != len(old) or len(set(new)) != len(new):
        raise ShapeError(f"moveaxis: {source} and {destination} do not pair up for {x.type}")
    order = [a for a in range(rank) if a not in old]
    for place, axis in sorted(zip(new, old, strict=True)):
        order.insert(place, axis)
    return permuted(x, tuple(order))


def squeeze(x: Value, axis: Axes = None) -> Value:
    """`x` without its axes of extent 1, or without those given."""
    shape = x.type.shape
    gone = (
        [i for i, n in enumerate(shape) if n == 1] if axis is None else axes_of("squeeze", axis, x)
    )
    if any(shape[a] != 1 for a in gone):
        raise ShapeError(f"squeeze: axis {axis} of {x.type} has an extent other than 1")
    return reshaped(x, tuple(n for i, n in enumerate(shape) if i not in gone))


def expand_dims(x: Value, axis: int | Sequence[int]) -> Value:
    """`x` with new axes of extent 1 at the positions `axis` of the result."""
    several = axis if isinstance(axis, (tuple, list)) else (axis,)
    rank = len(x.type.shape) + len(several)
    new = {axis_of("expand_dims", a, rank) for a in several}
    if len(new) != len(several):
        raise ShapeError(f"expand_dims: an axis is given twice in {axis}")
    rest = iter(x.type.shape)
    return reshaped(x, tuple(1 if i in new else next(rest) for i in range(rank)))


def broadcast_to(x: Value, shape: int | Sequence[int]) -> Value:
    """`x` broadcast to `shape`."""
    wanted = shape_given("broadcast_to", shape)
    lead = len(wanted) - len(x.type.shape)
    pairs = zip(x.type.shape, wanted[max(lead, 0) :], strict=lead >= 0)
    if lead < 0 or min(wanted, default=0) < 0 or any(n not in (1, m) for n, m in pairs):
        raise ShapeError(f"broadcast_to: {x.type} does not broadcast to shape {wanted}")
    return spread(x, wanted)


def broadcast_arrays(*operands: Operand) -> tuple[Value, ...]:
    """The operands, each in its own dtype, in their common shape."""
    graph = graph_of(operands)
    values = [value_in(graph, o) for o in operands]
    shape = common_shape("broadcast_arrays", [v.type.shape for v in values])
    return tuple(spread(v, shape) for v in values)


def atleast(rank: int, x: Value) -> Value:
    """`x` with at least `rank` axes (1, 2 or 3), new ones where NumPy puts them."""
    shape = x.type.shape
    if len(shape) >= rank:
        return x
    if rank == 3 and shape:
        return reshaped(x, (1, *shape, 1) if len(shape) == 1 else (*shape, 1))
    return reshaped(x, (1,) * (rank - len(shape)) + shape)


def atleast_1d(x: Value) -> Value:
    """`x`, a scalar as one element."""
    return atleast(1, x)


def atleast_2d(x: Value) -> Value:
    """`x`, a vector as one row."""
    return atleast(2, x)


def atleast_3d(x: Value) -> Value:
    """`x` with at least three axes."""
    return atleast(3, x)


# Joining and repeating.


def _promoted(parts: Sequence[Operand]) -> list[Value]:
    graph, dtype = graph_of(parts), common_dtype(parts)
    return [value_in(graph, p, dtype) for p in parts]


def concatenate(arrays: Sequence[Operand], axis: int | None = 0) -> Value:
    """The arrays one after the other along `axis`; flattened where it is None."""
    values = _promoted(list(arrays))
    if axis is None:
        values, axis = [ravel(v) for v in values], 0
    first = values[0].type.shape
    if not first:
        raise ShapeError("concatenate: scalars cannot be concatenated; use stack")
    place = axis_of("concatenate", axis, len(first), values[0])
    rest = first[:place] + first[place + 1 :]
    for value in values:
        shape = value.type.shape
        if len(shape) != len(first) or shape[:place] + shape[place + 1 :] != rest:
            shapes = ", ".join(str(v.type.shape) for v in values)
            raise ShapeError(f"concatenate: the shapes {shapes} differ outside of axis {place}")
    return joined(values, place)


def joined(values: Sequence[Value], axis: int) -> Value:
    """Values known to fit, one after the other; the only one where there is one."""
    return values[0] if len(values) == 1 else structure.concatenate(*values, axis=axis)


def stack(arrays: Sequence[Operand], axis: int = 0) -> Value:
    """The arrays, all of one shape, along a new axis."""
    values = _promoted(list(arrays))
    shapes = [v.type.shape for v in values]
    if any(s != shapes[0] for s in shapes):
        raise ShapeError(f"stack: the shapes {', '.join(map(str, shapes))} are not all the same")
    place = axis_of("stack", axis, len(shapes[0]) + 1)
    shape = (*shapes[0][:place], 1, *shapes[0][place:])
    return joined([reshaped(v, shape) for v in values], place)


def vstack(arrays: Sequence[Operand]) -> Value:
    """The arrays one below the other."""
    return concatenate([atleast(2, v) for v in _promoted(list(arrays))], 0)


def hstack(arrays: Sequence[Operand]) -> Value:
    """The arrays side by side."""
    values = [atleast(1, v) for v in _promoted(list(arrays))]
    return concatenate(values, 0 if len(values[0].type.shape) == 1 else 1)


def column_stack(arrays: Sequence[Operand]) -> Value:
    """Vectors as columns, matrices side by side."""
    values = [atleast(1, v) for v in _promoted(list(arrays))]
    columns = [reshaped(v, (*v.type.shape, 1)) if len(v.type.shape) == 1 else v for v in values]
    return concatenate(columns, 1)


def split(x: Value, indices_or_sections: Any, axis: int = 0) -> list[Value]:
    """The parts of `x` between the given places along `axis`, or so many equal parts."""
    place = axis_of("split", axis, len(x.type.shape), x)
    extent = x.type.shape[place]
    if isinstance(indices_or_sections, (tuple, list, np.ndarray)):
        given = [slice(None, int(i)).indices(extent)[1] for i in indices_or_sections]
    else:
        parts = index(indices_or_sections)
        if parts <= 0 or extent % parts:
            raise ShapeError(f"split: axis {place} of {x.type} does not make {parts} equal parts")
        given = [extent // parts * i for i in range(1, parts)]
    starts, ends = [0, *given], [*given, extent]
    return [part(x, place, a, max(0, b - a)) for a, b in zip(starts, ends, strict=True)]


def part(x: Value, axis: int, start: int, count: int, step: int = 1) -> Value:
    """`count` elements along `axis` from `start` on."""
    shape = x.type.shape
    if start == 0 and count == shape[axis] and step == 1:
        return x
    starts = tuple(start if i == axis and count else 0 for i in range(len(shape)))
    steps = tuple(step if i == axis else 1 for i in range(len(shape)))
    wanted = tuple(count if i == axis else n for i, n in enumerate(shape))
    return slice_(x, start=starts, step=steps, shape=wanted)


def flip(x: Value, axis: Axes = None) -> Value:
    """`x` in reverse order along `axis`, or along all."""
    axes = axes_of("flip", axis, x)
    shape = x.type.shape
    if not axes or 0 in shape:
        return x
    start = tuple(n - 1 if i in axes else 0 for i, n in enumerate(shape))
    step = tuple(-1 if i in axes else 1 for i in range(len(shape)))
    return slice_(x, start=start, step=step, shape=shape)


def roll(x: Value, shift: int | Sequence[int], axis: Axes = None) -> Value:
    """`x` with its elements moved on by `shift`, those at the end coming in at the front."""
    if axis is None:
        if not isinstance(shift, int):
            raise ShapeError("roll: several shifts need as many axes")
        return reshaped(roll(ravel(x), shift, 0), x.type.shape)
    rank = len(x.type.shape)
    several = axis if isinstance(axis, (tuple, list)) else (axis,)
    shifts: Sequence[int] = [shift] * len(several) if isinstance(shift, int) else shift
    if len(shifts) != len(several):
        raise ShapeError(f"roll: {len(shifts)} shifts for {len(several)} axes")
    for one, by in zip(several, shifts, strict=True):
        place = axis_of("roll", one, rank, x)
        extent = x.type.shape[place]
        first = -by % extent if extent else 0
        if first:
            parts = [part(x, place, first, extent - first), part(x, place, 0, first)]
            x = joined(parts, place)
    return x


def repeat(x: Value, repeats: Any, axis: int | None = None) -> Value:
    """Each element `repeats` times in a row along `axis` (of the flattened array for None)."""
    if axis is None:
        x, axis = ravel(x), 0
    shape = x.type.shape
    place = axis_of("repeat", axis, len(shape), x)
    counts = np.asarray(repeats)
    if counts.dtype.kind not in "iu" or (counts.size and counts.min() < 0) or counts.ndim > 1:
        raise ShapeError(f"repeat: {repeats!r} are no counts")
    if counts.size == 1:
        times = int(counts.reshape(()))
        inner = reshaped(x, (*shape[: place + 1], 1, *shape[place + 1 :]))
        wide = spread(inner, (*shape[: place + 1], times, *shape[place + 1 :]))
        return reshaped(wide, (*shape[:place], shape[place] * times, *shape[place + 1 :]))
    if counts.shape != (shape[place],):
        raise ShapeError(f"repeat: {counts.size} counts for axis {place} of {x.type}")
    return along(x, np.repeat(np.arange(shape[place]), counts), place)


def along(x: Value, places: Any, axis: int) -> Value:
    """The elements at constant `places`, known to be in range, along `axis`."""
    where_ = x.graph.const(places, Type(i64, np.shape(places)))
    return gather(x, where_, axis=axis)


def tile(x: Value, reps: int | Sequence[int]) -> Value:
    """`x` repeated as a whole, `reps` times along each axis."""
    times = shape_given("tile", reps)
    rank = max(len(times), len(x.type.shape))
    shape = (1,) * (rank - len(x.type.shape)) + x.type.shape
    times = (1,) * (rank - len(times)) + times
    if any(n < 0 for n in times):
        raise ShapeError(f"tile: negative repetitions {reps}")
    inner = tuple(m for n in shape for m in (1, n))
    outer = tuple(m for n, t in zip(shape, times, strict=True) for m in (t, n))
    wide = spread(reshaped(x, inner), outer)
    return reshaped(wide, tuple(n * t for n, t in zip(shape, times, strict=True)))


def pad(x: Value, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Value:
    """`x` with elements added before and after each axis, as `numpy.pad` does.

    The modes are constant, edge, reflect, symmetric, wrap and empty (which gives zeros).
    """
    shape = x.type.shape
    widths = _pairs("pad_width", pad_width, len(shape))
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap", "empty"):
        raise ShapeError(f"pad: unknown mode {mode!r}")
    if any(n < 0 for pair in widths for n in pair):
        raise ShapeError(f"pad: negative widths {pad_width}")
    if mode in ("constant", "empty"):
        values = _pairs("constant_values", constant_values, len(shape))
        return _padded(x, widths, values)
    for axis, (before, after) in enumerate(widths):
        if before or after:
            if shape[axis] == 0:
                raise ShapeError(f"pad: axis {axis} of {x.type} has no elements to extend")
            numbers: Any = np.arange(shape[axis])
            x = along(x, np.pad(numbers, (before, after), mode=mode), axis)  # type: ignore[arg-type]
    return x


def _pairs(what: str, given: Any, rank: int) -> list[tuple[Any, Any]]:
    try:
        whole = np.broadcast_to(np.asarray(given), (rank, 2))
    except ValueError:
        raise ShapeError(f"pad: {what}={given!r} does not fit {rank} axes") from None
    if what == "pad_width" and whole.size and whole.dtype.kind not in "iu":
        raise ShapeError(f"pad: {what}={given!r} must be whole numbers")
    return [(a.item(), b.item()) for a, b in whole]


def _padded(x: Value, widths: list[tuple[int, int]], values: list[tuple[Any, Any]]) -> Value:
    """`x` between constants; zeros all around are one operation."""
    rank = len(widths)
    if not any(n for pair in widths for n in pair):
        return x
    if not any(v for pair in values for v in pair):
        shape = tuple(n + a + b for n, (a, b) in zip(x.type.shape, widths, strict=True))
        return embed(x, start=tuple(a for a, _ in widths), step=(1,) * rank, shape=shape)
    for axis in range(rank):
        parts = [x]
        for side in (0, 1):
            if widths[axis][side]:
                shape = x.type.shape
                border = (*shape[:axis], widths[axis][side], *shape[axis + 1 :])
                block = x.graph.const(values[axis][side], x.type.with_shape(border))
                parts.insert(0 if side == 0 else len(parts), block)
        x = joined(parts, axis)
    return x


# Diagonals and triangles.


def diagonal(x: Value, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Value:
    """The diagonal of the matrices along `axis1` and `axis2`, as the last axis."""
    rank = len(x.type.shape)
    if rank < 2:
        raise ShapeError(f"diagonal: expected at least two axes, got {x.type}")
    a, b = axis_of("diagonal", axis1, rank, x), axis_of("diagonal", axis2, rank, x)
    if a == b:
        raise ShapeError(f"diagonal: axis1 and axis2 are both {a}")
    x = permuted(x, (*(i for i in range(rank) if i not in (a, b)), a, b))
    rows, columns = x.type.shape[-2:]
    row, column = max(0, -offset), max(0, offset)
    n = max(0, min(rows - row, columns - column))
    square = part(part(x, rank - 2, row, n), rank - 1, column, n)
    flat = reshaped(square, (*x.type.shape[:-2], n * n))
    return part(flat, rank - 2, 0, n, n + 1)


def diag(x: Value, k: int = 0) -> Value:
    """The diagonal of a matrix, or the matrix with a vector as its diagonal."""
    shape = x.type.shape
    if len(shape) == 2:
        return diagonal(x, k)
    if len(shape) != 1:
        raise ShapeError(f"diag: expected a vector or a matrix, got {x.type}")
    n = shape[0] + abs(k)
    start = k if k >= 0 else -k * n
    if not shape[0]:
        return x.graph.const(0.0, x.type.with_shape((n, n)))
    return reshaped(embed(x, start=(start,), step=(n + 1,), shape=(n * n,)), (n, n))


def _triangle(name: str, x: Value, k: int, lower: bool) -> Value:
    shape = x.type.shape
    if len(shape) < 2:
        raise ShapeError(f"{name}: expected at least two axes, got {x.type}")
    row, column = (iota(x.graph, shape[-2:], axis, i64) for axis in (0, 1))
    inside = le(column, add(row, k)) if lower else le(add(row, k), column)
    return where(spread(inside, shape), x, like(x, 0))


def tril(x: Value, k: int = 0) -> Value:
    """The matrices of `x` with zeros above the k-th diagonal."""
    return _triangle("tril", x, k, lower=True)


def triu(x: Value, k: int = 0) -> Value:
    """The matrices of `x` with zeros below the k-th diagonal."""
    return _triangle("triu", x, k, lower=False)
