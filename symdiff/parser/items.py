"""What a piece of text comes to: a value, or what is not one value yet.

In the term of `sum(... for i in range(n))` what depends on an index is an array along it: an
`Indexed` has an axis for each index that it depends on, and for no other, so that nothing is
computed more often than it has to be. Whole numbers stay what they are for as long as they can
(`Affine`), so that x[i+1] becomes a slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from symdiff.ir import DType, Graph, Type, Value, f64, i64
from symdiff.ops import add, convert, iota, le, lt, mul, sub
from symdiff.ops.arrays.shapes import reshaped
from symdiff.parser.affine import Affine, Index, by_level
from symdiff.parser.grammar import Node


@dataclass(frozen=True, eq=False, slots=True)
class Indexed:
    """An array whose first axes run along the indices `axes`, outer loops first.

    The rest of its shape, the core, is that of the expression itself.
    """

    value: Value
    axes: tuple[Index, ...]
    type: Any = None

    @property
    def core(self) -> tuple[int, ...]:
        return self.value.type.shape[len(self.axes) :]


@dataclass(frozen=True, eq=False, slots=True)
class Remainder:
    """`number` modulo `modulus`, where the indices wrap around."""

    number: Affine
    modulus: int
    type: Any = None


@dataclass(frozen=True, eq=False, slots=True)
class Extreme:
    """The least (`min`) or the greatest (`max`) of several whole numbers, as a bound of a range."""

    which: str
    numbers: tuple[Affine, ...]
    type: Any = None


@dataclass(frozen=True, eq=False, slots=True)
class Several:
    """Elements of a tuple, or of a list, which becomes an array where one is needed.

    `depth` is how deep a list of literals is nested; 0 if it is something else.
    """

    items: tuple[Item, ...]
    node: Node
    depth: int = 0
    type: Any = None

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Where each of the items stands in the text."""
        listed = self.node.kind in ("tuple", "list")
        return self.node.children if listed else (self.node,) * len(self.items)

    @property
    def is_list(self) -> bool:
        return self.node.kind == "list"


@dataclass(frozen=True, eq=False, slots=True)
class Text:
    """Quoted text, an argument of a function."""

    text: str
    type: Any = None


@dataclass(frozen=True, eq=False, slots=True)
class Keyword:
    """The argument `name=item` of a call."""

    name: str
    item: Item
    type: Any = None


@dataclass(frozen=True, eq=False, slots=True)
class Span:
    """A slice: start, stop and step, None where they are left out."""

    ends: tuple[Affine | None, Affine | None, Affine | None]
    type: Any = None


@dataclass(frozen=True, eq=False, slots=True)
class Mark:
    """`None` or `...`."""

    text: str
    type: Any = None


@dataclass(eq=False, slots=True)
class Loops:
    """The loops of a generator, and where its term counts; or where a branch is taken.

    Attributes:
        indices: what it runs over; nothing for the branches of a choice.
        conditions: whole numbers that are 0 or more where the term counts.
        masks: conditions of other kinds.
    """

    indices: list[Index] = field(default_factory=list[Index])
    conditions: list[Affine] = field(default_factory=list[Affine])
    masks: list[Value | Indexed] = field(default_factory=list["Value | Indexed"])


@dataclass(frozen=True, eq=False, slots=True)
class Collected:
    """The terms of a generator, to be summed."""

    term: Item
    node: Node
    loops: Loops
    type: Any = None


Part = Value | Indexed
Number = Affine | Remainder | Extreme  # whole numbers, not in the graph yet
Item = Part | Number | Several | Text | Keyword | Span | Mark | Collected

NONE: Final = Mark("None")
DOTS: Final = Mark("...")


def axes_of(part: Part) -> tuple[Index, ...]:
    return part.axes if isinstance(part, Indexed) else ()


def core_of(part: Part) -> tuple[int, ...]:
    return part.core if isinstance(part, Indexed) else part.type.shape


def value_of(part: Part) -> Value:
    return part.value if isinstance(part, Indexed) else part


def along(value: Value, axes: tuple[Index, ...]) -> Part:
    """`value`, whose first axes are `axes`."""
    return Indexed(value, axes) if axes else value


def extents(axes: Sequence[Index]) -> tuple[int, ...]:
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


# Whole numbers as values.


def numbers_along(graph: Graph, number: Affine, dtype: DType) -> Part:
    """`number` as an array along its indices."""
    axes = by_level(number.indices)
    places = {index: axis for axis, index in enumerate(axes)}
    counted = dtype if dtype is f64 else i64  # f32 has not enough digits to count in
    value = _combined(graph, number, extents(axes), places, counted)
    return along(value if counted is dtype else convert(value, dtype=dtype.name), axes)


def _combined(
    graph: Graph, number: Affine, shape: tuple[int, ...], places: dict[Index, int], dtype: DType
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


def holds(
    graph: Graph, condition: Affine, shape: tuple[int, ...], places: dict[Index, int]
) -> Value:
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
