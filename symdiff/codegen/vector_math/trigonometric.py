"""sin, cos and tan: x = n pi/2 + r, |r| <= pi/4, and the polynomials of both sin r and cos r."""

from __future__ import annotations

from typing import Final

from symdiff.codegen.vector_math.coefficients import COS, SIN
from symdiff.codegen.vector_math.emitter import (
    SIGN,
    Floats,
    Ints,
    absolute,
    any_two_sum,
    by_libm,
    fma,
    nearest,
    polynomial,
    quotient,
    select,
    two_sum,
)

TWO_OVER_PI: Final = float.fromhex("0x1.45f306dc9c883p-1")
# pi/2 in parts of 53, 33 and 53 bits: with fma, n times the first one can be subtracted exactly;
# n times the second one is exact.
_FUSED: Final = tuple(
    map(float.fromhex, ("0x1.921fb54442d18p+0", "0x1.1a62633100000p-54", "0x1.1701b839a2520p-88"))
)
# In three parts of 33 bits, and the rest.
_SPLIT: Final = tuple(
    map(
        float.fromhex,
        ("0x1.921fb544p+0", "0x1.0b4611a6p-34", "0x1.3198a2ep-69", "0x1.b839a252049c1p-104"),
    )
)
LIMIT: Final = 2.0**20  # beyond it, n has too many bits for the parts


def sin(x: Floats) -> Floats:
    """The sine."""
    r, tail, quadrant = reduced(x)
    z = r * r
    y = _signed(select(quadrant.is_odd, cos_of(r, tail, z), sin_of(r, tail, z)), quadrant)
    return x.kernel.rarely(absolute(x).beyond(LIMIT), by_libm("sin"), [x], (y,))[0]


def cos(x: Floats) -> Floats:
    """The cosine."""
    r, tail, quadrant = reduced(x)
    z = r * r
    y = _signed(select(quadrant.is_odd, sin_of(r, tail, z), cos_of(r, tail, z)), quadrant + 1)
    return x.kernel.rarely(absolute(x).beyond(LIMIT), by_libm("cos"), [x], (y,))[0]


def sincos(x: Floats) -> tuple[Floats, ...]:
    """sin(x) and cos(x), with the bits that sin and cos give."""
    r, tail, quadrant = reduced(x)
    z = r * r
    s, c = sin_of(r, tail, z), cos_of(r, tail, z)
    odd = quadrant.is_odd
    both = (_signed(select(odd, c, s), quadrant), _signed(select(odd, s, c), quadrant + 1))
    return x.kernel.rarely(absolute(x).beyond(LIMIT), by_libm("sin", "cos"), [x], both)


def tan(x: Floats) -> Floats:
    """The tangent: sin r / cos r or -cos r / sin r, numerator and denominator in pairs."""
    r, tail, quadrant = reduced(x)
    z = r * r
    s = two_sum(r, -_sin_rest(r, tail, z))
    c = two_sum(x.kernel.constant(1.0), _cos_rest(r, tail, z))
    odd = quadrant.is_odd
    above, below = ((select(odd, b[0], a[0]), select(odd, b[1], a[1])) for a, b in ((s, c), (c, s)))
    y = quotient(above, below)
    y = (y.bits ^ (quadrant << 63)).floats
    return x.kernel.rarely(absolute(x).beyond(LIMIT), by_libm("tan"), [x], (y,))[0]


def _signed(y: Floats, quadrant: Ints) -> Floats:
    """y, or -y in the quadrants 2 and 3."""
    return (y.bits ^ ((quadrant << 62) & SIGN)).floats


def reduced(x: Floats) -> tuple[Floats, Floats, Ints]:
    """r, its tail and the quadrant: x = n pi/2 + r - tail, and n in the last two bits.

    For |x| < LIMIT, to 2**-40 of r even where x is next to a multiple of pi/2 (Cody and Waite).
    """
    n, quadrant = nearest(x, TWO_OVER_PI)
    if x.kernel.machine.fused:
        a, b, c = _FUSED
        high = fma(n, -a, x)
        r = fma(n, -b, high)
        return r, fma(n, c, fma(n, b, r - high)), quadrant
    a, b, c, d = _SPLIT
    high = fma(n, -a, x)
    r, first = any_two_sum(high, n * -b)
    r, second = any_two_sum(r, n * -c)
    return r, n * d - (first + second), quadrant


def sin_of(r: Floats, tail: Floats, z: Floats) -> Floats:
    """sin(r - tail) for z = r**2."""
    return r - _sin_rest(r, tail, z)


def _sin_rest(r: Floats, tail: Floats, z: Floats) -> Floats:
    """r - sin(r - tail). If r = -0.0, it is 0.0, so that sin(-0.0) = -0.0."""
    return fma(r * z, polynomial(z, z * z, SIN), tail)


def cos_of(r: Floats, tail: Floats, z: Floats) -> Floats:
    """cos(r - tail) for z = r**2."""
    return 1.0 + _cos_rest(r, tail, z)


def _cos_rest(r: Floats, tail: Floats, z: Floats) -> Floats:
    """cos(r - tail) - 1 = -z/2 + z**2 C(z) + r tail."""
    small = fma(z * z, polynomial(z, z * z, COS), r * tail)
    return fma(r * -0.5, r, small)  # not z/2: the rounding error of z would count
