"""Angles: atan, atan2, asin and acos, all q pi/4 + t + tail with a polynomial in t, |t| <= 1/2."""

from __future__ import annotations

from typing import Final

from symdiff.codegen.vector_math.coefficients import ASIN, ATAN
from symdiff.codegen.vector_math.emitter import (
    SIGN,
    Floats,
    Mask,
    absolute,
    by_libm,
    copysign,
    fma,
    polynomial,
    select,
    sqrt,
    two_sum,
)

# pi/4 in two parts; small multiples of the first one are exact.
_QUARTER_HI: Final = float.fromhex("0x1.921fb54442d18p-1")
_QUARTER_LO: Final = float.fromhex("0x1.1a62633145c07p-55")


def _angle(q: Floats, t: Floats, tail: Floats) -> Floats:
    high, rest = two_sum(q * _QUARTER_HI, t)
    return high + (fma(q, _QUARTER_LO, rest) + tail)


def atan(x: Floats) -> Floats:
    """The inverse tangent."""
    one = x.kernel.constant(1.0)
    q, t, tail = _atan_parts(absolute(x), one)
    return copysign(_angle(q, t, tail), x)


def atan2(y: Floats, x: Floats) -> Floats:
    """The angle of the point (x, y)."""
    a, b = absolute(y), absolute(x)
    q, t, tail = _atan_parts(a, b)
    q = select(x < 0.0, 4.0 - q, q)  # pi minus the angle
    fast = copysign(_angle(q, _signed(t, x), _signed(tail, x)), y)
    size = a + b
    bad = size.beyond(2.0**1000) | (size < 2.0**-900)
    return x.kernel.rarely(bad, by_libm("atan2"), [y, x], (fast,))[0]


def _atan_parts(a: Floats, b: Floats) -> tuple[Floats, Floats, Floats]:
    """q, t and tail of atan(a / b): q = 0 for ratios below 1/2, 2 for those above 2, else 1."""
    small, large = a + a < b, a > b + b
    above = select(small, a, select(large, -b, a - b))
    t = above / select(small, b, select(large, a, a + b))
    q = select(small, 0.0, select(large, 2.0, 1.0))
    z = t * t
    return q, t, -(t * z) * polynomial(z, z * z, ATAN)


def asin(x: Floats) -> Floats:
    """The inverse sine; for |x| > 1/2, pi/2 less twice that of sqrt((1 - |x|)/2)."""
    large, t, tail = _asin_parts(absolute(x))
    q, factor = (
        select(large, t.kernel.constant(2.0), 0.0),
        select(large, t.kernel.constant(-2.0), 1.0),
    )
    return copysign(_angle(q, t * factor, tail * factor), x)


def acos(x: Floats) -> Floats:
    """The inverse cosine; for |x| > 1/2 twice the inverse sine of that root, or pi less it."""
    large, t, tail = _asin_parts(absolute(x))
    q = select(large, select(x < 0.0, 4.0, 0.0), 2.0)
    factor = _signed(select(large, 2.0, -1.0), x)
    return _angle(q, t * factor, tail * factor)


def _asin_parts(size: Floats) -> tuple[Mask, Floats, Floats]:
    """Where |x| > 1/2, and t and tail: asin(t) = t + tail."""
    large = size > 0.5
    z = select(large, fma(size, -0.5, 0.5), size * size)
    t = select(large, sqrt(z), size)
    return large, t, t * z * polynomial(z, z * z, ASIN)


def _signed(y: Floats, x: Floats) -> Floats:
    """y where x >= 0, -y where x is negative."""
    return (y.bits ^ (x.bits & SIGN)).floats
