"""How much work a function is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import prod

from symdiff.ir import CONST, ITEM, PARAM, Function, TupleType, Value
from symdiff.ops import (
    add_at,
    argmax,
    argmin,
    broadcast,
    concatenate,
    contract,
    cumsum,
    embed,
    gather,
    put_at,
    reduce_max,
    reduce_min,
    reduce_sum,
    reshape,
    scan,
    scatter_add,
    slice_,
    stop_gradient,
    transpose,
)

_FREE = frozenset({
    CONST, ITEM, PARAM, broadcast, concatenate, embed, gather, put_at, reshape, slice_,
    stop_gradient, transpose,
})  # fmt: skip
# What is computed with are the elements of the operand, however few are left.
_PER_OPERAND = frozenset({reduce_sum, reduce_max, reduce_min, argmax, argmin, cumsum, scatter_add})


class OperationCount(dict[str, int]):
    """Operations by kind, and their `total`. Constants and parameters cost nothing."""

    @property
    def total(self) -> int:
        """The number of operations of all kinds."""
        return sum(self.values())


def count_operations(fn: Function) -> OperationCount:
    """The operations on numbers that one evaluation of `fn` takes.

    An elementwise operation counts once an element of its result, a reduction once an element of
    its operand, a contraction as its multiplications and additions, a loop as its body in every
    step. What only moves elements costs nothing.
    """
    return operations_of(fn.live())


def operations_of(values: Iterable[Value]) -> OperationCount:
    """The operations on numbers that `values` take, given their operands."""
    counts: Counter[str] = Counter()
    pending = [(values, 1)]
    while pending:
        part, times = pending.pop()
        for value in part:
            attrs = dict(value.attrs)
            if isinstance(attrs.get("body"), Function):  # a loop, or a function called once
                steps = attrs["length"] if value.op is scan else 1
                pending.append((attrs["body"].live(), times * steps))
            elif count := times * _operations(value):
                counts[value.op.name] += count
    return OperationCount(counts)


def _operations(value: Value) -> int:
    if value.op in _FREE or value.op.name == "iota":
        return 0
    if value.op in _PER_OPERAND:
        return value.args[0].type.size
    if value.op is add_at:
        return value.args[1].type.size
    if value.op is contract:
        left, _, right = value.attr("spec").partition("->")[0].partition(",")
        labels = zip(left + right, (n for a in value.args for n in a.type.shape), strict=True)
        return 2 * prod(dict(labels).values())
    result = value.type
    whole = result.elements[0] if isinstance(result, TupleType) else result
    return whole.size
