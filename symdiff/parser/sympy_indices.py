"""SymPy's elements of arrays and sums over indices, as plans for the reader in `sympy.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn

from symdiff.errors import IndexRangeError, ShapeError
from symdiff.ir import DType, Value, f64, i64
from symdiff.parser.affine import Affine, Index, narrow
from symdiff.parser.coerce import as_number
from symdiff.parser.indexed import (
    Loops,
    Part,
    along,
    axes_of,
    core_of,
    masked,
    numbers_along,
    reduced,
    value_of,
)
from symdiff.parser.selection import Axis, Selector, at_number, selected
from symdiff.parser.sympy_parts import shortened, unsupported
from symdiff.parser.sympy_survey import array_name, named

if TYPE_CHECKING:
    from symdiff.parser.sympy import Reader


@dataclass(frozen=True, eq=False, slots=True)
class Scope:
    """What symbols stand for in a part of an expression, compared by identity.

    Attributes:
        dtype: of all numbers.
        indices: of the sums around, by symbol.
        loops: these sums, outer ones first.
        arguments: for parameters of a function that is applied: a node, and where that stands.
    """

    dtype: DType
    indices: Mapping[Any, Index] = field(default_factory=dict[Any, Index])
    loops: tuple[Loops, ...] = ()
    arguments: Mapping[Any, tuple[Any, Scope]] = field(
        default_factory=dict[Any, "tuple[Any, Scope]"]
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """How a node is computed: from the values of `operands`, by `build`.

    `build` gets values of one shape, as elementwise operations take them; `parts`, where it is
    given, gets the operands as they are. `scopes` has one for each operand, if they are not the
    node's own.
    """

    operands: Sequence[Any]
    build: Callable[[Sequence[Value]], Value] | None = None
    parts: Callable[[Sequence[Part]], Part] | None = None
    scopes: Sequence[Scope] = ()


def number_of(part: Part, dtype: DType) -> Part:
    """`part` as a number."""
    return along(as_number(value_of(part), dtype), axes_of(part))


# Elements of arrays.


def index_number(reader: Reader, index: Index) -> Plan:
    """The index of a sum as a number."""
    return Plan((), parts=lambda _: numbers_along(reader.graph, Affine.of(index), reader.dtype))


def indexed(reader: Reader, node: Any) -> Plan:
    """An element of an array, or of a matrix expression."""
    base, *places = node.args
    if not (named(base, "IndexedBase") or getattr(base, "is_Matrix", False)):
        raise unsupported(node, "give the array a name: IndexedBase('x')")
    scope = reader.scope
    static = [affine(reader, place) for place in places]
    computed = [p for p, known in zip(places, static, strict=True) if known is None]
    for place in computed:
        _require_whole(reader, node, place)

    def build(parts: Sequence[Part]) -> Part:
        array, *others = parts
        shape = core_of(array)
        if len(places) != len(shape):
            raise ShapeError(
                f"{shortened(node)}: {len(places)} indices for an array of shape {shape}"
            )
        rest = iter(others)
        selectors: list[Selector] = []
        for axis, number in enumerate(static):
            if number is not None:
                selectors.append(_selector(reader, node, number, axis, shape))
            else:
                place = masked(number_of(next(rest), i64), scope.loops)
                selectors.append(Axis(shape[axis], place))
        return selected(array, selectors)

    # In float32 whole numbers end at 2**24.
    wide = scope if scope.dtype is f64 else replace(scope, dtype=f64)
    scopes = [scope, *(wide for _ in computed)]
    return Plan([base, *computed], parts=build, scopes=scopes)


def _selector(
    reader: Reader, node: Any, number: Affine, axis: int, shape: tuple[int, ...]
) -> Selector:
    """What becomes of an axis of the shape at `number`."""

    def refuse(_: Any) -> NoReturn:
        low, high = number.bounds
        raise IndexRangeError(
            f"{shortened(node)}: index {axis} runs from {low} to {high}, "
            f"but the array of shape {shape} has {shape[axis]} elements there, counted from 0"
        )

    return at_number(reader.graph, number, shape[axis], 0, reader.scope.loops, refuse)


def _require_whole(reader: Reader, node: Any, place: Any) -> None:
    """Check that an index is made of whole numbers by what keeps them whole."""
    stack = [place]
    while stack:
        part = stack.pop()
        if part.is_Add or part.is_Mul or named(part, "Mod") or named(part, "MinMaxBase"):
            stack.extend(part.args)
        elif not (part.is_Integer or named(part, "RoundFunction") or _is_whole(reader, part)):
            raise unsupported(
                node,
                f"{shortened(part)} is no whole number, index of a sum, or element or parameter "
                "of an integer type",
            )


def _is_whole(reader: Reader, part: Any) -> bool:
    """Whether a symbol or an element is an index, an extent, or has an integer type."""
    if part in reader.scope.indices or part in reader.survey.extents:
        return True
    if named(part, "Indexed") and named(part.base, "IndexedBase"):
        return reader.array(array_name(part.base)).type.dtype.kind == "i"
    param = reader.params.get(str(part.name)) if part.is_Symbol else None
    return param is not None and param.type.dtype.kind == "i"


def affine(reader: Reader, expr: Any) -> Affine | None:
    """`expr` as a whole number plus multiples of indices, if it is that."""
    if expr.is_Integer:
        return Affine(int(expr))
    indices = reader.scope.indices
    if expr in indices:
        return Affine.of(indices[expr])
    try:
        terms = expr.xreplace(reader.survey.extents).expand().as_coefficients_dict()
    except RecursionError:
        return None
    number = Affine(0)
    for key, factor in terms.items():
        if not factor.is_Integer or not (key == 1 or key in indices):
            return None
        term = Affine(1) if key == 1 else Affine.of(indices[key])
        number = number.plus(term, int(factor))
    return number


# Sums.


def sum_over_indices(reader: Reader, node: Any) -> Plan:
    """A Sum as a loop. A range that ends before it begins is empty."""
    return _over_indices(reader, node, "sum")


def product_over_indices(reader: Reader, node: Any) -> Plan:
    """A Product as a loop."""
    return _over_indices(reader, node, "prod")


def _over_indices(reader: Reader, node: Any, name: str) -> Plan:
    outer, loops = reader.scope, Loops()
    inner = replace(outer, loops=(*outer.loops, loops))
    try:
        for limit in reversed(node.limits):  # the last limit is the outermost
            if len(limit) != 3:
                raise unsupported(node, "give the index a first and a last value")
            reader.scope = inner
            index = _new_index(reader, node, *limit)
            inner = replace(inner, indices={**inner.indices, limit[0]: index})
    finally:
        reader.scope = outer
    narrow(loops.conditions, loops.indices)

    def build(parts: Sequence[Part]) -> Part:
        return reduced(name, number_of(parts[0], outer.dtype), loops, outer.loops)

    return Plan([node.function], parts=build, scopes=[inner])


def _new_index(reader: Reader, node: Any, symbol: Any, first: Any, last: Any) -> Index:
    """One index more for the innermost loops; what limits it by others goes there, too."""
    low, high = affine(reader, first), affine(reader, last)
    if low is None or high is None:
        raise unsupported(
            node,
            f"its range {first}..{last} is not one of known numbers; "
            "bounds are whole numbers, extents of arrays and indices of outer sums",
        )
    if not low.terms and not high.terms and high.offset < low.offset - 1:
        raise unsupported(node, f"its range {first}..{last} ends before it begins")
    around = reader.scope.loops
    start, end = low.bounds[0], high.bounds[1]
    level = sum(len(loops.indices) for loops in around)
    index = Index(str(symbol), level, start, max(end, start - 1))
    here = Affine.of(index)
    around[-1].indices.append(index)
    around[-1].conditions += [here.minus(low), high.minus(here)]
    return index
