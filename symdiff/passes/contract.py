"""Multiply-adds: x*y + z with one rounding, where that surprises nobody."""

from __future__ import annotations

from collections.abc import Iterable

from symdiff.ir import CONST, Function, Value, rewrite, use_counts
from symdiff.ops import abs, add, copysign, fma, max, min, mul, neg, sub, where

# What hands a product on without rounding it, so that it may still cancel against another one.
_TRANSPARENT = (abs, copysign, max, min, neg, where)


def contract(fn: Function) -> Function:
    """`fn` with sums of a product and something else as fused multiply-adds.

    A product that is used elsewhere too stays as it is, and so does the sum or difference of two
    products, also behind an `abs`, a `max`, a `where` or the addition of a constant: `x*x - y*y`
    with one of them rounded would be negative at x = y, and a square root of it a NaN.
    """
    uses = use_counts(fn)
    rounded = _products(uses)

    def visit(value: Value, args: tuple[Value, ...]) -> Value | None:
        if value.op is not add and value.op is not sub:
            return None
        (x, y), (new_x, new_y) = value.args, args
        if x.op is mul and uses[x] == 1 and y not in rounded:
            return fma(*new_x.args, new_y if value.op is add else neg(new_y))
        if y.op is mul and uses[y] == 1 and x not in rounded:
            a, b = new_y.args
            return fma(a if value.op is add else neg(a), b, new_x)
        return None

    return rewrite(fn, visit=visit)


def _products(values: Iterable[Value]) -> set[Value]:
    """The values that may be a product, rounded once, as they stand."""
    found: set[Value] = set()
    for value in values:
        constant = any(a.op is CONST for a in value.args)
        if value.op is mul or (
            (value.op in _TRANSPARENT or (value.op in (add, sub) and constant))
            and not found.isdisjoint(value.args)
        ):
            found.add(value)
    return found
