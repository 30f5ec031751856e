"""Arrays along the indices of sums: what depends on an index has an axis for it.

An `Indexed` has an axis for each index that it depends on, and for no other, so that nothing is
computed more often than it has to be. No loop is unrolled: a sum over an index is a sum over its
axis. Where bounds depend on outer indices, and where conditions stand, the terms that do not count
are replaced by 0 right below the sum: `reduce_sum(where(lt(iota, iota), term, 0))`, which code
generation turns into bounds of loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from math import prod
from typing import Any

import numpy as np

from symdiff.ir import DType, Graph, Type, Value, f64, i64
from symdiff.ops import (
    add,
    and_,
    arrays,
    convert,
    iota,
    le,
    lt,
    mul,
    reduce_max,
    reduce_min,
    reduce_sum,
    sub,
)
from symdiff.ops.arrays.shapes import reshaped
from symdiff.parser.affine import Affine, Index, by_level

Ints = tuple[int, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Indexed:
    """An array whose first axes run along the indices `axes`, outer loops first.

    The rest of its shape, the core, is that of the expression itself.
    """

    value: Value
    axes: tuple[Index, ...]
    type: Any = None

    @property
    def core(self) -> Ints:
        return self.value.type.shape[len(self.axes) :]


Part = Value | Indexed


@dataclass(eq=False, slots=True)
class Loops:
    """The loops of a sum, and where its term counts; or where a branch is taken.

    Attributes:
        indices: what it runs over; nothing for the branches of a choice.
        conditions: whole numbers that are 0 or more where the term counts.
        masks: conditions of other kinds.
    """

    indices: list[Index] = field(default_factory=list[Index])
    conditions: list[Affine] = field(default_factory=list[Affine])
    masks: list[Part] = field(default_factory=list[Part])

    @property
    def limits(self) -> list[Affine]:
        """The conditions that do not hold everywhere."""
        return [c for c in self.conditions if c.bounds[0] < 0]


def axes_of(part: Part) -> tuple[Index, ...]:
    return part.axes if isinstance(part, Indexed) else ()


def core_of(part: Part) -> Ints:
    return part.core if isinstance(part, Indexed) else part.type.shape


def value_of(part: Part) -> Value:
    return part.value if isinstance(part, Indexed) else part


def along(value: Value, axes: tuple[Index, ...]) -> Part:
    """`value`, whose first axes are `axes`."""
    return Indexed(value, axes) if axes else value


def extents(axes: Sequence[Index]) -> Ints:
    return tuple(index.extent for index in axes)


def aligned(parts: Sequence[Any]) -> tuple[list[Any], tuple[Index, ...]]:
    """The values of `parts` in shapes that broadcast, and the axes that come first in them.

    Python numbers and scalars, which broadcast as they are, stay what they are.
    """
    axes = by_level(i for p in parts if isinstance(p, Indexed) for i in p.axes)
    if not axes:
        return list(parts), ()
    shaped = [p for p in parts if isinstance(p, (Value, Indexed))]
    rank = max(len(core_of(p)) for p in shaped)
    return [_aligned(p, axes, rank) for p in parts], axes


def _aligned(part: Any, axes: tuple[Index, ...], rank: int) -> Any:
    if not isinstance(part, (Value, Indexed)) or value_of(part).type.shape == ():
        return part
    own, core = axes_of(part), core_of(part)
    lead = tuple(index.extent if index in own else 1 for index in axes)
    return reshaped(value_of(part), (*lead, *(1,) * (rank - len(core)), *core))


def together(parts: Sequence[Part]) -> tuple[list[Value], tuple[Index, ...]]:
    """The values of `parts` in one shape, and the axes that come first in it.

    Raises:
        ShapeError: the shapes of the expressions do not broadcast.
    """
    if all(isinstance(p, Value) and not p.type.shape for p in parts):  # numbers, the common case
        return [value_of(p) for p in parts], ()
    axes, shape = _space(parts, ())
    return [_over(p, axes, shape) for p in parts], axes


def _space(parts: Sequence[Part], limits: Sequence[Affine]) -> tuple[tuple[Index, ...], Ints]:
    """The axes of all parts and limits, and the shape of what combines them."""
    met = [*(i for p in parts for i in axes_of(p)), *(i for c in limits for i in c.indices)]
    axes = by_level(met)
    core = arrays.common_shape("expressions over indices", [core_of(p) for p in parts])
    return axes, (*extents(axes), *core)


def _over(part: Part, axes: tuple[Index, ...], shape: Ints) -> Value:
    """The value of `part` in `shape`, whose first axes are `axes`."""
    return arrays.spread(value_of(_aligned(part, axes, len(shape) - len(axes))), shape)


# Whole numbers as values.


def numbers_along(graph: Graph, number: Affine, dtype: DType) -> Part:
    """`number` as an array along its indices."""
    axes = by_level(number.indices)
    places = {index: axis for axis, index in enumerate(axes)}
    counted = dtype if dtype is f64 else i64  # f32 has not enough digits to count in
    value = _combined(graph, number, extents(axes), places, counted)
    return along(value if counted is dtype else convert(value, dtype=dtype.name), axes)


def _combined(
    graph: Graph, number: Affine, shape: Ints, places: dict[Index, int], dtype: DType
) -> Value:
    """`number` in `shape`, in which the indices run along the axes `places`."""
    total: Value | None = None
    offset = number.offset
    # Positive multiples first: then the others are subtracted rather than negated.
    for index, factor in sorted(number.terms, key=lambda term: term[1] < 0):
        offset += factor * index.low
        counted = iota(graph, shape, places[index], dtype)
        size = counted if abs(factor) == 1 else mul(counted, abs(factor))
        if total is None:
            total = size if factor > 0 else sub(0, size)
        else:
            total = add(total, size) if factor > 0 else sub(total, size)
    if total is None:
        return graph.const(offset, Type(dtype, shape))
    return add(total, offset) if offset else total


# Where terms count.


def _holds(graph: Graph, condition: Affine, shape: Ints, places: dict[Index, int]) -> Value:
    """Where `condition` is 0 or more: the comparison of two sums of indices, in i64."""
    first = condition.offset + sum(n * index.low for index, n in condition.terms)
    left = tuple((index, -n) for index, n in condition.terms if n < 0)
    right = tuple((index, n) for index, n in condition.terms if n > 0)
    # -1 makes `<` of `<=`; every other number stands on the side where it is positive.
    strict = first == -1
    low = 0 if strict else max(0, -first)
    high = 0 if strict else max(0, first)
    sides = [
        _combined(graph, _counted(terms, offset), shape, places, i64)
        for terms, offset in ((left, low), (right, high))
    ]
    return (lt if strict else le)(*sides)


def _counted(terms: tuple[tuple[Index, int], ...], offset: int) -> Affine:
    """The sum in which every index counts from 0."""
    return Affine(offset - sum(n * index.low for index, n in terms), terms)


def _where(part: Part, limits: Sequence[Affine], masks: Sequence[Part], other: float) -> Part:
    """`part` where all limits and masks hold, and `other` elsewhere."""
    if not limits and not masks:
        return part
    axes, shape = _space([part, *masks], limits)
    graph, places = value_of(part).graph, {index: axis for axis, index in enumerate(axes)}
    held = [_holds(graph, limit, shape, places) for limit in limits]
    held += [_over(mask, axes, shape) for mask in masks]
    return along(arrays.where(reduce(and_, held), _over(part, axes, shape), other), axes)


def masked(places: Part, around: Sequence[Loops], number: Affine | None = None) -> Part:
    """`places` where the terms of the sums count, and 0 elsewhere: there they may be anything.

    A sum of indices, `number`, which may leave the axis where terms do not count, takes on the axes
    of all conditions that it meets; for other places those conditions matter that need no new axis.
    """
    own = set(axes_of(places))
    limits: list[Affine] = []
    masks: list[Part] = []
    for loops in around:
        for limit in loops.limits:
            met = set(limit.indices)
            if met <= own if number is None else met & own:
                limits.append(limit)
        for mask in loops.masks:
            met = set(axes_of(mask))
            if met <= own if number is None else not met or met & own:
                masks.append(mask)
    return _where(places, limits, masks, 0)


# Sums.


def reduced(name: str, term: Part, loops: Loops, around: Sequence[Loops]) -> Part:
    """The sum (`prod`uct, `max`, `min`) of `term` over `loops`; `around` are those farther out."""
    limits, masks = loops.limits, list(loops.masks)
    met = {*axes_of(term), *(i for c in limits for i in c.indices)}
    met |= {i for mask in masks for i in axes_of(mask)}
    # Where outer loops count no term this one may be infinite or NaN, and so its derivative: it
    # is left out there too, unless that would repeat it along more indices.
    for outer in () if met.issubset(loops.indices) else around:
        limits += [c for c in outer.limits if met.issuperset(c.indices)]
        masks += [
            mask
            for mask in outer.masks
            if not core_of(mask) and axes_of(mask) and met.issuperset(axes_of(mask))
        ]
    neutral = _neutral(name, value_of(term).type.dtype)
    if not all(index.extent for index in loops.indices):
        core = arrays.common_shape("a sum with a condition", [core_of(p) for p in (term, *masks)])
        return value_of(term).graph.const(neutral, value_of(term).type.with_shape(core))
    part = _where(term, limits, masks, neutral)
    axes, value = axes_of(part), value_of(part)
    times = prod(index.extent for index in loops.indices if index not in axes)
    if times > 1 and name in ("sum", "prod"):  # the same term again and again
        value = arrays.elementwise("mul" if name == "sum" else "pow", value, times)
    own = [axis for axis, index in enumerate(axes) if index in loops.indices]
    kept = tuple(index for index in axes if index not in loops.indices)
    return along(_reduced(name, value, own, not kept), kept)


def _neutral(name: str, dtype: DType) -> float:
    """What changes no sum, product, greatest or least number."""
    if name in ("sum", "prod"):
        return 0 if name == "sum" else 1
    if dtype.kind == "f":
        return -np.inf if name == "max" else np.inf
    limits = np.iinfo(dtype.name.replace("i", "int"))
    return int(limits.min if name == "max" else limits.max)


def _reduced(name: str, value: Value, own: Sequence[int], whole: bool) -> Value:
    """`value` without the axes `own`; `whole` says that those are all the indices it has."""
    if not own:
        return value
    shape = value.type.shape
    if name == "prod":
        return arrays.prod(value, axis=tuple(own))
    ones = tuple(1 if axis in own else n for axis, n in enumerate(shape))
    kept = tuple(n for axis, n in enumerate(shape) if axis not in own)
    reduction: Any = {"sum": reduce_sum, "max": reduce_max, "min": reduce_min}[name]
    return reshaped(reduction(value, shape=kept if whole else ones), kept)
