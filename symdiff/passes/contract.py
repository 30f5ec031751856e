"""Multiply-adds: x*y + z with one rounding, where that surprises nobody."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from symdiff.ir import Function, Value, Visit, rewrite, use_counts
from symdiff.ops import abs, add, copysign, fma, max, min, mul, neg, sub, where
from symdiff.passes.loops import inside

# What hands a product on, alone or as a term, so that it may still cancel against another one.
_TRANSPARENT = (abs, add, copysign, max, min, neg, sub, where)
CONTRACTED: Final = (add, sub)


@inside
def contract(fn: Function) -> Function:
    """`fn` with sums of a product and something else as fused multiply-adds.

    A product that is used elsewhere too stays as it is, and so does a sum or difference of
    products, also behind an `abs`, a `max` or a `where`: `x*x - y*y` with one of them rounded
    would be negative at x = y, and a square root of it a NaN. What is left are polynomials:
    `x*y + c`.
    """
    return rewrite(fn, visit=contraction(fn), ops=CONTRACTED)


def contraction(fn: Function) -> Visit:
    """What shows `ir.rewrite` the multiply-add for each sum in `fn`, a value of `CONTRACTED`."""
    uses = use_counts(fn)
    rounded = _products(uses)

    def visit(value: Value, args: tuple[Value, ...]) -> Value | None:
        if value.type.dtype.kind != "f":
            return None
        (x, y), (new_x, new_y) = value.args, args
        if x.op is mul and uses[x] == 1 and y not in rounded:
            return fma(*new_x.args, new_y if value.op is add else neg(new_y))
        if y.op is mul and uses[y] == 1 and x not in rounded:
            a, b = new_y.args
            return fma(a if value.op is add else neg(a), b, new_x)
        return None

    return visit


def _products(values: Iterable[Value]) -> set[Value]:
    """The values that are, or have as a term, a product that was rounded by itself."""
    found: set[Value] = set()
    for value in values:
        if value.op is mul or (value.op in _TRANSPARENT and not found.isdisjoint(value.args)):
            found.add(value)
    return found
