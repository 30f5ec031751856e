"""exp and its relatives: exp(x) = 2**n exp(r), r = x - n log 2, |r| <= log(2)/2."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from symdiff.codegen.vector_math.coefficients import EXP, EXPM1
from symdiff.codegen.vector_math.emitter import (
    Floats,
    Kernel,
    Mask,
    Results,
    absolute,
    at_least,
    at_most,
    by_libm,
    copysign,
    fma,
    nearest,
    polynomial,
    scaled,
    select,
    two_sum,
)

LOG2_E: Final = float.fromhex("0x1.71547652b82fep+0")
LN2: Final = float.fromhex("0x1.62e42fefa39efp-1")
# log 2 in two parts. The first has 42 bits, so that its product with n is exact.
LN2_HI: Final = float.fromhex("0x1.62e42fefa38p-1")
LN2_LO: Final = float.fromhex("0x1.ef35793c7673p-45")
_SHIFT: Final = math.log(1.5) - math.log(2.0) / 2


def exp(x: Floats) -> Floats:
    """e to the power x."""
    return _exponential(x, LOG2_E, _exp_reduced, 708.0, (-746.0, 710.0))


def exp2(x: Floats) -> Floats:
    """2 to the power x."""
    return _exponential(x, 1.0, _exp2_reduced, 1021.0, (-1076.0, 1025.0))


def _exp_reduced(x: Floats, n: Floats) -> Floats:
    return exp_polynomial(fma(n, -LN2_LO, fma(n, -LN2_HI, x)))


def _exp2_reduced(x: Floats, n: Floats) -> Floats:
    return exp_polynomial((x - n) * LN2)


def exp_polynomial(r: Floats) -> Floats:
    """exp(r) for |r| <= log(2)/2."""
    return fma(r, fma(r, polynomial(r, r * r, (0.5, *EXP)), 1.0), 1.0)


def _exponential(
    x: Floats,
    factor: float,
    reduced: Callable[[Floats, Floats], Floats],
    safe: float,
    limits: tuple[float, float],
) -> Floats:
    """2**n reduced(x, n), n = x * factor rounded.

    Below `safe` in size, x leads to results that are neither subnormal nor infinite; beyond
    `limits` it leads to zero or infinity.
    """

    def everywhere(x: Floats) -> Floats:
        within = at_most(at_least(x, limits[0]), limits[1])
        n, _ = nearest(within, factor, 1023)  # which settles ties as below
        return scaled(reduced(within, n), n)

    def careful(k: Kernel, operands: Sequence[Floats], where: Mask, fast: Results) -> Results:
        return (everywhere(operands[0]),)

    if x.kernel.scales:
        return everywhere(x)
    n, biased = nearest(x, factor, 1023)
    y = reduced(x, n) * (biased << 52).floats
    return x.kernel.rarely(absolute(x).beyond(safe), careful, [x], (y,))[0]


def expm1(x: Floats) -> Floats:
    """exp(x) - 1; as accurate near zero."""
    k = x.kernel

    def overflowing(k: Kernel, operands: Sequence[Floats], where: Mask, fast: Results) -> Results:
        return (exp(operands[0]),)

    high, low = expm1_parts(at_least(x, -50.0))
    y = select(absolute(x) < 2.0**-54, x, high + low)
    return k.rarely(x.beyond(709.0), overflowing, [x], (y,))[0]


def expm1_parts(x: Floats) -> tuple[Floats, Floats]:
    """exp(x) - 1 as an unevaluated sum, for -50 <= x <= 709.

    Here -log(4/3) <= r <= log(3/2): where n = 1, the result is at least 1/2, which leaves room for
    the rounding errors of r.
    """
    n, biased = nearest(x - _SHIFT, LOG2_E, 1023)
    scale = (biased << 52).floats
    high = fma(n, -LN2_HI, x)  # exact
    low = n * -LN2_LO
    r = high + low
    # 2**n (1 + high + low + r**2 (...)) - 1, where every bit of high counts.
    total, error = two_sum(scale - 1.0, scale * high)
    rest = fma(scale, low, error)
    square = r * r
    return total, fma(scale * square, fma(r, polynomial(r, square, EXPM1), 0.5), rest)


def tanh(x: Floats) -> Floats:
    """The hyperbolic tangent, e / (e + 2) with e = exp(2 x) - 1."""
    size = at_most(absolute(x), 20.0)  # from where on the result is 1
    e, e_rest = two_sum(*expm1_parts(size + size))
    divisor, divisor_rest = two_sum(x.kernel.constant(2.0), e)
    t = e / divisor
    # The rounding errors of both, times 1 / divisor = (1 - t) / 2.
    correction = fma(-t, divisor_rest, e_rest)
    corrected = fma(correction, fma(t, -0.5, 0.5), t)
    return copysign(select(e < 2.0**53, corrected, t), x)  # beyond, divisor_rest is not exact


def sinh(x: Floats) -> Floats:
    """The hyperbolic sine, (e + e / (e + 1)) / 2 with e = exp(|x|) - 1."""
    size = absolute(x)
    e, rest = two_sum(*expm1_parts(size))
    inverse = 1.0 / (e + 1.0)
    rest = fma(rest * inverse, inverse, rest)
    y = copysign((fma(e, inverse, rest) + e) * 0.5, x)
    return x.kernel.rarely(size.beyond(708.0), by_libm("sinh"), [x], (y,))[0]


def cosh(x: Floats) -> Floats:
    """The hyperbolic cosine, (e + 1 / e) / 2 with e = exp(|x|)."""
    size = absolute(x)
    n, biased = nearest(size, LOG2_E, 1023)
    e = _exp_reduced(size, n) * (biased << 52).floats
    y = fma(e, 0.5, 0.5 / e)
    return x.kernel.rarely(size.beyond(708.0), by_libm("cosh"), [x], (y,))[0]
