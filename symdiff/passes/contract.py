"""Multiply-adds: x*y + z with one rounding, where that cannot surprise."""

from __future__ import annotations

from symdiff.ir import Function, Value, rewrite, use_counts
from symdiff.ops import add, fma, mul, neg, sub


def contract(fn: Function) -> Function:
    """`fn` with sums of a product and something else as fused multiply-adds.

    A product that is used elsewhere too stays as it is, and so does the sum or difference of two
    products: `x*x - y*y` with one of them rounded would be negative at x = y, and a square root
    of it a NaN.
    """
    uses = use_counts(fn)

    def product(value: Value) -> bool:
        return value.op is mul and uses[value] == 1

    def visit(value: Value, args: tuple[Value, ...]) -> Value | None:
        if value.op is not add and value.op is not sub:
            return None
        (x, y), (new_x, new_y) = value.args, args
        if (x.op is mul) == (y.op is mul):
            return None
        if product(x):
            addend = new_y if value.op is add else neg(new_y)
            return fma(*new_x.args, addend)
        if product(y):
            a, b = new_y.args
            return fma(a if value.op is add else neg(a), b, new_x)
        return None

    return rewrite(fn, visit=visit)
