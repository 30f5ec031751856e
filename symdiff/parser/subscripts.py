"""Subscripts: what stands in x[...], read as what becomes of each axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from symdiff.ir import Type, Value, boolean, i64
from symdiff.ops import arrays, iota, mul
from symdiff.ops.arrays.shapes import reshaped
from symdiff.parser.affine import Affine, Index
from symdiff.parser.context import DECLARE, MOST_AXES, Context, is_whole
from symdiff.parser.grammar import Node
from symdiff.parser.indexed import (
    Part,
    along,
    axes_of,
    core_of,
    extents,
    masked,
    numbers_along,
    value_of,
)
from symdiff.parser.items import DOTS, NONE, Item, Remainder, Several, Span
from symdiff.parser.selection import (
    Axis,
    Selector,
    Sliced,
    at_number,
    from_front,
    selected,
    wrapped,
)

_WHOLE = "write whole numbers, sums of indices, or elements of an array of integers"


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
    selectors: list[Selector] = []
    rest = iter(core_of(array))
    for key, place in _expanded(b, node, array, keys):
        selectors.append(None if key is NONE else _read(b, key, place, next(rest)))
    result = selected(array, selectors)
    if len(core_of(result)) > MOST_AXES:
        raise b.fail("too many axes", node, f"an array has at most {MOST_AXES} axes")
    return result


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


def _read(b: Context, key: Item, node: Node, extent: int) -> Sliced | Axis:
    """What a subscript makes of its axis."""
    if isinstance(key, Span):
        return _read_span(b, key, node, extent)
    if isinstance(key, Remainder):
        small = key.modulus <= extent
        places = b.part(key, node)
        return (small and wrapped(key.number, key.modulus)) or Axis(
            extent, places if small else from_front(places, extent)
        )
    number = whole_number(b, key, node)
    if number is None:
        return _read_array(b, key, node, extent)
    return at_number(
        b.graph, number, extent, -extent, b.loops,
        lambda point: _out_of_range(b, number, node, extent, point),
    )  # fmt: skip


def _read_span(b: Context, span: Span, node: Node, extent: int) -> Sliced | Axis:
    start, stop, step = span.ends
    ends = [None if end is None else end.offset for end in span.ends]
    if step is not None and (step.terms or not step.offset):
        hint = "write a whole number other than 0"
        raise b.fail("the step of this slice is not a constant", node, hint)
    if (start is None or not start.terms) and (stop is None or not stop.terms):
        places = range(*slice(*ends).indices(extent))
        return Sliced(Axis(len(places)), [(places.start, places.step, len(places))])
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
    steps = mul(iota(b.graph, (count,), 0, i64), stride)
    axes = axes_of(moved)
    starts = reshaped(value_of(moved), (*extents(axes), 1))
    return Axis(extent, along(arrays.elementwise("add", starts, steps), axes), window=True)


def _read_array(b: Context, key: Item, node: Node, extent: int) -> Axis:
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
        return Axis(extent, places)
    whole = along(arrays.cast(value_of(places), i64), axes_of(places))
    return Axis(extent, from_front(masked(whole, b.loops), extent))


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
        if str(number) == number.indices[0].name:
            found = where
    else:
        found = f"the index {number.offset}"
    reason = f"{found}, out of range for an axis of {extent}"
    if not extent:
        hint = "the axis has no elements"
    else:
        hint = f"the elements are 0 to {extent - 1}, or from the end -1 to -{extent}"
    raise b.fail(reason, node, hint)
