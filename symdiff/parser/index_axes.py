"""Expressions over indices: an index of a sum is an axis, and what depends on it an array.

A part is a value with a leading axis for every index that it depends on, and for no other, so
that nothing is computed more often than it has to be. The rest of its shape, the core, is that of
the expression itself: () for a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from symdiff.errors import IndexRangeError
from symdiff.ir import DType, Graph, Type, Value, i64
from symdiff.ops import (
    add,
    and_,
    broadcast,
    concatenate,
    convert,
    gather,
    iota,
    le,
    mul,
    pow,
    reduce_sum,
    reshape,
    slice_,
    transpose,
    where,
)


@dataclass(frozen=True, eq=False, slots=True)
class Axis:
    """An index that runs from `start` over `extent` whole numbers.

    `level` orders axes: those of outer sums come first.
    """

    name: str
    level: int
    start: int
    extent: int

    @property
    def last(self) -> int:
        return self.start + self.extent - 1


class Part(NamedTuple):
    """A value whose first axes are `axes`, in the order of their levels."""

    value: Value
    axes: tuple[Axis, ...] = ()

    @property
    def core(self) -> tuple[int, ...]:
        """The shape of the value for one choice of the indices."""
        return self.value.type.shape[len(self.axes) :]


@dataclass(frozen=True, slots=True)
class Affine:
    """The whole number `constant` plus a multiple of every axis in `factors`."""

    constant: int
    factors: tuple[tuple[Axis, int], ...] = ()

    def minus(self, other: Affine) -> Affine:
        """The difference."""
        factors = dict(self.factors)
        for axis, factor in other.factors:
            factors[axis] = factors.get(axis, 0) - factor
        kept = tuple((axis, factor) for axis, factor in factors.items() if factor)
        return Affine(self.constant - other.constant, kept)

    @property
    def range(self) -> tuple[int, int]:
        """The least and the greatest number that it can be, each index running freely."""
        ends = [sorted((f * axis.start, f * axis.last)) for axis, f in self.factors]
        return self.constant + sum(e[0] for e in ends), self.constant + sum(e[1] for e in ends)

    def part(self, graph: Graph) -> Part:
        """The number as i64, over its axes."""
        first = self.constant + sum(axis.start * factor for axis, factor in self.factors)
        terms = [Part(graph.const(first, Type(i64)))] if first or not self.factors else []
        for axis, factor in self.factors:
            index = iota(graph, (axis.extent,), 0, i64)
            terms.append(Part(index if factor == 1 else mul(index, factor), (axis,)))
        return reduce(lambda x, y: elementwise((x, y), add), terms)


def index_number(graph: Graph, axis: Axis, dtype: DType) -> Part:
    """The index itself as a number."""
    index = Affine(0, ((axis, 1),)).part(graph)
    return Part(convert(index.value, dtype=dtype.name), index.axes)


# Elementwise operations: everything gets the axes that anything has.


def together(parts: Sequence[Part]) -> tuple[list[Value], tuple[Axis, ...]]:
    """The values with one shape, and the axes that come first in it.

    Raises:
        ShapeError: shapes of expressions that do not broadcast.
    """
    for part in parts:
        if part.axes or part.value.type.shape:
            break
    else:  # numbers, the common case
        return [part.value for part in parts], ()
    axes = union(parts)
    core = np.broadcast_shapes(*(p.core for p in parts))
    shape = (*(axis.extent for axis in axes), *core)
    return [_spread(p, axes, shape) for p in parts], axes


def union(parts: Iterable[Part]) -> tuple[Axis, ...]:
    """All axes of the parts, outer ones first."""
    found = dict.fromkeys(axis for part in parts for axis in part.axes)
    return tuple(sorted(found, key=lambda axis: axis.level))


def _spread(part: Part, axes: tuple[Axis, ...], shape: tuple[int, ...]) -> Value:
    """The value repeated over the axes that it lacks."""
    value = part.value
    if value.type.shape == shape:
        return value
    if value.literal is not None and value.literal.scalar is not None:
        return value.graph.const(value.literal.scalar, value.type.with_shape(shape))
    present = [axis.extent if axis in part.axes else 1 for axis in axes]
    ones = (1,) * (len(shape) - len(axes) - len(part.core))
    aligned = (*present, *ones, *part.core)
    while len(aligned) > len(value.type.shape) and aligned[0] == 1:
        aligned = aligned[1:]  # broadcasting adds axes in front
    return broadcast(reshaped(value, aligned), shape=shape)


def reshaped(value: Value, shape: tuple[int, ...]) -> Value:
    """`value` in another shape, or as it is."""
    return value if value.type.shape == shape else reshape(value, shape=shape)


def elementwise(parts: Sequence[Part], build: Callable[..., Value]) -> Part:
    """`build(*values)` of the parts, brought together."""
    values, axes = together(parts)
    return Part(build(*values), axes)


# Elements of arrays.


@dataclass(frozen=True, slots=True)
class Bound:
    """The condition that `slack` is not negative: what limits an index by others."""

    slack: Affine

    def part(self, graph: Graph) -> Part:
        """Where it holds."""
        # Few terms on each side: what is added to one index alone is not added to all pairs.
        constant, factors = self.slack.constant, self.slack.factors
        below = Affine(max(0, -constant), tuple((axis, -f) for axis, f in factors if f < 0))
        above = Affine(max(0, constant), tuple((axis, f) for axis, f in factors if f > 0))
        return elementwise((below.part(graph), above.part(graph)), le)


def element(
    array: Value, indices: Sequence[Affine | Part], bounds: Sequence[Bound], text: str
) -> Part:
    """The element of `array` at `indices`, one per axis: whole numbers or integer parts.

    Indices that move along one axis each are a slice, others are gathered. Where `bounds` do not
    hold, an index may be out of range and the element is any.

    Raises:
        IndexRangeError: an index leaves its axis though no bound keeps it from doing so; `text`
            is how the user wrote the element.
    """
    ranges = [i.range if isinstance(i, Affine) else None for i in indices]
    extents = array.type.shape
    outside = [
        (axis, found, extent)
        for axis, (found, extent) in enumerate(zip(ranges, extents, strict=True))
        if found is not None and not _within(found, extent) and not _empty(indices[axis])
    ]
    if outside and not bounds:
        axis, (low, high), extent = outside[0]
        raise IndexRangeError(
            f"{text}: index {axis} runs from {low} to {high}, "
            f"but the array of shape {extents} has {extent} elements there, counted from 0"
        )
    if not outside and _is_slice(indices):
        return _slice(array, [i for i in indices if isinstance(i, Affine)])
    parts = [i.part(array.graph) if isinstance(i, Affine) else i for i in indices]
    if outside:
        held, zero = _all_hold(array.graph, bounds), Part(array.graph.const(0, Type(i64)))
        parts = [elementwise((held, _as_index(part), zero), where) for part in parts]
    values, axes = together([_as_index(part) for part in parts])
    return Part(gather(array, *values, axis=0), axes)


def _as_index(part: Part) -> Part:
    value = part.value
    return part if value.type.dtype is i64 else Part(convert(value, dtype="i64"), part.axes)


def _within(found: tuple[int, int], extent: int) -> bool:
    return found[0] >= 0 and found[1] < extent


def _empty(index: Affine | Part) -> bool:
    return isinstance(index, Affine) and any(axis.extent <= 0 for axis, _ in index.factors)


def _is_slice(indices: Sequence[Affine | Part]) -> bool:
    """Whether every index moves along one axis at most, and no two along the same."""
    moving = [i.factors for i in indices if isinstance(i, Affine)]
    used = [axis for factors in moving for axis, _ in factors]
    single = len(moving) == len(indices) and all(len(factors) <= 1 for factors in moving)
    return single and len(set(used)) == len(used)


def _slice(array: Value, indices: Sequence[Affine]) -> Part:
    start: list[int] = []
    step: list[int] = []
    shape: list[int] = []
    axes: list[Axis] = []
    for index in indices:
        for axis, factor in index.factors:
            start.append(index.constant + factor * axis.start)
            step.append(factor)
            shape.append(axis.extent)
            axes.append(axis)
        if not index.factors:
            start.append(index.constant)
            step.append(1)
            shape.append(1)
    value = array
    whole = tuple(shape) == array.type.shape and not any(start) and all(s == 1 for s in step)
    if not whole:
        value = slice_(array, start=tuple(start), step=tuple(step), shape=tuple(shape))
    value = reshaped(value, tuple(axis.extent for axis in axes))
    ordered = sorted(axes, key=lambda axis: axis.level)
    if ordered != axes:
        value = transpose(value, axes=tuple(axes.index(axis) for axis in ordered))
    return Part(value, tuple(ordered))


# Sums.


def sum_over(term: Part, axes: Sequence[Axis], bounds: Sequence[Bound]) -> Part:
    """The sum of `term` over `axes` where `bounds` hold."""
    if any(axis.extent <= 0 for axis in axes):
        return _filled(term, 0.0)
    term = _within_bounds(term, axes, bounds, 0.0)
    for axis in axes:
        if axis not in term.axes:  # the same term as often as the axis is long
            term = Part(mul(term.value, float(axis.extent)), term.axes)
    return reduce_axes(term, axes, reduce_sum)


def product_over(factor: Part, axes: Sequence[Axis], bounds: Sequence[Bound]) -> Part:
    """The product of `factor` over `axes` where `bounds` hold."""
    if any(axis.extent <= 0 for axis in axes):
        return _filled(factor, 1.0)
    factor = _within_bounds(factor, axes, bounds, 1.0)
    for axis in axes:
        if axis not in factor.axes:
            factor = Part(pow(factor.value, float(axis.extent)), factor.axes)
    return reduce_axes(factor, axes, _halved)


def _halved(value: Value, shape: tuple[int, ...]) -> Value:
    """The product of `value` down to `shape`: halves of each axis are multiplied until one is left.

    No division takes part in its derivative, which is right where factors are 0.
    """
    for axis, extent in enumerate(shape):
        while extent == 1 != (n := value.type.shape[axis]):
            half = n // 2
            product = mul(_range(value, axis, 0, half), _range(value, axis, half, half))
            odd = [_range(value, axis, n - 1, 1)] if n % 2 else []
            value = concatenate(product, *odd, axis=axis) if odd else product
    return value


def _range(value: Value, axis: int, first: int, extent: int) -> Value:
    """`extent` elements along `axis` from `first` on."""
    shape = value.type.shape
    start = tuple(first if i == axis else 0 for i in range(len(shape)))
    kept = tuple(extent if i == axis else n for i, n in enumerate(shape))
    return slice_(value, start=start, step=(1,) * len(shape), shape=kept)


def _filled(part: Part, number: float) -> Part:
    type = Type(part.value.type.dtype, part.core)
    return Part(part.value.graph.const(number, type))


def _within_bounds(
    term: Part, axes: Sequence[Axis], bounds: Sequence[Bound], number: float
) -> Part:
    """`term`, and `number` where the bounds of `axes` do not hold."""
    # Bounds of outer sums are needed, too, where the term may be infinite or NaN beyond them,
    # but not if they would repeat it over more axes than it has.
    own = [b for b in bounds if any(axis in axes for axis, _ in b.slack.factors)]
    reach = {*term.axes, *(axis for b in own for axis, _ in b.slack.factors)}
    used = [b for b in bounds if reach.issuperset(axis for axis, _ in b.slack.factors)]
    if not used:
        return term
    graph = term.value.graph
    other = Part(graph.const(number, Type(term.value.type.dtype)))
    return elementwise((_all_hold(graph, used), term, other), where)


def reduce_axes(term: Part, axes: Sequence[Axis], reduction: Any) -> Part:
    """`term` without `axes`, reduced along those that it has."""
    shape = term.value.type.shape
    n = len(term.axes)
    ones = tuple(1 if axis in axes else axis.extent for axis in term.axes)
    if ones == shape[:n]:
        total = term.value
    else:
        total = reduction(term.value, shape=(*ones, *shape[n:]))
    kept = tuple(axis for axis in term.axes if axis not in axes)
    return Part(reshaped(total, (*(axis.extent for axis in kept), *shape[n:])), kept)


def _all_hold(graph: Graph, bounds: Sequence[Bound]) -> Part:
    return reduce(lambda x, y: elementwise((x, y), and_), (b.part(graph) for b in bounds))
