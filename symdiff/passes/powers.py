"""Powers with constant exponents, as multiplications and square roots.

Users expect it of `x**2` and `x**0.5`. Against libm's `pow` a whole power n is off by up to n/2
ULP, hence the limit; a half power differs at -0.0 and at -inf, where `pow` gives 0 and inf. This
runs after differentiation: the derivative of `x**9` is one power, that of its multiplications many.
"""

from __future__ import annotations

import math
from typing import Final

from symdiff.ir import Attrs, Function, Op, Value, rewrite
from symdiff.ops import div, mul, pow, sqrt
from symdiff.passes.loops import inside
from symdiff.passes.simplify import number, simplification

MAX_WHOLE_POWER: Final = 16
_HALF_POWERS: Final = (0.5, 1.5, 2.5)


@inside
def reduce_powers(fn: Function) -> Function:
    """`fn` with constant powers that are small multiples of 1/2 taken apart."""
    if not any(v.op is pow for v in fn.live()):
        return fn
    return rewrite(fn, rule)


def rule(op: Op, args: tuple[Value, ...], attrs: Attrs) -> Value | None:
    """The simplifications of `simplify`, and powers taken apart."""
    reduced = _power(args[0], number(args[1])) if op is pow else None
    return simplification(op, args, attrs) if reduced is None else reduced


def _power(x: Value, c: float | None) -> Value | None:
    if c is None or not math.isfinite(c):
        return None
    whole = c == int(c) and abs(c) <= MAX_WHOLE_POWER
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
