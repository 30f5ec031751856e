"""Arrays cut down to what subscripts select: by slices where that can be, else by gathers.

A whole number plus a multiple of one index is a slice along that index; one that wraps around
(x[i-1] at i = 0, x[(i+1) % n]) is two slices joined; all else is gathered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from symdiff.ir import Graph, Value, i64
from symdiff.ops import add, arrays, embed, gather, iota, lt, slice_
from symdiff.ops.arrays.shapes import diagonal, joined, part, permuted, reshaped
from symdiff.parser.affine import Affine, Index, by_level, ruled_out, some_point
from symdiff.parser.indexed import (
    Loops,
    Part,
    along,
    axes_of,
    core_of,
    extents,
    masked,
    numbers_along,
    value_of,
)

Piece = tuple[int, int, int]  # start, step and count of a slice
Refusal = Callable[[dict[Index, int] | None], NoReturn]  # of a number out of range: at which point


@dataclass(eq=False, slots=True)
class Axis:
    """An axis of the result, or one that is still to be gathered, at the places `index`."""

    extent: int
    index: Part | None = None
    window: bool = False  # whether the index is a slice that moves along other indices
    made: tuple[Axis, ...] = ()  # the axes of the result that a gathered one becomes


@dataclass(frozen=True, slots=True)
class Sliced:
    """What an axis becomes: slices of it, one after the other, with zeros around them.

    `before` is the number of zeros in front; None stands for none at all.
    """

    label: Label
    pieces: list[Piece]
    before: int | None = None


Label = Index | Axis | None  # what an axis is; None for one of extent 1 that goes
Selector = Sliced | Axis | None  # what becomes of an axis; None is a new one


@dataclass(slots=True)
class _Selection:
    """An array on the way, with what each of its axes is, and the axes that the result has."""

    value: Value
    labels: list[Label]
    core: list[Axis | None] = field(default_factory=list["Axis | None"])  # None: a new axis


def selected(array: Part, selectors: Sequence[Selector]) -> Part:
    """What is left of `array`, of which every axis has a selector."""
    chosen = _sliced(array, selectors)
    _place_gathered(chosen, selectors)
    _take_diagonals(chosen)
    _take_gathered(chosen)
    return _finished(chosen)


# Whole numbers as subscripts.


def at_number(
    graph: Graph, number: Affine, extent: int, first: int, around: Sequence[Loops], refuse: Refusal
) -> Sliced | Axis:
    """What becomes of an axis at `number`, counted from the end where it is negative.

    The least number allowed is `first`; `refuse` is called where one out of range counts.
    """
    low, high = number.bounds
    empty = not all(index.extent for index in number.indices)
    leaves = not empty and not (first <= low and high < extent)
    if not number.terms:
        if leaves:
            refuse(None)
        return Sliced(None, [(low % extent, 1, 1)])
    if not leaves:
        found = wrapped(number, extent)
        if found is not None:
            return found
    elif not _may_leave(number, extent, first, around, refuse) and len(number.terms) == 1:
        return _inner(number, extent, first)
    places = numbers_along(graph, number, i64)
    if leaves:
        places = masked(places, around, number)
    return Axis(extent, from_front(places, extent) if max(first, low) < 0 else places)


def wrapped(number: Affine, extent: int) -> Sliced | None:
    """The slices of an axis in which `number` modulo `extent` runs; None for more than three."""
    if len(number.terms) != 1:
        return None
    ((index, factor),) = number.terms
    value = number.offset + factor * index.low
    left = index.extent
    pieces: list[Piece] = []
    while left:
        start = value % extent
        room = (extent - 1 - start) // factor if factor > 0 else start // -factor
        count = min(left, room + 1)
        pieces.append((start, factor, count))
        value, left = value + factor * count, left - count
        if len(pieces) > 3:
            return None
    return Sliced(index, pieces or [(0, 1, 0)])


def from_front(places: Part, extent: int) -> Part:
    """`places`, negative ones counted from the end."""
    value = value_of(places)
    return along(arrays.where(lt(value, 0), add(value, extent), value), axes_of(places))


def _may_leave(
    number: Affine, extent: int, first: int, around: Sequence[Loops], refuse: Refusal
) -> bool:
    """Whether `number` may be out of range where terms count; refused if it surely is."""
    indices = {index for loops in around for index in loops.indices}
    conditions = [c for loops in around for c in loops.conditions]
    beyond = [number.plus(Affine(-extent)), Affine(first - 1).minus(number)]
    if all(ruled_out([*conditions, outside], indices) for outside in beyond):
        return False
    if not any(loops.masks for loops in around):
        for outside in beyond:
            point = some_point([*conditions, outside], indices)
            if point is not None:
                refuse(point)
    return True


def _inner(number: Affine, extent: int, first: int) -> Sliced:
    """The part of an index along which `number` is in range; elsewhere terms do not count."""
    ((index, factor),) = number.terms
    ends = sorted([(first - number.offset) / factor, (extent - 1 - number.offset) / factor])
    low, high = max(index.low, math.ceil(ends[0])), min(index.high, math.floor(ends[1]))
    inner = Index(index.name, index.level, low, max(high, low - 1))
    found = wrapped(Affine(number.offset, ((inner, factor),)), extent)
    assert found is not None  # from -extent on there are two at most
    return Sliced(index, found.pieces, low - index.low if inner.extent else 0)


# Slices.


def _sliced(array: Part, selectors: Sequence[Selector]) -> _Selection:
    """The array cut down to what the selectors keep; the axes to gather are left whole."""
    value = value_of(array)
    places: list[Piece] = [(0, 1, index.extent) for index in axes_of(array)]
    chosen = _Selection(value, list(axes_of(array)))
    pieced: list[tuple[int, Sliced]] = []
    for found in selectors:
        if found is None:
            chosen.core.append(None)
            continue
        axis = len(chosen.labels)
        label = found.label if isinstance(found, Sliced) else found
        chosen.labels.append(label)
        if isinstance(label, Axis):
            chosen.core.append(label)
        if isinstance(found, Sliced) and len(found.pieces) == 1:
            places.append(found.pieces[0])
        else:
            places.append((0, 1, value.type.shape[axis]))
        if isinstance(found, Sliced) and (len(found.pieces) > 1 or found.before is not None):
            pieced.append((axis, found))
    start, step, shape = (tuple(p[i] for p in places) for i in range(3))
    start = tuple(0 if n == 0 else s for s, n in zip(start, shape, strict=True))
    if shape != value.type.shape or any(start) or any(s != 1 for s in step):
        value = slice_(value, start=start, step=step, shape=shape)
    for axis, found in pieced:
        if len(found.pieces) > 1:
            value = joined([part(value, axis, s, n, d) for s, d, n in found.pieces], axis)
        if found.before is not None and isinstance(found.label, Index):
            value = _surrounded(value, axis, found.before, found.label.extent)
    chosen.value = value
    return chosen


def _surrounded(x: Value, axis: int, before: int, extent: int) -> Value:
    """`x` with zeros around it along `axis`."""
    shape = tuple(extent if i == axis else n for i, n in enumerate(x.type.shape))
    if not x.type.size:
        return x.graph.const(0, x.type.with_shape(shape))
    start = tuple(before if i == axis else 0 for i in range(len(shape)))
    return embed(x, start=start, step=(1,) * len(shape), shape=shape)


# Axes that meet, and axes that are gathered.


def _take_diagonals(chosen: _Selection) -> None:
    """Of axes that run along one index, keep the diagonal: x[i,i]."""
    while True:
        seen: dict[Label, int] = {}
        for axis, label in enumerate(chosen.labels):
            if isinstance(label, Index) and label in seen:
                break
            seen[label] = axis
        else:
            return
        first = seen[label]
        chosen.value = diagonal(chosen.value, 0, first, axis)
        rest = [n for i, n in enumerate(chosen.labels) if i not in (first, axis)]
        chosen.labels = [*rest, label]


def _place_gathered(chosen: _Selection, selectors: Sequence[Selector]) -> None:
    """Put the axes of index arrays where NumPy has them: in place, or first if they are apart."""
    gathered = _gathered(chosen)
    for axis in gathered:
        if axis.window and axis.index:
            axis.made = (Axis(core_of(axis.index)[0]),)
            chosen.core[chosen.core.index(axis)] = axis.made[0]
    gathered = [axis for axis in gathered if not axis.window]
    if not gathered:
        return
    cores = [core_of(axis.index) for axis in gathered if axis.index]
    shape = arrays.common_shape("subscripts", cores)
    made = tuple(Axis(n) for n in shape)
    for axis in gathered:
        axis.made = made
    places = [i for i, selector in enumerate(selectors) if _is_element(selector)]
    adjacent = places[-1] - places[0] + 1 == len(places)
    first = next(i for i, axis in enumerate(chosen.core) if axis in gathered)
    rest = [axis for axis in chosen.core if axis not in gathered]
    before = 0
    if adjacent:
        before = sum(axis not in gathered for axis in chosen.core[:first])
    chosen.core = [*rest[:before], *made, *rest[before:]]


def _is_element(selector: Selector) -> bool:
    """Whether a number or an array selects, rather than a slice."""
    if isinstance(selector, Sliced):
        return not isinstance(selector.label, Axis)
    return selector is not None and not selector.window


def _gathered(chosen: _Selection) -> list[Axis]:
    return [label for label in chosen.labels if isinstance(label, Axis) and label.index]


def _take_gathered(chosen: _Selection) -> None:
    gathered = _gathered(chosen)
    if not gathered:
        return
    axes = by_level(i for axis in gathered if axis.index for i in axes_of(axis.index))
    made = list(dict.fromkeys(m for axis in gathered for m in axis.made))
    shape = (*extents(axes), *(axis.extent for axis in made))
    # An index along which the array runs already selects its own element there.
    met = [index for index in axes if index in chosen.labels]
    counted = [iota(chosen.value.graph, shape, axes.index(index), i64) for index in met]
    indices = [*counted, *(_spread_index(axis, axes, made, shape) for axis in gathered)]
    replaced: list[Label] = [*met, *gathered]
    at = [chosen.labels.index(label) for label in replaced]
    start = at[0]
    if at != list(range(start, start + len(at))):
        others = [i for i in range(len(chosen.labels)) if i not in at]
        chosen.value = permuted(chosen.value, (*at, *others))
        chosen.labels = [chosen.labels[i] for i in (*at, *others)]
        start = 0
    chosen.value = gather(chosen.value, *indices, axis=start)
    chosen.labels[start : start + len(at)] = [*axes, *made]


def _spread_index(
    axis: Axis, axes: tuple[Index, ...], made: list[Axis], shape: tuple[int, ...]
) -> Value:
    """The places to gather along `axis`, over `axes` and all axes that the gathered ones make."""
    assert axis.index is not None
    own, core = axes_of(axis.index), core_of(axis.index)
    lead = [index.extent if index in own else 1 for index in axes]
    kept = (1,) * (len(axis.made) - len(core)) + core
    rest = [kept[axis.made.index(m)] if m in axis.made else 1 for m in made]
    return arrays.spread(reshaped(value_of(axis.index), (*lead, *rest)), shape)


def _finished(chosen: _Selection) -> Part:
    """The result with its indices in front, and the other axes in the order of the subscripts."""
    axes = by_level(label for label in chosen.labels if isinstance(label, Index))
    kept = [label for label in chosen.labels if label is not None]
    shape = [n for n, label in zip(chosen.value.type.shape, chosen.labels, strict=True) if label]
    value = reshaped(chosen.value, tuple(shape))
    wanted = [*axes, *(axis for axis in chosen.core if axis is not None)]
    value = permuted(value, tuple(kept.index(label) for label in wanted))
    core = tuple(1 if axis is None else axis.extent for axis in chosen.core)
    return along(reshaped(value, (*extents(axes), *core)), axes)
