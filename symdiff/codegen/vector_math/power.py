"""pow, as exp(y log x) with the logarithm and the product in pairs of numbers, and hypot."""

from __future__ import annotations

import math
from typing import Final

from symdiff.codegen.vector_math.coefficients import LOG_TAIL
from symdiff.codegen.vector_math.emitter import (
    Floats,
    absolute,
    by_libm,
    excess,
    fma,
    nearest,
    polynomial,
    sqrt,
    two_product,
    two_sum,
)
from symdiff.codegen.vector_math.exponential import LN2_HI, LN2_LO, LOG2_E, exp_polynomial
from symdiff.codegen.vector_math.logarithm import not_ordinary, split

_TWO_THIRDS: Final = float.fromhex("0x1.5555555555555p-1")
_TWO_THIRDS_REST: Final = float.fromhex("0x1.5555555555555p-55")


def pow(x: Floats, y: Floats) -> Floats:
    """x**y, with C's special cases; those, and results near overflow, come from C's library."""
    high, low = log_pair(*split(x))
    product, rest = two_product(y, high)
    rest = fma(y, low, rest)
    n, biased = nearest(product, LOG2_E, 1023)
    r = fma(n, -LN2_HI, product) + fma(n, -LN2_LO, rest)
    fast = exp_polynomial(r) * (biased << 52).floats

    bad = not_ordinary(x) | absolute(product).beyond(708.0)
    return x.kernel.rarely(bad, by_libm("pow"), [x, y], (fast,))[0]


def log_pair(k: Floats, f: Floats) -> tuple[Floats, Floats]:
    """k log 2 + log(1 + f) as a sum of two numbers, to 2**-64.

    log(1 + f) = 2 s + s z (2/3 + z Q(z)) with z = s**2 and s = f / (2 + f), all but Q in pairs.
    """
    divisor, divisor_rest = two_sum(f.kernel.constant(2.0), f)
    inverse = 1.0 / divisor
    s = f * inverse
    s_rest = -fma(s, divisor_rest, excess(s, divisor, f)) * inverse
    z, z_rest = two_product(s, s)
    z_rest = fma(s + s, s_rest, z_rest)
    c, c_rest = two_sum(_TWO_THIRDS, z * polynomial(z, z * z, LOG_TAIL))
    c_rest = c_rest + _TWO_THIRDS_REST
    u, u_rest = two_product(z, c)
    u_rest = u_rest + fma(z, c_rest, z_rest * c)
    w, w_rest = two_product(s, u)
    w_rest = w_rest + fma(s, u_rest, s_rest * u)
    total, first = two_sum(k * LN2_HI, s + s)
    total, second = two_sum(total, w)
    return total, (first + second) + fma(k, LN2_LO, fma(s_rest, 2.0, w_rest))


def hypot(x: Floats, y: Floats) -> Floats:
    """sqrt(x**2 + y**2)."""
    square = fma(x, x, y * y)
    bad = square.bits.outside(2.0**-900, math.inf)
    return x.kernel.rarely(bad, by_libm("hypot"), [x, y], (sqrt(square),))[0]
