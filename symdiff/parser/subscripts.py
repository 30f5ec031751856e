"""Subscripts: what stands in x[...], as slices where it can, else as gathers.

A subscript that is a whole number plus a multiple of one index is a slice along that index, one
that wraps around (x[i-1] at i = 0, x[(i+1) % n]) two slices joined; all else is gathered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from symdiff.ir import Type, Value, boolean, i64
from symdiff.ops import and_, arrays, embed, gather, iota, slice_
from symdiff.ops.arrays.shapes import diagonal, joined, part, permuted, reshaped
from symdiff.parser.affine import Affine, Index, by_level, ruled_out, some_point
from symdiff.parser.context import DECLARE, MOST_AXES, Context, is_whole
from symdiff.parser.grammar import Node
from symdiff.parser.items import (
    DOTS,
    NONE,
    Item,
    Part,
    Remainder,
    Several,
    Span,
    aligned,
    along,
    axes_of,
    core_of,
    extents,
    holds,
    numbers_along,
    value_of,
)

Piece = tuple[int, int, int]  # start, step and count of a slice
_WHOLE = "write whole numbers, sums of indices, or elements of an array of integers"


@dataclass(eq=False, slots=True)
class _Axis:
    """An axis of the result, or one that is still to be gathered."""

    extent: int
    index: Part | None = None
    window: bool = False  # whether the index is a slice that moves along other indices
    made: tuple[_Axis, ...] = ()  # the axes of the result that a gathered one becomes


@dataclass(frozen=True, slots=True)
class _Sliced:
    """What an axis becomes: slices of it, one after the other, with zeros around them.

    `before` is the number of zeros in front; None stands for none at all.
    """

    label: _Label
    pieces: list[Piece]
    before: int | None = None


_Label = Index | _Axis | None  # what an axis is; None for one of extent 1 that goes


@dataclass(slots=True)
class _Selection:
    """An array on the way, with what each of its axes is, and the axes that the result has."""

    value: Value
    labels: list[_Label]
    core: list[_Axis | None] = field(default_factory=list["_Axis | None"])  # None: a new axis


def subscript(b: Context, node: Node, operands: Sequence[Item]) -> Item:
    """The element or the part of the first operand that the others select.

    Raises:
        ParseError: subscripts that do not fit, or are known to be out of range.
    """
    base, *keys = operands
    if isinstance(base, Several) and not base.is_list:
        return _element(b, base, node, keys)
    array = b.part(base, node.children[0])
    if not core_of(array):
        written = node.children[0]
        name = f"`{written.text}`" if written.kind == "name" else "this"
        place = Node("", (), written.end, written.end)
        raise b.fail(f"{name} is a number and has no elements", place, DECLARE)
    chosen = _sliced(b, array, _expanded(b, node, array, keys))
    if len(chosen.core) > MOST_AXES:
        raise b.fail("too many axes", node, f"an array has at most {MOST_AXES} axes")
    _take_diagonals(chosen)
    _take_gathered(b, chosen)
    return _finished(chosen)


def _element(b: Context, base: Several, node: Node, keys: Sequence[Item]) -> Item:
    found = whole_number(b, keys[0], node.children[1]) if len(keys) == 1 else None
    if found is None or found.terms or not -len(base.items) <= found.offset < len(base.items):
        hint = "write one whole number that is in range"
        raise b.fail(f"no such element of a tuple of {len(base.items)}", node.children[1], hint)
    return base.items[found.offset]


def whole_number(b: Context, item: Item, node: Node) -> Affine | None:
    """`item` as a sum of indices and a whole number, if that is what it is."""
    if isinstance(item, Affine):
        return item
    if isinstance(item, Value) and is_whole(node):
        number = b.constants.get(item)
        if number is not None and not item.type.shape and abs(number) < 2**53:
            return Affine(int(number)) if number == int(number) else None
    return None


def _expanded(b: Context, node: Node, array: Part, keys: Sequence[Item]) -> list[tuple[Item, Node]]:
    """A key with its place in the text for every axis of the array, and those for new axes."""
    pairs = list(zip(keys, node.children[1:], strict=True))
    core = core_of(array)
    used = sum(key is not NONE and key is not DOTS for key in keys)
    dots = [i for i, key in enumerate(keys) if key is DOTS]
    if len(dots) > 1:
        raise b.fail("`...` stands twice", pairs[dots[1]][1], "write one `...`")
    if used > len(core):
        shown = value_of(array).type.with_shape(core)
        last = [place for key, place in pairs if key is not NONE and key is not DOTS][len(core)]
        reason = f"{used} subscripts for an array of {len(core)} axes, {shown}"
        raise b.fail(reason, last, "write one subscript for an axis")
    whole: Item = Span((None, None, None))
    at = dots[0] if dots else len(pairs)
    pairs[at : at + 1] = [(whole, node)] * (len(core) - used)
    return pairs


def _sliced(b: Context, array: Part, keys: Sequence[tuple[Item, Node]]) -> _Selection:
    """The array cut down to what the subscripts keep; the axes to gather are left whole."""
    value, core = value_of(array), core_of(array)
    places: list[Piece] = [(0, 1, index.extent) for index in axes_of(array)]
    labels: list[_Label] = list(axes_of(array))
    chosen = _Selection(value, labels)
    pieced: list[tuple[int, _Sliced]] = []
    selects: list[bool] = []  # per key: whether it is a number or an array rather than a slice
    for key, node in keys:
        if key is NONE:
            chosen.core.append(None)
            selects.append(False)
            continue
        axis = len(labels)
        extent = core[axis - len(axes_of(array))]
        selects.append(not isinstance(key, Span))
        found = _read(b, key, node, extent)
        if isinstance(found, _Sliced):
            labels.append(found.label)
            if len(found.pieces) == 1:
                places.append(found.pieces[0])
            else:
                places.append((0, 1, extent))
            if len(found.pieces) > 1 or found.before is not None:
                pieced.append((axis, found))
            if isinstance(found.label, _Axis):
                chosen.core.append(found.label)
        else:
            labels.append(found)
            places.append((0, 1, extent))
            chosen.core.append(found)
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
    _place_gathered(chosen, selects, keys)
    return chosen


def _surrounded(x: Value, axis: int, before: int, extent: int) -> Value:
    """`x` with zeros around it along `axis`."""
    shape = tuple(extent if i == axis else n for i, n in enumerate(x.type.shape))
    if not x.type.size:
        return x.graph.const(0, x.type.with_shape(shape))
    start = tuple(before if i == axis else 0 for i in range(len(shape)))
    return embed(x, start=start, step=(1,) * len(shape), shape=shape)


def _read(b: Context, key: Item, node: Node, extent: int) -> _Sliced | _Axis:
    """What a subscript makes of its axis: slices of it and what they are, or an axis to gather."""
    if isinstance(key, Span):
        return _read_span(b, key, node, extent)
    if isinstance(key, Remainder):
        number, pieces = key.number, None
        if key.modulus <= extent:
            pieces = _pieces(number.terms[0][0], number, key.modulus)
        if pieces is not None:
            return _Sliced(number.terms[0][0], pieces)
        return _Axis(extent, _in_range(b, b.part(key, node), extent, key.modulus <= extent, node))
    number = whole_number(b, key, node)
    if number is None:
        return _read_array(b, key, node, extent)
    low, high = number.bounds
    if not number.terms:
        if not -extent <= low < extent:
            _out_of_range(b, number, node, extent)
        return _Sliced(None, [(low % extent, 1, 1)])
    empty = not all(index.extent for index in number.indices)
    inside = empty or (-extent <= low and high < extent)
    if not inside:
        if not _is_reachable(b, number, node, extent) and len(number.terms) == 1:
            return _inner(number, extent)
        masked = _masked(b, numbers_along(b.graph, number, i64), number)
        return _Axis(extent, _in_range(b, masked, extent, low >= 0, node))
    if len(number.terms) == 1:
        index = number.terms[0][0]
        pieces = [(0, 1, 0)] if empty else _pieces(index, number, extent)
        if pieces is not None:
            return _Sliced(index, pieces)
    along_indices = numbers_along(b.graph, number, i64)
    return _Axis(extent, _in_range(b, along_indices, extent, low >= 0, node))


def _pieces(index: Index, number: Affine, extent: int) -> list[Piece] | None:
    """The slices, three at most, in which `number` modulo `extent` runs; None if there are more."""
    ((_, factor),) = number.terms
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
    return pieces or [(0, 1, 0)]


def _read_span(b: Context, span: Span, node: Node, extent: int) -> _Sliced | _Axis:
    start, stop, step = span.ends
    ends = [None if end is None else end.offset for end in span.ends]
    if step is not None and (step.terms or not step.offset):
        hint = "write a whole number other than 0"
        raise b.fail("the step of this slice is not a constant", node, hint)
    if (start is None or not start.terms) and (stop is None or not stop.terms):
        places = range(*slice(*ends).indices(extent))
        return _Sliced(_Axis(len(places)), [(places.start, places.step, len(places))])
    stride = 1 if ends[2] is None else ends[2]
    length = start and stop and stop.minus(start)
    if start is None or not isinstance(length, Affine) or length.terms:
        hint = "write a window of constant length, x[i:i+3], or a sum over its elements"
        raise b.fail("the length of this slice changes from step to step", node, hint)
    count = max(0, -(-length.offset // stride))
    last = start.plus(Affine(stride * (count - 1)))
    for number in (start, last):
        low, high = number.bounds
        if count and (low < 0 or high >= extent):
            _out_of_range(b, number, node, extent)
    moved = numbers_along(b.graph, start, i64)
    steps = arrays.elementwise("mul", iota(b.graph, (count,), 0, i64), stride)
    axes = axes_of(moved)
    starts = reshaped(value_of(moved), (*extents(axes), 1))
    return _Axis(extent, along(arrays.elementwise("add", starts, steps), axes), window=True)


def _read_array(b: Context, key: Item, node: Node, extent: int) -> _Axis:
    """An axis to gather at computed places."""
    if isinstance(key, Several) and key.is_list and key.depth:
        written = b.constant_list(key)
        if written.dtype.kind == "i":
            key = b.graph.const(written, Type(i64, written.shape))
    places = b.part(key, node)
    dtype = value_of(places).type.dtype
    if dtype is boolean:
        hint = "write where(c, x, 0), or a sum with a condition: sum(x[i] for i in range(n) if c)"
        raise b.fail("an array cannot be selected from by conditions", node, hint)
    if dtype.kind != "i":
        raise b.fail("a subscript is a whole number, not a real one", node, _WHOLE)
    literal = value_of(places).literal
    if literal is not None:
        found = literal.array
        if found.size and not (-extent <= found.min() and found.max() < extent):
            worst = int(found.min()) if found.min() < -extent else int(found.max())
            _out_of_range(b, Affine(worst), node, extent)
        places = b.graph.const(found % max(extent, 1), Type(i64, found.shape))
        return _Axis(extent, places)
    value = along(arrays.cast(value_of(places), i64), axes_of(places))
    return _Axis(extent, _in_range(b, _masked(b, value, None), extent, False, node))


def _in_range(b: Context, places: Part, extent: int, counted: bool, node: Node) -> Part:
    """`places`, negative ones counted from the end unless it is known that there are none."""
    if counted:
        return places
    items: list[Item] = [places, Affine(0)]
    negative = b.elementwise("lt", items, [node, node], whole=True)
    shifted = b.elementwise("add", [places, Affine(extent)], [node, node], whole=True)
    return b.elementwise("where", [negative, shifted, places], [node] * 3, whole=True)


# Where the terms of a sum count.


def _is_reachable(b: Context, number: Affine, node: Node, extent: int) -> bool:
    """Whether `number` may be out of range where terms count; an error if it surely is."""
    indices = {index for loops in b.loops for index in loops.indices}
    conditions = [c for loops in b.loops for c in loops.conditions]
    beyond = [number.plus(Affine(-extent)), Affine(-extent - 1).minus(number)]
    if all(ruled_out([*conditions, outside], indices) for outside in beyond):
        return False
    if not any(loops.masks for loops in b.loops):
        for outside in beyond:
            point = some_point([*conditions, outside], indices)
            if point is not None:
                _out_of_range(b, number, node, extent, point)
    return True


def _inner(number: Affine, extent: int) -> _Sliced:
    """The part of an index along which `number` is in range; elsewhere terms do not count."""
    ((index, factor),) = number.terms
    ends = sorted([(-extent - number.offset) / factor, (extent - 1 - number.offset) / factor])
    low, high = max(index.low, math.ceil(ends[0])), min(index.high, math.floor(ends[1]))
    inner = Index(index.name, index.level, low, max(high, low - 1))
    pieces = _pieces(inner, Affine(number.offset, ((inner, factor),)), extent)
    assert pieces is not None  # from -extent on there are two at most
    return _Sliced(index, pieces, low - index.low if inner.extent else 0)


def _out_of_range(
    b: Context, number: Affine, node: Node, extent: int, point: dict[Index, int] | None = None
) -> NoReturn:
    if point is None and number.terms:
        high = number.bounds[1]
        ends = {i: i.high if (n > 0) == (high >= extent) else i.low for i, n in number.terms}
        point = ends
    if point and number.terms:
        value = number.offset + sum(n * point[index] for index, n in number.terms)
        where = ", ".join(f"{index.name} = {point[index]}" for index in number.indices)
        found = f"{number} is {value} for {where}"
    else:
        found = f"the index {number.offset}"
    reason = f"{found}, out of range for an axis of {extent}"
    if not extent:
        hint = "the axis has no elements"
    else:
        hint = f"the elements are 0 to {extent - 1}, or from the end -1 to -{extent}"
    raise b.fail(reason, node, hint)


def _masked(b: Context, places: Part, number: Affine | None) -> Part:
    """`places` where the terms of the sums count, and 0 elsewhere: there they may be anything.

    A sum of indices, which may leave the axis where terms do not count, takes on the axes of all
    conditions that it meets; for other places those conditions matter that need no new axis.
    """
    own = set(axes_of(places))
    found: list[Part] = []
    for loops in b.loops:
        for condition in loops.conditions:
            met = set(condition.indices)
            if condition.bounds[0] < 0 and (met <= own if number is None else met & own):
                axes = by_level(met)
                shape, axis = extents(axes), {index: i for i, index in enumerate(axes)}
                found.append(along(holds(b.graph, condition, shape, axis), axes))
        for mask in loops.masks:
            met = set(axes_of(mask))
            if met <= own if number is None else not met or met & own:
                found.append(mask)
    if not found:
        return places
    operands, axes = aligned([*found, places])
    shape = arrays.common_shape("a condition", [v.type.shape for v in operands])
    *conditions, chosen = [arrays.spread(v, shape) for v in operands]
    mask = conditions[0]
    for condition in conditions[1:]:
        mask = and_(mask, condition)
    return along(arrays.where(mask, chosen, 0), axes)


# Axes that meet, and axes that are gathered.


def _take_diagonals(chosen: _Selection) -> None:
    """Of axes that run along one index, keep the diagonal: x[i,i]."""
    while True:
        seen: dict[Any, int] = {}
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


def _place_gathered(
    chosen: _Selection, selects: Sequence[bool], keys: Sequence[tuple[Item, Node]]
) -> None:
    """Put the axes of index arrays where NumPy has them: in place, or first if they are apart."""
    gathered = _gathered(chosen)
    for axis in gathered:
        if axis.window and axis.index:
            axis.made = (_Axis(core_of(axis.index)[0]),)
            chosen.core[chosen.core.index(axis)] = axis.made[0]
    gathered = [axis for axis in gathered if not axis.window]
    if not gathered:
        return
    cores = [core_of(axis.index) for axis in gathered if axis.index]
    shape = arrays.common_shape("subscripts", cores)
    made = tuple(_Axis(n) for n in shape)
    for axis in gathered:
        axis.made = made
    places = [i for i, selected in enumerate(selects) if selected]
    adjacent = places[-1] - places[0] + 1 == len(places)
    first = next(i for i, axis in enumerate(chosen.core) if axis in gathered)
    rest = [axis for axis in chosen.core if axis not in gathered]
    before = 0
    if adjacent:
        before = sum(axis not in gathered for axis in chosen.core[:first])
    chosen.core = [*rest[:before], *made, *rest[before:]]


def _gathered(chosen: _Selection) -> list[_Axis]:
    return [label for label in chosen.labels if isinstance(label, _Axis) and label.index]


def _take_gathered(b: Context, chosen: _Selection) -> None:
    gathered = _gathered(chosen)
    if not gathered:
        return
    axes = by_level(i for axis in gathered if axis.index for i in axes_of(axis.index))
    made = list(dict.fromkeys(m for axis in gathered for m in axis.made))
    shape = (*extents(axes), *(axis.extent for axis in made))
    # An index along which the array runs already selects its own element there.
    met = [index for index in axes if index in chosen.labels]
    counted = [iota(b.graph, shape, axes.index(index), i64) for index in met]
    indices = [*counted, *(_spread_index(axis, axes, made, shape) for axis in gathered)]
    replaced: list[_Label] = [*met, *gathered]
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
    axis: _Axis, axes: tuple[Index, ...], made: list[_Axis], shape: tuple[int, ...]
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
