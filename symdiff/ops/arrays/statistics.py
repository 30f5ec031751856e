"""Sums, extrema, moments and what is built on them, along axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from symdiff.errors import ShapeError, UnsupportedError
from symdiff.ir import Value, boolean, dtype_named, f64, i64
from symdiff.ops import reduction
from symdiff.ops.arithmetic import abs as absolute
from symdiff.ops.arithmetic import div, mul, sqrt, sub
from symdiff.ops.arrays.promote import (
    Operand,
    cast,
    common_shape,
    elementwise,
    graph_of,
    isfinite,
    spread,
    value_in,
)
from symdiff.ops.arrays.shapes import Axes, axes_of, axis_of, joined, part, ravel, reshaped
from symdiff.ops.comparison import eq, ne, where
from symdiff.ops.control import stop_gradient
from symdiff.ops.define import like
from symdiff.ops.structure import Ints, reduce_sum
from symdiff.ops.transcendental import exp, log, pow


def _kept(x: Value, axes: Ints) -> Ints:
    return tuple(1 if i in axes else n for i, n in enumerate(x.type.shape))


def _dropped(x: Value, axes: Ints) -> Value:
    """`x` without `axes`, whose extents are 1."""
    return reshaped(x, tuple(n for i, n in enumerate(x.type.shape) if i not in axes))


def _finished(x: Value, axes: Ints, keepdims: bool) -> Value:
    return x if keepdims else _dropped(x, axes)


def _summed(x: Value, axes: Ints, keepdims: bool = True) -> Value:
    return _reduced(reduce_sum, x, axes, keepdims)


def _reduced(op: Any, x: Value, axes: Ints, keepdims: bool) -> Value:
    """`op` over `axes`, which stay with extent 1 or go."""
    if not axes:
        return x
    if not keepdims and axes == tuple(range(len(axes))):  # leading axes: one operation
        return op(x, shape=x.type.shape[len(axes) :])
    return _finished(op(x, shape=_kept(x, axes)), axes, keepdims)


def _as_numbers(x: Value, dtype: Any) -> Value:
    """`x` in the dtype in which NumPy adds it up: whole numbers as i64."""
    if dtype is not None:
        return cast(x, dtype_named(dtype))
    return x if x.type.dtype.kind == "f" else cast(x, i64)


def as_floats(x: Value, dtype: Any = None) -> Value:
    """`x` as floating-point numbers: f64 unless it has some already, or `dtype` says otherwise."""
    if dtype is not None:
        return cast(x, dtype_named(dtype))
    return x if x.type.dtype.kind == "f" else cast(x, f64)


def sum(x: Value, axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> Value:
    """The sum over `axis`, over all for None."""
    axes = axes_of("sum", axis, x)
    return _summed(_as_numbers(x, dtype), axes, keepdims)


def mean(x: Value, axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> Value:
    """The mean over `axis`; of integers in f64."""
    axes = axes_of("mean", axis, x)
    total = _summed(as_floats(x, dtype), axes, keepdims)
    return div(total, like(total, _count(x, axes)))


def _count(x: Value, axes: Ints) -> int:
    return int(np.prod([x.type.shape[a] for a in axes], dtype=np.int64))


def average(x: Value, axis: Axes = None, weights: Operand = None, keepdims: bool = False) -> Value:
    """The mean, weighted where there are `weights` (of the shape of `x`, or of its one axis)."""
    if weights is None:
        return mean(x, axis, keepdims)
    graph = graph_of((x, weights))
    w = as_floats(value_in(graph, weights))
    axes = axes_of("average", axis, x)
    if w.type.shape != x.type.shape:
        if len(axes) != 1 or w.type.shape != (x.type.shape[axes[0]],):
            raise ShapeError(f"average: weights {w.type} do not fit {x.type} along axis {axis}")
        w = reshaped(w, tuple(n if i in axes else 1 for i, n in enumerate(x.type.shape)))
    total = sum(elementwise("mul", x, w), axis, keepdims)
    return elementwise("div", total, sum(spread(w, x.type.shape), axis, keepdims))


def prod(x: Value, axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> Value:
    """The product over `axis`: a balanced tree, so that its derivative is right at zeros too."""
    axes = axes_of("prod", axis, x)
    x = _as_numbers(x, dtype)
    for a in axes:
        x = _multiplied(x, a)
    return _finished(x, axes, keepdims)


def _multiplied(x: Value, axis: int) -> Value:
    n = x.type.shape[axis]
    if n == 0:
        return x.graph.const(1, x.type.with_shape(_kept(x, (axis,))))
    rest: Value | None = None
    while n > 1:
        if n % 2:
            last = part(x, axis, n - 1, 1)
            rest = last if rest is None else mul(last, rest)
        n //= 2
        x = mul(part(x, axis, 0, n), part(x, axis, n, n))
    return x if rest is None else mul(x, rest)


def _extremum(name: str, x: Value, axis: Axes, keepdims: bool) -> Value:
    axes = axes_of(name, axis, x)
    if not axes:
        return x
    if _count(x, axes) == 0:
        raise ShapeError(f"{name}: {x.type} has no elements along axis {axis}")
    numbers = cast(x, i64) if x.type.dtype is boolean else x
    op = reduction.reduce_max if name in ("max", "any") else reduction.reduce_min
    return cast(_reduced(op, numbers, axes, keepdims), x.type.dtype)


def max(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """The largest element along `axis`; elements that tie share the derivative."""
    return _extremum("max", x, axis, keepdims)


def min(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """The smallest element along `axis`; elements that tie share the derivative."""
    return _extremum("min", x, axis, keepdims)


def ptp(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """The largest less the smallest element."""
    return sub(max(x, axis, keepdims), min(x, axis, keepdims))


def _truth(name: str, x: Value, axis: Axes, keepdims: bool, of_none: bool) -> Value:
    axes = axes_of(name, axis, x)
    holds = cast(x, boolean)
    if _count(x, axes) == 0:
        empty = x.graph.const(of_none, holds.type.with_shape(_kept(x, axes)))
        return _finished(empty, axes, keepdims)
    return _extremum(name, holds, axis, keepdims)


def any(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Whether an element along `axis` holds."""
    return _truth("any", x, axis, keepdims, of_none=False)


def all(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Whether every element along `axis` holds."""
    return _truth("all", x, axis, keepdims, of_none=True)


def count_nonzero(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """The number of elements other than 0 along `axis`."""
    return sum(cast(x, boolean), axis, keepdims)


def _position(name: str, x: Value, axis: int | None, keepdims: bool) -> Value:
    shape = x.type.shape
    if axis is None:
        found = _position(name, ravel(x), 0, False)
        return reshaped(found, (1,) * len(shape)) if keepdims else found
    place = axis_of(name, axis, len(shape), x)
    if shape[place] == 0:
        raise ShapeError(f"{name}: {x.type} has no elements along axis {axis}")
    numbers = cast(x, i64) if x.type.dtype is boolean else x
    op = reduction.argmax if name == "argmax" else reduction.argmin
    found = op(numbers, axis=place)
    return reshaped(found, _kept(x, (place,))) if keepdims else found


def argmax(x: Value, axis: int | None = None, keepdims: bool = False) -> Value:
    """The index of the largest element, of the first one where several tie."""
    return _position("argmax", x, axis, keepdims)


def argmin(x: Value, axis: int | None = None, keepdims: bool = False) -> Value:
    """The index of the smallest element, of the first one where several tie."""
    return _position("argmin", x, axis, keepdims)


def cumsum(x: Value, axis: int | None = None, dtype: Any = None) -> Value:
    """The running sum along `axis`, of the flattened array for None."""
    if axis is None:
        x, axis = ravel(x), 0
    place = axis_of("cumsum", axis, len(x.type.shape), x)
    return reduction.cumsum(_as_numbers(x, dtype), axis=place, reverse=False)


def cumprod(x: Value, axis: int | None = None, dtype: Any = None) -> Value:
    """The running product along `axis`: log2(n) products of shifted arrays."""
    if axis is None:
        x, axis = ravel(x), 0
    place = axis_of("cumprod", axis, len(x.type.shape), x)
    x, n, shift = _as_numbers(x, dtype), x.type.shape[place], 1
    while shift < n:
        product = mul(part(x, place, shift, n - shift), part(x, place, 0, n - shift))
        x = joined([part(x, place, 0, shift), product], place)
        shift *= 2
    return x


def diff(x: Value, n: int = 1, axis: int = -1) -> Value:
    """The differences of neighbours along `axis`, taken `n` times."""
    place = axis_of("diff", axis, len(x.type.shape), x)
    if n < 0:
        raise ShapeError(f"diff: cannot be taken {n} times")
    for _ in range(n):
        extent = x.type.shape[place] - 1
        if extent < 0:
            break
        later, earlier = part(x, place, 1, extent), part(x, place, 0, extent)
        x = ne(later, earlier) if x.type.dtype is boolean else sub(later, earlier)
    return x


# Moments and norms.


def var(
    x: Value, axis: Axes = None, ddof: float = 0, keepdims: bool = False, dtype: Any = None
) -> Value:
    """The variance over `axis`, with `n - ddof` in the denominator."""
    axes = axes_of("var", axis, x)
    x = as_floats(x, dtype)
    away = sub(x, spread(mean(x, axes, keepdims=True), x.type.shape))
    total = _summed(mul(away, away), axes, keepdims)
    freedom = np.maximum(_count(x, axes) - ddof, 0.0)
    return div(total, like(total, float(freedom)))


def std(
    x: Value, axis: Axes = None, ddof: float = 0, keepdims: bool = False, dtype: Any = None
) -> Value:
    """The standard deviation; its derivative is 0 where it is 0."""
    return root(var(x, axis, ddof, keepdims, dtype))


def root(x: Value) -> Value:
    """The square root, with derivative 0 at 0."""
    return where(eq(x, like(x, 0.0)), like(x, 0.0), sqrt(x))


def norm(x: Value, ord: Any = None, axis: Axes = None, keepdims: bool = False) -> Value:
    """The norm of vectors along one axis, or of matrices along two; `numpy.linalg.norm`.

    The derivative at 0 is 0.

    Raises:
        UnsupportedError: a norm by singular values (2, -2, 'nuc' of a matrix).
    """
    x = as_floats(x)
    axes = axes_of("norm", axis, x)
    euclidean = ord is None or (ord in ("fro", "f") and len(axes) == 2)
    if euclidean and (axis is None or len(axes) <= 2):
        return root(_summed(mul(x, x), axes, keepdims))
    if len(axes) == 1:
        return _finished(_vector_norm(x, ord, axes), axes, keepdims)
    if len(axes) != 2:
        raise ShapeError(f"norm: ord={ord!r} needs one axis or two, got {x.type}, axis={axis}")
    if ord not in (1, -1, np.inf, -np.inf):
        raise UnsupportedError(f"norm: ord={ord!r} of a matrix")
    row, column = axes if axis is None or isinstance(axis, int) else [
        axis_of("norm", a, len(x.type.shape), x) for a in axis
    ]  # fmt: skip
    over, along = ((row,), (column,)) if np.abs(ord) == 1 else ((column,), (row,))
    lengths = _summed(absolute(x), over)
    extreme = max if ord > 0 else min
    return _finished(extreme(lengths, along, keepdims=True), axes, keepdims)


def _vector_norm(x: Value, ord: Any, axes: Ints) -> Value:
    if ord is None or ord == 2:
        return root(_summed(mul(x, x), axes))
    if isinstance(ord, (str, bool)) or not isinstance(ord, (int, float)):
        raise ShapeError(f"norm: ord={ord!r} is no norm of a vector")
    if ord in (np.inf, -np.inf):
        return (max if ord > 0 else min)(absolute(x), axes, keepdims=True)
    if ord == 0:
        return _summed(cast(ne(x, like(x, 0.0)), x.type.dtype), axes)
    if ord == 1:
        return _summed(absolute(x), axes)
    size = absolute(x)
    total = _summed(pow(size, like(size, float(ord))), axes)
    rooted = pow(total, like(total, 1.0 / ord))
    return where(eq(total, like(total, 0.0)), rooted if ord < 0 else like(total, 0.0), rooted)


# Exponentials.


def _shifted(x: Value, axes: Ints) -> tuple[Value, Value]:
    """exp(x - m), which cannot overflow, and m: the largest element, or 0 if it is not finite."""
    top = stop_gradient(reduction.reduce_max(x, shape=_kept(x, axes))) if axes else stop_gradient(x)
    top = where(isfinite(top), top, like(top, 0.0))
    return exp(sub(x, spread(top, x.type.shape))), top


def logsumexp(x: Value, axis: Axes = None, b: Operand = None, keepdims: bool = False) -> Value:
    """log(sum(b exp(x))) over `axis`, without overflow; its exponentials serve its gradient."""
    x = as_floats(x)
    weights = None if b is None else as_floats(value_in(x.graph, b))
    if weights is not None:
        shapes = [x.type.shape, weights.type.shape]
        x = spread(x, common_shape("logsumexp", shapes))
    axes = axes_of("logsumexp", axis, x)
    if _count(x, axes) == 0:
        empty = x.graph.const(-np.inf, x.type.with_shape(_kept(x, axes)))
        return _finished(empty, axes, keepdims)
    powers, top = _shifted(x, axes)
    if weights is not None:
        powers = elementwise("mul", weights, powers)
    total = log(_summed(powers, axes))
    return _finished(elementwise("add", total, top), axes, keepdims)


def softmax(x: Value, axis: Axes = None) -> Value:
    """exp(x) / sum(exp(x)) over `axis` (all for None), without overflow."""
    x = as_floats(x)
    axes = axes_of("softmax", axis, x)
    if _count(x, axes) == 0:
        return x
    powers, _ = _shifted(x, axes)
    return div(powers, spread(_summed(powers, axes), x.type.shape))


def log_softmax(x: Value, axis: Axes = None) -> Value:
    """log(softmax(x)) over `axis` (all for None), without cancellation."""
    x = as_floats(x)
    axes = axes_of("log_softmax", axis, x)
    if _count(x, axes) == 0:
        return x
    powers, top = _shifted(x, axes)
    total = log(_summed(powers, axes))
    shape = x.type.shape
    return sub(sub(x, spread(top, shape)), spread(total, shape))


def nan_to_num(
    x: Value, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Value:
    """`x` with numbers in place of NaN and the infinities."""
    if x.type.dtype.kind != "f":
        return x
    limit = float(np.finfo(x.type.dtype.name.replace("f", "float")).max)
    high, low = limit if posinf is None else posinf, -limit if neginf is None else neginf
    x = where(ne(x, x), like(x, nan), x)
    x = where(eq(x, like(x, np.inf)), like(x, high), x)
    return where(eq(x, like(x, -np.inf)), like(x, low), x)
