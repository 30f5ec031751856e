"""SymPy's matrices and arrays, as plans for the reader in `sympy.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np

from symdiff.ir import DType, Type, Value, i64
from symdiff.ops import (
    add,
    concatenate,
    contract,
    convert,
    eq,
    iota,
    like,
    mul,
    neg,
    pow,
    reduce_sum,
    slice_,
    transpose,
    where,
)
from symdiff.ops.arrays.shapes import reshaped
from symdiff.parser.coerce import as_number
from symdiff.parser.indexed import Part, along, axes_of, together, value_of
from symdiff.parser.sympy_indices import Plan, affine, indexed, number_of
from symdiff.parser.sympy_parts import unsupported
from symdiff.parser.sympy_survey import array_name, named, shape_of

if TYPE_CHECKING:
    from symdiff.parser.sympy import Reader

_MAX_POWER: Final = 64  # of a matrix
_MAX_ORDERED: Final = 32  # factors of a matrix product whose best order is looked for


# Parameters.


def parameter(reader: Reader, node: Any) -> Plan:
    """A MatrixSymbol or an IndexedBase: a parameter."""
    param = reader.array(array_name(node))
    if named(node, "MatrixSymbol"):
        # A column may have been declared as a vector.
        number = as_number(
            reshaped(param, _extents(reader, node, shape_of(node) or ())), _dtype(reader)
        )
        return Plan((), lambda _: number)
    return Plan((), lambda _: param)


def _dtype(reader: Reader) -> DType:
    return reader.scope.dtype


def _extents(reader: Reader, node: Any, shape: Sequence[Any]) -> tuple[int, ...]:
    """The numbers that a shape stands for."""
    known = [extent.xreplace(reader.survey.extents) for extent in shape]
    if not all(e.is_Integer and e >= 0 for e in known):
        unknown = ", ".join(str(e) for e in known if not e.is_Integer)
        raise unsupported(
            node, f"its shape is not known: {unknown or known} is no extent of a parameter"
        )
    return tuple(int(e) for e in known)


# Matrices, element by element.


def dense(reader: Reader, node: Any) -> Plan:
    """A Matrix or an Array of expressions."""
    fixed = node.as_immutable() if hasattr(node, "as_immutable") else node
    shape = tuple(int(n) for n in fixed.shape)
    entries: list[Any] = list(fixed.flat()) if named(fixed, "MatrixBase") else _flat(fixed)

    def build(values: Sequence[Value]) -> Value:
        numbers = list(reader.numbers(values))
        if not numbers:
            return reader.graph.const(0.0, Type(reader.scope.dtype, shape))
        if any(number.type.shape for number in numbers):
            raise unsupported(node, "its entries must be numbers that depend on no index")
        known = [number.literal.scalar for number in numbers if number.literal is not None]
        if len(known) == len(numbers):
            elements = np.reshape(np.array(known, np.float64), shape)
            return reader.graph.const(elements, Type(reader.scope.dtype, shape))
        row = concatenate(*[reshaped(number, (1,)) for number in numbers], axis=0)
        return reshaped(row, shape)

    return Plan(entries, build)


def _flat(array: Any) -> list[Any]:
    size = int(np.prod(array.shape, dtype=np.int64))
    return list(array.reshape(size)) if size else []


def zeros(reader: Reader, node: Any) -> Plan:
    """A ZeroMatrix."""
    return _filled(reader, node, 0.0)


def ones(reader: Reader, node: Any) -> Plan:
    """A OneMatrix."""
    return _filled(reader, node, 1.0)


def _filled(reader: Reader, node: Any, number: float) -> Plan:
    type = Type(reader.scope.dtype, _extents(reader, node, node.shape))
    return Plan((), lambda _: reader.graph.const(number, type))


def identity(reader: Reader, node: Any) -> Plan:
    """An Identity."""
    shape = _extents(reader, node, node.shape)
    return Plan((), lambda _: _identity(reader.graph.const(0.0, Type(_dtype(reader), shape))))


def _identity(model: Value) -> Value:
    """The identity of the type of `model`."""
    rows, columns = (iota(model.graph, model.type.shape, axis, i64) for axis in (0, 1))
    return convert(eq(rows, columns), dtype=model.type.dtype.name)


def matrix_sum(reader: Reader, node: Any) -> Plan:
    """A MatAdd, or an elementwise product."""
    op = mul if named(node, "HadamardProduct") else add
    return Plan(node.args, lambda values: reduce(op, reader.numbers(values)))


def matrix_power_of_elements(reader: Reader, node: Any) -> Plan:
    """A HadamardPower."""
    return Plan(node.args, lambda values: pow(*reader.numbers(values)))


def apply_to_elements(reader: Reader, node: Any) -> Plan:
    """An ElementwiseApplyFunction: its Lambda, with the whole matrix for its parameter."""
    function: Any = node.function
    (symbol,) = function.variables
    outer = reader.scope
    inner = replace(outer, arguments={**outer.arguments, symbol: (node.expr, outer)})

    def build(parts: Sequence[Part]) -> Part:
        # A function that ignores its argument still has as many values as that has elements.
        (value, _), axes = together([number_of(part, _dtype(reader)) for part in parts])
        return along(value, axes)

    return Plan([function.expr, node.expr], parts=build, scopes=[inner, outer])


# Matrices as a whole.


def _whole(node: Any, build: Callable[[list[Value]], Value]) -> Callable[[Sequence[Part]], Value]:
    """What builds a value from matrices that depend on no index."""

    def from_parts(parts: Sequence[Part]) -> Value:
        if any(map(axes_of, parts)):
            raise unsupported(
                node, "the matrix depends on the index of a sum; write out its elements"
            )
        return build([value_of(part) for part in parts])

    return from_parts


def matrix_product(reader: Reader, node: Any) -> Plan:
    """A MatMul, in the order of multiplications that takes the fewest."""
    factor, matrices = node.as_coeff_matrices()
    return _multiple(reader, node, factor, matrices, _chained)


def _multiple(
    reader: Reader,
    node: Any,
    factor: Any,
    matrices: Sequence[Any],
    build: Callable[[Sequence[Value]], Value],
) -> Plan:
    """`factor` times what `build` makes of matrices of numbers."""
    whole = _whole(node, lambda values: build([as_number(v, _dtype(reader)) for v in values]))
    if factor == 1:
        return Plan(matrices, parts=whole)
    if factor == -1:
        return Plan(matrices, parts=lambda parts: neg(whole(parts)))

    def scaled(parts: Sequence[Part]) -> Part:
        scale = number_of(parts[0], _dtype(reader))
        values, axes = together([scale, whole(parts[1:])])
        return along(mul(*values), axes)

    return Plan([factor, *matrices], parts=scaled)


def _chained(matrices: Sequence[Value]) -> Value:
    """The product of matrices, associated such that it takes the fewest multiplications.

    Cormen et al., "Introduction to Algorithms", the matrix-chain problem.
    """
    n = len(matrices)
    if n > _MAX_ORDERED:
        return reduce(_product, matrices)
    sizes = [matrices[0].type.shape[0], *(m.type.shape[1] for m in matrices)]
    costs = {(i, i): 0 for i in range(n)}
    cuts: dict[tuple[int, int], int] = {}
    for first, last in ((i, i + length) for length in range(1, n) for i in range(n - length)):
        totals = [
            costs[first, k] + costs[k + 1, last] + sizes[first] * sizes[k + 1] * sizes[last + 1]
            for k in range(first, last)
        ]
        costs[first, last] = min(totals)
        cuts[first, last] = first + totals.index(min(totals))
    return _associated(matrices, cuts, 0, n - 1)


def _associated(
    matrices: Sequence[Value], cuts: Mapping[tuple[int, int], int], first: int, last: int
) -> Value:
    """The product of the matrices from `first` to `last`, split where `cuts` says."""
    if first == last:
        return matrices[first]
    cut = cuts[first, last]
    left = _associated(matrices, cuts, first, cut)
    return _product(left, _associated(matrices, cuts, cut + 1, last))


def trace(reader: Reader, node: Any) -> Plan:
    """A Trace; of a product without forming it."""
    argument = node.arg
    if named(argument, "MatMul"):
        factor, matrices = argument.as_coeff_matrices()
    else:
        factor, matrices = 1, [argument]

    def build(values: Sequence[Value]) -> Value:
        first, *others = values
        if others:
            return contract(_chained([first, *others[:-1]]), others[-1], spec="ij,ji->")
        rows, columns = (iota(first.graph, first.type.shape, axis, i64) for axis in (0, 1))
        return reduce_sum(where(eq(rows, columns), first, like(first, 0.0)), shape=())

    return _multiple(reader, node, factor, matrices, build)


def transposed(reader: Reader, node: Any) -> Plan:
    """A Transpose, or the Adjoint of what is real."""
    return Plan([node.arg], parts=_whole(node, lambda values: transpose(values[0], axes=(1, 0))))


def _product(x: Value, y: Value) -> Value:
    return contract(x, y, spec="ij,jk->ik")


def matrix_power(reader: Reader, node: Any) -> Plan:
    """A MatPow with a whole exponent, by repeated squaring."""
    exponent = node.exp
    if not (exponent.is_Integer and 0 <= exponent <= _MAX_POWER):
        raise unsupported(node, f"powers of matrices are whole numbers from 0 to {_MAX_POWER}; "
                          "inverses and roots come with linear algebra")  # fmt: skip

    def build(values: list[Value]) -> Value:
        square, result, left = as_number(values[0], _dtype(reader)), None, int(exponent)
        while left:
            if left & 1:
                result = square if result is None else _product(result, square)
            left >>= 1
            square = _product(square, square) if left else square
        return _identity(square) if result is None else result

    return Plan([node.base], parts=_whole(node, build))


def dot_product(reader: Reader, node: Any) -> Plan:
    """A DotProduct of two vectors, be they rows or columns."""

    def build(values: list[Value]) -> Value:
        x, y = (as_number(v, _dtype(reader)) for v in values)
        return contract(reshaped(x, (x.type.size,)), reshaped(y, (y.type.size,)), spec="i,i->")

    return Plan(node.args, parts=_whole(node, build))


def part_of_matrix(reader: Reader, node: Any) -> Plan:
    """A MatrixSlice."""
    shape = _extents(reader, node, node.shape)
    ends = [(affine(reader, s[0]), affine(reader, s[2])) for s in (node.rowslice, node.colslice)]
    start = tuple(first.offset for first, _ in ends if first and not first.terms)
    step = tuple(by.offset for _, by in ends if by and not by.terms)
    if len(start) != 2 or len(step) != 2:
        raise unsupported(node, "the ends of a slice must be known numbers")
    return Plan([node.parent], parts=_whole(
        node, lambda values: slice_(values[0], start=start, step=step, shape=shape)
    ))  # fmt: skip


def blocks(reader: Reader, node: Any) -> Plan:
    """A BlockMatrix."""
    rows, columns = node.blockshape
    parts = [node.blocks[i, j] for i in range(rows) for j in range(columns)]

    def build(values: list[Value]) -> Value:
        numbers = [as_number(v, _dtype(reader)) for v in values]
        bands = [numbers[i * columns : (i + 1) * columns] for i in range(rows)]
        return _joined([_joined(band, axis=1) for band in bands], axis=0)

    return Plan(parts, parts=_whole(node, build))


def _joined(matrices: Sequence[Value], axis: int) -> Value:
    return concatenate(*matrices, axis=axis) if len(matrices) > 1 else matrices[0]


def refused(reader: Reader, node: Any) -> NoReturn:
    """An inverse or the like.

    Raises:
        UnsupportedError: always.
    """
    raise unsupported(node, "linear algebra (inverses, determinants, solving) comes later")


PLANS: Final[dict[str, Callable[[Reader, Any], Plan]]] = {
    "MatrixSymbol": parameter,
    "IndexedBase": parameter,
    "Indexed": indexed,
    "MatrixElement": indexed,
    "MatrixBase": dense,
    "NDimArray": dense,
    "ZeroMatrix": zeros,
    "OneMatrix": ones,
    "Identity": identity,
    "MatAdd": matrix_sum,
    "HadamardProduct": matrix_sum,
    "HadamardPower": matrix_power_of_elements,
    "ElementwiseApplyFunction": apply_to_elements,
    "MatMul": matrix_product,
    "MatPow": matrix_power,
    "Trace": trace,
    "Transpose": transposed,
    "Adjoint": transposed,
    "DotProduct": dot_product,
    "MatrixSlice": part_of_matrix,
    "BlockMatrix": blocks,
    "Inverse": refused,
    "Determinant": refused,
    "Permanent": refused,
}
