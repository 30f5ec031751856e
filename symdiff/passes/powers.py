"""Powers with constant exponents, as multiplications and square roots.

Users expect it of `x**2` and `x**0.5`. Against libm's `pow` a whole power n is off by up to n/2
ULP, hence the limit; a half power differs at -0.0 and at -inf, where `pow` gives 0 and inf. This
runs after differentiation: the derivative of `x**9` is one power, that of its multiplications many.

A division takes as long as several multiplications. So negative whole powers of one x, such as a
power and its derivative, are powers of one reciprocal, each off by up to n ULP.
"""

from __future__ import annotations

import math
from typing import Final

from symdiff.ir import Attrs, Function, Op, Value, Visit, rewrite
from symdiff.ops import abs as abs_
from symdiff.ops import div, eq, like, mul, pow, sqrt, where
from symdiff.passes.loops import has, inside
from symdiff.passes.simplify import number, simplification

MAX_WHOLE_POWER: Final = 16
_HALF_POWERS: Final = (0.5, 1.5, 2.5)


@inside
def reduce_powers(fn: Function) -> Function:
    """`fn` with powers c taken apart that are small multiples of 1/2, or next to c - 1."""
    if not has(fn, pow):
        return fn
    return _share_powers(rewrite(fn, rule, _by_one_reciprocal(fn)))


def _by_one_reciprocal(fn: Function) -> Visit | None:
    """What makes powers of 1/x of the negative whole powers of x, where there are several."""
    negative = {x: {c for c in known if _is_negative(c)} for x, known in _exponents(fn).items()}
    shared = {x for x, known in negative.items() if len(known) > 1}
    if not shared:
        return None

    def visit(value: Value, args: tuple[Value, ...]) -> Value | None:
        c = _exponent(value)
        if c is None or not _is_negative(c) or value.args[0] not in shared:
            return None
        return pow(div(1.0, args[0]), -c)

    return visit


def _is_negative(c: float) -> bool:
    """Whether a power c is the reciprocal of multiplications."""
    return c < 0 and _is_whole(c)


def _share_powers(fn: Function) -> Function:
    """`fn` with one of x**c and x**(c - 1), a power and its derivative, made from the other.

    The product and the quotient have the power's value also at 0 and at infinity, or are not used
    there.
    """
    # By the smaller one of each pair.
    larger = {x: {c - 1: c for c in known if c - 1 in known} for x, known in _exponents(fn).items()}
    if not any(larger.values()):
        return fn

    def visit(value: Value, args: tuple[Value, ...]) -> Value | None:
        c = _exponent(value)
        if c is None:
            return None
        x, pairs = args[0], larger[value.args[0]]
        if c > 1 and c - 1 in pairs:
            return mul(_signless(x, c), pow(x, c - 1))
        if c >= 0 or c not in pairs:
            return None
        quotient = div(pow(x, pairs[c]), _signless(x, c))
        if pairs[c] < 0:
            return quotient
        finite = where(eq(abs_(x), like(x, math.inf)), like(x, 0.0), quotient)
        return where(eq(x, like(x, 0.0)), like(x, math.inf), finite)

    return rewrite(fn, simplification, visit)


def _signless(x: Value, c: float) -> Value:
    """x or, next to a power that is not whole, |x|: x < 0 gives NaN, and -0.0 and -inf no sign."""
    return x if c == int(c) else abs_(x)


def _exponents(fn: Function) -> dict[Value, set[float]]:
    """The constant powers in `fn`, by what is raised to them."""
    found: dict[Value, set[float]] = {}
    for value in fn.live():
        c = _exponent(value)
        if c is not None:
            found.setdefault(value.args[0], set()).add(c)
    return found


def _exponent(value: Value) -> float | None:
    """The constant exponent of a power."""
    return number(value.args[1]) if value.op is pow else None


def _is_whole(c: float) -> bool:
    """Whether a power c is multiplications."""
    return math.isfinite(c) and c == int(c) and abs(c) <= MAX_WHOLE_POWER


def rule(op: Op, args: tuple[Value, ...], attrs: Attrs) -> Value | None:
    """The simplifications of `simplify`, and powers taken apart."""
    reduced = _power(args[0], number(args[1])) if op is pow else None
    return simplification(op, args, attrs) if reduced is None else reduced


def _power(x: Value, c: float | None) -> Value | None:
    if c is None or not math.isfinite(c):
        return None
    whole = _is_whole(c)
    if c < 0 and (whole or -c in _HALF_POWERS):
        return div(1.0, pow(x, -c))
    if c in _HALF_POWERS:
        root = sqrt(x)
        return root if c == 0.5 else mul(pow(x, c - 0.5), root)
    if whole and c >= 2:
        half = pow(x, float(c // 2))
        square = mul(half, half)
        return square if c % 2 == 0 else mul(square, x)
    return None
