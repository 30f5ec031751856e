"""What comes before loops: matrix products in the form that BLAS takes, or as sums of products.

And sums with an array of few elements, as additions to the other array.
"""

from __future__ import annotations

from math import prod
from typing import Final

from symdiff.codegen.loops.values import REDUCTIONS
from symdiff.ir import PARAM, Function, Value, rewrite, use_counts
from symdiff.ops import (
    add,
    add_at,
    contract,
    neg,
    put_at,
    reduce_sum,
    reshape,
    scatter_add,
    sub,
    transpose,
)
from symdiff.ops.contraction import split

BLAS_FROM: Final = 20_000  # multiplications from which BLAS is faster than loops of our own
_BLAS_SIDE: Final = 8  # and the least extent of each side: below, BLAS packs more than it gains
_BATCHED_SIDE: Final = 4  # the same for many products, whose loops may fuse with others


def prepare(fn: Function, blas: bool = True) -> Function:
    """`fn` with only such contractions as are done by BLAS, and no reductions of nothing.

    Where elements are only scattered to be added to a parameter, they are added to a copy of it.
    """
    uses = use_counts(fn)

    def visit(value: Value, args: tuple[Value, ...]) -> Value | None:
        if value.op in REDUCTIONS and args[0].type.size == 0 and value.op is reduce_sum:
            return args[0].graph.const(0.0, value.type)
        if value.op in (add, sub):
            return _added(value, args, uses)
        if value.op is not contract:
            return None
        expanded = contract.expand
        assert expanded is not None
        spec = value.attr("spec")
        if 0 in args[0].type.shape + args[1].type.shape:
            return args[0].graph.const(0.0, value.type)
        sizes = _sizes(spec, *args)
        side = _BLAS_SIDE if sizes[0] == 1 else _BATCHED_SIDE
        small = prod(sizes[1:]) < BLAS_FROM or min(sizes[1:]) < side
        if small or not blas or value.type.dtype.kind != "f":
            return expanded(*args, spec=spec)
        return _canonical(*args, spec=spec)

    return rewrite(fn, visit=visit)


def _added(value: Value, args: tuple[Value, ...], uses: dict[Value, int]) -> Value | None:
    """A parameter plus or minus what is scattered, without an array that is zero elsewhere."""
    for whole, part in ((0, 1), (1, 0)) if value.op is add else ((0, 1),):
        before, change = args[whole], args[part]
        known = before.op in (PARAM, put_at, add_at)
        if known and change.op is scatter_add and uses[value.args[part]] == 1:
            elements, *indices = change.args
            elements = elements if value.op is add else neg(elements)
            return add_at(before, elements, *indices, axis=change.attr("axis"))
    return None


def _labels(spec: str) -> tuple[str, str, str, str]:
    """Labels of both operands and the result, of one side each and the result, and summed."""
    left, right, result = split(spec)
    both = "".join(c for c in result if c in left and c in right)
    rows = "".join(c for c in result if c not in right)
    columns = "".join(c for c in result if c not in left)
    summed = "".join(c for c in left if c not in result)
    return both, rows, columns, summed


def _sizes(spec: str, x: Value, y: Value) -> tuple[int, int, int, int]:
    """How many matrix products, and their numbers of rows, columns and terms."""
    left, right, _ = split(spec)
    extents = dict(zip(left + right, x.type.shape + y.type.shape, strict=True))
    both, rows, columns, summed = (prod(extents[c] for c in part) for part in _labels(spec))
    return both, rows, columns, summed


def _canonical(x: Value, y: Value, spec: str) -> Value:
    """The contraction as one of matrices: `bmk,bkn->bmn`, with or without b, or transposed."""
    left, right, result = split(spec)
    both, rows, columns, summed = _labels(spec)
    extents = dict(zip(left + right, x.type.shape + y.type.shape, strict=True))
    x, first = _matrix(x, left, both, rows, summed)
    y, second = _matrix(y, right, both, summed, columns)
    names = {"r": "m", "s": "k"}, {"r": "k", "s": "n"}
    lead = "b" if both else ""
    a = lead + "".join(names[0][c] for c in first)
    b = lead + "".join(names[1][c] for c in second)
    product = contract(x, y, spec=f"{a},{b}->{lead}mn")
    order = both + rows + columns
    product = reshape(product, shape=tuple(extents[c] for c in order))
    axes = tuple(order.index(c) for c in result)
    return product if axes == tuple(range(len(axes))) else transpose(product, axes=axes)


def _matrix(x: Value, labels: str, both: str, rows: str, columns: str) -> tuple[Value, str]:
    """`x` as (batch of) matrices, and the order of its last two axes: "rs" or "sr"."""
    extents = dict(zip(labels, x.type.shape, strict=True))
    if labels == both + rows + columns:
        order = "rs"
    elif labels == both + columns + rows:
        order = "sr"
    else:  # to be copied: with long rows of memory
        longer = prod(extents[c] for c in columns) >= prod(extents[c] for c in rows)
        order = "rs" if longer else "sr"
    wanted = both + (rows + columns if order == "rs" else columns + rows)
    axes = tuple(labels.index(c) for c in wanted)
    if axes != tuple(range(len(axes))):
        x = transpose(x, axes=axes)
    parts = [rows, columns] if order == "rs" else [columns, rows]
    shape = tuple(prod(extents[c] for c in part) for part in ([both] if both else []) + parts)
    return reshape(x, shape=shape), order
