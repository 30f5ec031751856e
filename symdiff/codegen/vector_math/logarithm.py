"""log and its relatives: x = 2**k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2), s = f/(2 + f).

log(1 + f) = 2 atanh(s) = f - s (f - R(s**2)): the way of Ng and Sun in fdlibm's e_log.c, which
leaves a rounding error in no more than the small second term.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from symdiff.codegen.vector_math.coefficients import LOG
from symdiff.codegen.vector_math.emitter import (
    Floats,
    Ints,
    Kernel,
    Mask,
    Results,
    bits_of,
    copysign,
    fma,
    polynomial,
    select,
    two_product,
    two_sum,
)
from symdiff.codegen.vector_math.exponential import LN2_HI, LN2_LO

SMALLEST: Final = 2.0**-1022  # that is not subnormal
# The numbers that logarithms are multiplied by, and their rounding errors. k times the first part
# of log10(2) is exact.
_LOG2_E: Final = (float.fromhex("0x1.71547652b82fep+0"), float.fromhex("0x1.777d0ffda0d24p-56"))
_LOG10_E: Final = (float.fromhex("0x1.bcb7b1526e50ep-2"), float.fromhex("0x1.95355baaafad3p-57"))
_LOG10_2: Final = (float.fromhex("0x1.34413509f7800p-2"), float.fromhex("0x1.fef311f12b358p-46"))
_BIAS: Final = bits_of(1.0)
_ROOT: Final = bits_of(math.sqrt(0.5))
_MANTISSA: Final = (1 << 52) - 1


def log(x: Floats) -> Floats:
    """The natural logarithm."""
    return _logarithm(x, log_sum)


def log2(x: Floats) -> Floats:
    """The logarithm to base 2; exact for powers of two."""
    return _logarithm(x, lambda k, f: _in_base(k, None, f, _LOG2_E))


def log10(x: Floats) -> Floats:
    """The logarithm to base 10."""
    return _logarithm(x, lambda k, f: _in_base(k * _LOG10_2[0], k * _LOG10_2[1], f, _LOG10_E))


Sum = Callable[[Floats, Floats], Floats]


def _logarithm(x: Floats, sum: Sum) -> Floats:
    """sum(k, f) where x is ordinary, and the right thing where it is not."""

    def careful(k: Kernel, operands: Sequence[Floats], where: Mask, fast: Results) -> Results:
        return (_everywhere(operands[0], sum),)

    return x.kernel.rarely(not_ordinary(x), careful, [x], (sum(*split(x)),))[0]


def not_ordinary(x: Floats) -> Mask:
    """Where x is subnormal, zero, negative, infinite or a NaN."""
    return x.bits.outside(SMALLEST, math.inf)


def _everywhere(x: Floats, sum: Sum) -> Floats:
    tiny = x < SMALLEST
    k, f = split(select(tiny, x * 2.0**54, x))
    y = sum(select(tiny, k - 54.0, k), f)
    y = select(x.equals(0.0), -math.inf, y)
    y = select(x < 0.0, math.nan, y)
    return select(x.beyond(math.inf), x, y)


def _in_base(
    whole: Floats, whole_rest: Floats | None, f: Floats, factor: tuple[float, float]
) -> Floats:
    """whole + whole_rest + log(1 + f) * factor."""
    s, g = log_tail(f)
    product, rest = two_product(f, f.kernel.constant(factor[0]))
    rest = fma(s * -factor[0], g, fma(f, factor[1], rest))
    if whole_rest is not None:
        rest = rest + whole_rest
    total, error = two_sum(whole, product)
    return total + (error + rest)


def split(x: Floats) -> tuple[Floats, Floats]:
    """k and f for ordinary x."""
    moved = _moved(x)
    return _exponent(moved), _fraction(moved)


def _moved(x: Floats) -> Ints:
    """The bits of x / sqrt(1/2), as far as the exponent goes."""
    return x.bits + (_BIAS - _ROOT)


def _exponent(moved: Ints) -> Floats:
    return ((moved >> 52) | bits_of(2.0**52)).floats - (2.0**52 + 1023)


def _fraction(moved: Ints) -> Floats:
    return ((moved & _MANTISSA) + _ROOT).floats - 1.0


def log_tail(f: Floats) -> tuple[Floats, Floats]:
    """s and g such that log(1 + f) = f - s g."""
    s = f / (f + 2.0)
    z = s * s
    return s, fma(-z, polynomial(z, z * z, LOG), f)


def log_sum(k: Floats, f: Floats, rest: Floats | None = None) -> Floats:
    """k log 2 + log(1 + f) + rest, for a rest that is no more than a correction."""
    s, g = log_tail(f)
    high = fma(k, LN2_HI, f)
    low = f - fma(k, -LN2_HI, high)
    tail = k * LN2_LO if rest is None else fma(k, LN2_LO, rest)
    return high + (low + fma(-s, g, tail))


def log1p(x: Floats) -> Floats:
    """log(1 + x); as accurate near zero."""
    u = x + 1.0
    moved = _moved(u)
    scale = (bits_of(2.0**1023) - (moved & ~_MANTISSA)).floats  # 2**-k
    # f = 2**-k (1 + x) - 1, and its rounding error; if k = 0, then f = x.
    f, error = two_sum(scale - 1.0, scale * x)
    rest = error * (1.0607 - f)  # error / (1 + f), to 6 %

    def careful(k: Kernel, operands: Sequence[Floats], where: Mask, fast: Results) -> Results:
        return (_everywhere(operands[0] + 1.0, log_sum),)

    fast = copysign(log_sum(_exponent(moved), f, rest), x)
    return x.kernel.rarely(u.bits.outside(SMALLEST, 2.0**1022), careful, [x], (fast,))[0]
