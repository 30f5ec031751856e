"""Special functions: the error function and the gamma family."""

from __future__ import annotations

import math

from symdiff.ir import Notation, Value
from symdiff.ops.arithmetic import abs, add, copysign, div, mul, neg, sub
from symdiff.ops.comparison import lt, where
from symdiff.ops.define import call, elementwise, like, scipy_special, uniform
from symdiff.ops.rounding import round
from symdiff.ops.transcendental import cos, exp, pow, sin, tan

_TWO_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)

erf = elementwise(
    "erf",
    value=scipy_special("erf"),
    partials=(lambda out, x: mul(_TWO_OVER_ROOT_PI, exp(neg(mul(x, x)))),),
    emit=lambda b, x: b.libm("erf", x),
    notation=call("erf", r"\operatorname{{erf}}"),
    samples=uniform(-2, 2),
    intuition="squashes: scales the upstream gradient by a bell curve, which vanishes far from 0",
)

erfc = elementwise(
    "erfc",
    value=scipy_special("erfc"),
    partials=(lambda out, x: mul(-_TWO_OVER_ROOT_PI, exp(neg(mul(x, x)))),),
    emit=lambda b, x: b.libm("erfc", x),
    notation=call("erfc", r"\operatorname{{erfc}}"),
    samples=uniform(-2, 2),
    intuition="squashes: scales the upstream gradient by minus a bell curve, which vanishes "
    "far from 0",
)

gamma = elementwise(
    "gamma",
    value=scipy_special("gamma"),
    partials=(lambda out, x: mul(out, digamma(x)),),
    emit=lambda b, x: b.libm("tgamma", x),
    notation=call("gamma", r"\Gamma"),
    samples=uniform(0.3, 6),
    aliases=("tgamma",),
    intuition="scales the upstream gradient by gamma(x) digamma(x)",
)

lgamma = elementwise(
    "lgamma",
    value=scipy_special("gammaln"),
    partials=(lambda out, x: digamma(x),),
    emit=lambda b, x: b.libm("lgamma", x),
    exact=lambda mp, x: mp.log(mp.fabs(mp.gamma(x))),
    notation=call("lgamma", r"\ln\Gamma"),
    samples=uniform(0.3, 6),
    aliases=("gammaln", "loggamma"),
    note="log |gamma(x)|",
    intuition="scales the upstream gradient by digamma(x), about log(x)",
)

digamma = elementwise(
    "digamma",
    value=scipy_special("digamma"),
    partials=(lambda out, x: polygamma(x, n=1),),
    emit=lambda b, x: b.special("psi", x),
    exact=lambda mp, x: mp.psi(0, x),
    notation=call("digamma", r"\psi"),
    samples=uniform(0.3, 6),
    aliases=("psi",),
    intuition="scales the upstream gradient by trigamma(x), without bound near 0",
)

# Bernoulli numbers B2, B4, ... of the asymptotic series.
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_SHIFT = 14


def _expand_polygamma(x: Value, n: int) -> Value:
    """Recurrence up to x + 14, then the asymptotic series; reflection left of 1/2.

    DLMF 5.15: the recurrence 5.15.5, the reflection 5.15.6 and the expansion 5.15.8-9.
    """
    reflected = lt(x, 0.5)
    z = where(reflected, sub(1.0, x), x)
    total: Value | None = None
    for k in range(_SHIFT):
        term = div(1.0, pow(add(z, float(k)), float(n + 1)))
        total = term if total is None else add(total, term)
    assert total is not None
    far = add(z, float(_SHIFT))
    inverse_square = div(1.0, mul(far, far))
    series: Value | None = None
    for k in range(len(_BERNOULLI), 0, -1):
        rising = math.factorial(2 * k + n - 1) / (math.factorial(2 * k) * math.factorial(n))
        coefficient = _BERNOULLI[k - 1] * rising
        series = (
            mul(coefficient, inverse_square)
            if series is None
            else mul(inverse_square, add(series, coefficient))
        )
    assert series is not None
    head = add(div(1.0 / n, pow(far, float(n))), div(0.5, pow(far, float(n + 1))))
    tail = add(head, div(series, pow(far, float(n))))
    sign = 1.0 if n % 2 else -1.0
    right = mul(sign * math.factorial(n), add(total, tail))
    # psi_n(1 - x) - (-1)^n psi_n(x) = (-1)^n pi d^n/dx^n cot(pi x)
    left = sub(mul(1.0 if n % 2 == 0 else -1.0, right), _cot_derivative(x, n))
    return where(reflected, left, right)


def _cot_derivative(x: Value, n: int) -> Value:
    """pi times the n-th derivative of cot(pi x), as a polynomial in the cotangent."""
    polynomial = [0.0, 1.0]  # of c, lowest power first; c' = -pi (1 + c**2)
    for _ in range(n):
        slope = [k * a for k, a in enumerate(polynomial)][1:]
        grown = [0.0] * (len(slope) + 2)
        for k, a in enumerate(slope):
            grown[k] -= a
            grown[k + 2] -= a
        polynomial = grown
    # The argument is reduced to [-1/2, 1/2] first, and from 1/4 on taken from 1/2, so that the
    # cotangent keeps its digits near its poles and near its zeros.
    rest = sub(x, round(x))
    size = abs(rest)
    near = mul(math.pi, size)
    c = where(lt(size, 0.25), div(cos(near), sin(near)), tan(mul(math.pi, sub(0.5, size))))
    c = copysign(c, rest)
    value = like(x, polynomial[-1])
    for a in reversed(polynomial[:-1]):
        value = add(mul(value, c), a)
    return mul(math.pi ** (n + 1), value)


polygamma = elementwise(
    "polygamma",
    value=lambda x, n: scipy_special("polygamma")(n, x),
    partials=(lambda out, x: polygamma(x, n=out.attr("n") + 1),),
    expand=_expand_polygamma,
    exact=lambda mp, x, n: mp.psi(n, x),
    notation=Notation("polygamma({n}, {})", r"\psi^{{({n})}}\left({}\right)"),
    samples=uniform(0.3, 6),
    attr_samples=(("n", 1),),
    note="the n-th derivative of digamma, n >= 1",
    intuition="scales the upstream gradient by the next polygamma function",
)
