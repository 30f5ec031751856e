"""Powers, exponentials, logarithms, and the trigonometric and hyperbolic functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symdiff.ir import Notation, TupleType, Type, Value
from symdiff.ops.arithmetic import abs, add, copysign, div, mul, neg, sqrt, sub
from symdiff.ops.comparison import eq, lt, max, ne, or_, where
from symdiff.ops.define import (
    POWER,
    UNARY,
    Masked,
    call,
    define,
    each,
    elementwise,
    like,
    operand_error,
    uniform,
)

LN2, LN10 = math.log(2.0), math.log(10.0)


def _libm(name: str) -> Any:
    return lambda b, *operands: b.libm(name, *operands)


def _pow_dx(out: Value, x: Value, y: Value) -> Value:
    """y x**(y-1); at y = 0 it is 0, also where x = 0 and the power is infinite."""
    return where(eq(y, 0.0), 0.0, mul(y, pow(x, sub(y, 1.0))))


def _pow_dy(out: Value, x: Value, y: Value) -> Value:
    """x**y log(x); at x = 0 the limit 0 for y > 0, and 0 for y = 0 too."""
    return where(_power_is_smooth(x, y), mul(out, log(x)), 0.0)


def _power_is_smooth(x: Value, y: Value) -> Value:
    return or_(ne(x, 0.0), lt(y, 0.0))


pow = elementwise(
    "pow",
    value=np.power,
    partials=(_pow_dx, _pow_dy),
    vjp=(
        # The mask of the select is carried on, for the operands' own derivatives.
        lambda bar, out, x, y: Masked(mul(bar, mul(y, pow(x, sub(y, 1.0)))), ne(y, 0.0)),
        lambda bar, out, x, y: Masked(mul(bar, mul(out, log(x))), _power_is_smooth(x, y)),
    ),
    emit=lambda b, x, y: b.libm("pow", x, y),
    exact=lambda mp, x, y: mp.power(x, y),
    notation=Notation(
        "{}**{}", "{}^{{{}}}", POWER, (POWER + 1, UNARY), latex_operands=(POWER + 1, 0)
    ),
    samples=each((0.2, 3), (-2, 3)),
    aliases=("power", "Pow", "float_power"),
    note="d/dx is 0 at y = 0 and d/dy is 0 at x = 0, y >= 0",
    intuition="scales by the exponent times the next lower power; an exponent of its own gets "
    "the value times log(base)",
)

hypot = elementwise(
    "hypot",
    value=np.hypot,
    partials=(lambda out, x, y: unit(x, y), lambda out, x, y: unit(y, x)),
    emit=lambda b, x, y: b.libm("hypot", x, y),
    exact=lambda mp, x, y: mp.hypot(x, y),
    samples=uniform(-3, 3, count=2),
    note="derivative 0 at (0, 0)",
    intuition="shares the upstream gradient out in the direction of its operands",
)


def _expand_unit(x: Value, y: Value) -> Value:
    radius = hypot(x, y)
    return where(eq(radius, 0.0), 0.0, div(x, radius))


# The derivative of x/hypot(x, y) from the quotient is 1/r - x**2/r**3, which cancels down to
# nothing where |y| << |x|; as an operation of its own it is (y/r)**2/r.
unit = elementwise(
    "unit",
    value=lambda x, y: np.where((x == 0) & (y == 0), x * y, x / np.hypot(x, y)),
    partials=(
        lambda out, x, y: div(mul(unit(y, x), unit(y, x)), hypot(x, y)),
        lambda out, x, y: neg(div(mul(out, unit(y, x)), hypot(x, y))),
    ),
    expand=_expand_unit,
    exact=lambda mp, x, y: x / mp.hypot(x, y),
    samples=each((-3, 3), (0.2, 3)),
    note="x/hypot(x, y), the derivative of hypot; 0 at (0, 0)",
    intuition="scales by how fast the direction turns, which is slower far from 0",
)

exp = elementwise(
    "exp",
    value=np.exp,
    partials=(lambda out, x: out,),
    emit=_libm("exp"),
    notation=Notation("exp({})", r"e^{{{}}}", latex_precedence=POWER),
    samples=uniform(-3, 3),
    intuition="scales the upstream gradient by its own value: large outputs have large gradients",
)

log = elementwise(
    "log",
    value=np.log,
    partials=(lambda out, x: div(1.0, x),),
    vjp=(lambda bar, out, x: div(bar, x),),
    emit=lambda b, x: b.libm("log", x),
    notation=Notation("log({})", r"\ln\left({}\right)"),
    samples=uniform(0.1, 9),
    aliases=("ln",),
    intuition="divides the upstream gradient by its operand: without bound near 0",
)


exp2 = elementwise(
    "exp2",
    value=np.exp2,
    partials=(lambda out, x: mul(LN2, out),),
    emit=_libm("exp2"),
    exact=lambda mp, x: mp.power(2, x),
    notation=Notation("exp2({})", r"2^{{{}}}", latex_precedence=POWER),
    samples=uniform(-3, 3),
    intuition="scales the upstream gradient by its own value times log(2)",
)

expm1 = elementwise(
    "expm1",
    value=np.expm1,
    # Not out + 1, which cancels for x << 0.
    partials=(lambda out, x: exp(x),),
    emit=_libm("expm1"),
    samples=uniform(-3, 3),
    intuition="scales the upstream gradient by exp(x): large outputs have large gradients",
)

log2 = elementwise(
    "log2",
    value=np.log2,
    partials=(lambda out, x: div(1.0 / LN2, x),),
    emit=_libm("log2"),
    exact=lambda mp, x: mp.log(x) / mp.log(2),
    notation=call("log2", r"\log_2"),
    samples=uniform(0.1, 9),
    intuition="divides the upstream gradient by its operand times log(2): without bound near 0",
)

log10 = elementwise(
    "log10",
    value=np.log10,
    partials=(lambda out, x: div(1.0 / LN10, x),),
    emit=_libm("log10"),
    notation=call("log10", r"\log_{{10}}"),
    samples=uniform(0.1, 9),
    intuition="divides the upstream gradient by its operand times log(10): without bound near 0",
)

log1p = elementwise(
    "log1p",
    value=np.log1p,
    partials=(lambda out, x: div(1.0, add(1.0, x)),),
    emit=_libm("log1p"),
    samples=uniform(-0.9, 5),
    intuition="divides the upstream gradient by 1 + x: without bound near -1",
)

sin = elementwise(
    "sin",
    value=np.sin,
    partials=(lambda out, x: cos(x),),
    emit=_libm("sin"),
    notation=call("sin", r"\sin"),
    samples=uniform(-3, 3),
    intuition="scales the upstream gradient by the cosine, which is 0 at crests and troughs",
)

cos = elementwise(
    "cos",
    value=np.cos,
    partials=(lambda out, x: neg(sin(x)),),
    emit=_libm("cos"),
    notation=call("cos", r"\cos"),
    samples=uniform(-3, 3),
    intuition="scales the upstream gradient by minus the sine, which is 0 at crests and troughs",
)


def _sincos_type(types: tuple[Any, ...]) -> TupleType:
    (x,) = types
    if not isinstance(x, Type) or x.dtype.kind != "f":
        raise operand_error("sincos", types, "one floating-point operand")
    return TupleType((x, x))


# Made by the sincos pass after differentiation, so it has no derivative rules.
sincos = define(
    "sincos",
    type=_sincos_type,
    value=lambda x: (np.sin(x), np.cos(x)),
    emit=lambda b, x: b.sincos(x),
    exact=lambda mp, x: (mp.sin(x), mp.cos(x)),
    elementwise=True,
    note="both results of one argument reduction; a pass pairs sin with cos",
    intuition="scales the upstream gradients by the cosine and by minus the sine, and adds them up",
)

tan = elementwise(
    "tan",
    value=np.tan,
    partials=(lambda out, x: add(1.0, mul(out, out)),),
    emit=_libm("tan"),
    notation=call("tan", r"\tan"),
    samples=uniform(-1.4, 1.4),
    intuition="scales the upstream gradient by 1 + tan(x)^2, without bound near its poles",
)

asin = elementwise(
    "asin",
    value=np.arcsin,
    partials=(lambda out, x: div(1.0, _sqrt_one_minus_square(x)),),
    emit=_libm("asin"),
    notation=call("asin", r"\arcsin"),
    samples=uniform(-0.95, 0.95),
    aliases=("arcsin",),
    note="derivative inf at -1 and 1",
    intuition="scales the upstream gradient by 1/sqrt(1 - x^2), without bound near -1 and 1",
)

acos = elementwise(
    "acos",
    value=np.arccos,
    partials=(lambda out, x: div(-1.0, _sqrt_one_minus_square(x)),),
    emit=_libm("acos"),
    notation=call("acos", r"\arccos"),
    samples=uniform(-0.95, 0.95),
    aliases=("arccos",),
    note="derivative -inf at -1 and 1",
    intuition="scales the upstream gradient by -1/sqrt(1 - x^2), without bound near -1 and 1",
)

atan = elementwise(
    "atan",
    value=np.arctan,
    partials=(lambda out, x: div(1.0, add(1.0, mul(x, x))),),
    emit=_libm("atan"),
    notation=call("atan", r"\arctan"),
    samples=uniform(-3, 3),
    aliases=("arctan",),
    intuition="squashes: scales the upstream gradient by 1/(1 + x^2), which is small far from 0",
)

atan2 = elementwise(
    "atan2",
    value=np.arctan2,
    # Divided twice by the radius, which does not overflow where its square would.
    partials=(
        lambda out, y, x: div(div(x, hypot(x, y)), hypot(x, y)),
        lambda out, y, x: neg(div(div(y, hypot(x, y)), hypot(x, y))),
    ),
    emit=_libm("atan2"),
    notation=call("atan2", r"\operatorname{{atan2}}", 2),
    samples=each((-3, 3), (0.2, 3)),
    aliases=("arctan2",),
    note="no derivative at (0, 0): NaN",
    intuition="turns: shares the upstream gradient out at right angles to its operands",
)

sinh = elementwise(
    "sinh",
    value=np.sinh,
    partials=(lambda out, x: cosh(x),),
    emit=_libm("sinh"),
    notation=call("sinh", r"\sinh"),
    samples=uniform(-3, 3),
    intuition="scales the upstream gradient by cosh(x), which is 1 at 0 and grows like exp",
)

cosh = elementwise(
    "cosh",
    value=np.cosh,
    partials=(lambda out, x: sinh(x),),
    emit=_libm("cosh"),
    notation=call("cosh", r"\cosh"),
    samples=uniform(-3, 3),
    intuition="scales the upstream gradient by sinh(x), which is 0 at 0 and grows like exp",
)


def _tanh_parts(x: Value) -> tuple[Value, Value, Value]:
    """|x|, m = expm1(2|x|) and q = 2 / (m + 2) = 1 - tanh|x|, exact also where tanh is near 1."""
    magnitude = abs(x)
    m = expm1(add(magnitude, magnitude))
    return magnitude, m, div(2.0, add(m, 2.0))


def _expand_tanh(x: Value) -> Value:
    magnitude, m, q = _tanh_parts(x)
    small = mul(mul(0.5, m), q)
    return copysign(where(lt(magnitude, 1.0), small, sub(1.0, q)), x)


def _expand_sech2(x: Value) -> Value:
    _, _, q = _tanh_parts(x)
    return mul(q, sub(2.0, q))


tanh = elementwise(
    "tanh",
    value=np.tanh,
    partials=(lambda out, x: sech2(x),),
    emit=_libm("tanh"),
    expand=_expand_tanh,
    partner="sech2",
    notation=call("tanh", r"\tanh"),
    samples=uniform(-3, 3),
    intuition="squashes: scales the upstream gradient by 1 - tanh(x)^2, which vanishes where "
    "it saturates",
)

# 1 - tanh(x)**2 cancels: at x = 10 it has 8 digits left. Where value and derivative are both
# needed, the two expand to one shared expm1, so the accurate form costs no second call.
sech2 = elementwise(
    "sech2",
    value=lambda x: 1.0 / np.square(np.cosh(x)),
    partials=(lambda out, x: mul(mul(-2.0, tanh(x)), out),),
    expand=_expand_sech2,
    exact=lambda mp, x: 1 / mp.cosh(x) ** 2,
    notation=Notation("sech2({})", r"\operatorname{{sech}}^2\left({}\right)"),
    samples=uniform(-3, 3),
    note="sech(x)**2, the derivative of tanh",
    intuition="scales the upstream gradient by -2 sech(x)^2 tanh(x), which vanishes far from 0",
)

asinh = elementwise(
    "asinh",
    value=np.arcsinh,
    partials=(lambda out, x: div(1.0, hypot(like(x, 1.0), x)),),
    emit=_libm("asinh"),
    notation=call("asinh", r"\operatorname{{arsinh}}"),
    samples=uniform(-3, 3),
    aliases=("arcsinh",),
    intuition="scales the upstream gradient by 1/sqrt(1 + x^2)",
)

acosh = elementwise(
    "acosh",
    value=np.arccosh,
    partials=(lambda out, x: div(1.0, mul(sqrt(sub(x, 1.0)), sqrt(add(x, 1.0)))),),
    emit=_libm("acosh"),
    notation=call("acosh", r"\operatorname{{arcosh}}"),
    samples=uniform(1.1, 5),
    aliases=("arccosh",),
    note="derivative inf at 1",
    intuition="scales the upstream gradient by 1/sqrt(x^2 - 1), without bound near 1",
)

atanh = elementwise(
    "atanh",
    value=np.arctanh,
    partials=(lambda out, x: div(1.0, mul(sub(1.0, x), add(1.0, x))),),
    emit=_libm("atanh"),
    notation=call("atanh", r"\operatorname{{artanh}}"),
    samples=uniform(-0.95, 0.95),
    aliases=("arctanh",),
    note="derivative inf at -1 and 1",
    intuition="scales the upstream gradient by 1/(1 - x^2), without bound near -1 and 1",
)


def _expand_sigmoid(x: Value) -> Value:
    e = exp(neg(abs(x)))
    return div(where(lt(x, 0.0), e, 1.0), add(1.0, e))


def _expand_softplus(x: Value) -> Value:
    return add(max(x, 0.0), log1p(exp(neg(abs(x)))))


def _distance(x: Value, y: Value) -> Value:
    """x - y; 0 for equal infinities, too."""
    return where(eq(x, y), 0.0, sub(x, y))


def _expand_logaddexp(x: Value, y: Value) -> Value:
    return add(max(x, y), log1p(exp(neg(abs(_distance(x, y))))))


sigmoid = elementwise(
    "sigmoid",
    value=lambda x: np.where(x < 0, np.exp(-np.abs(x)), 1.0) / (1.0 + np.exp(-np.abs(x))),
    # Not out * (1 - out), which cancels for x >> 0. Both factors expand to one shared exp.
    partials=(lambda out, x: mul(out, sigmoid(neg(x))),),
    expand=_expand_sigmoid,
    exact=lambda mp, x: 1 / (1 + mp.exp(-x)),
    notation=call("sigmoid", r"\sigma"),
    samples=uniform(-3, 3),
    aliases=("expit", "logistic"),
    intuition="squashes: scales the upstream gradient by s(1 - s), at most 1/4, which vanishes "
    "where it saturates",
)

softplus = elementwise(
    "softplus",
    value=lambda x: np.logaddexp(x, np.zeros_like(x)),
    partials=(lambda out, x: sigmoid(x),),
    expand=_expand_softplus,
    exact=lambda mp, x: mp.log1p(mp.exp(x)),
    samples=uniform(-3, 3),
    intuition="a soft gate: scales the upstream gradient by sigmoid(x), 0 far below and 1 far "
    "above 0",
)

logaddexp = elementwise(
    "logaddexp",
    value=np.logaddexp,
    partials=(
        lambda out, x, y: sigmoid(_distance(x, y)),
        lambda out, x, y: sigmoid(_distance(y, x)),
    ),
    expand=_expand_logaddexp,
    exact=lambda mp, x, y: mp.log(mp.exp(x) + mp.exp(y)),
    samples=uniform(-3, 3, count=2),
    intuition="a soft max: shares the upstream gradient out by the softmax of its operands",
)


def _sqrt_one_minus_square(x: Value) -> Value:
    """sqrt((1 - x)(1 + x)): exact differences, so nothing cancels near -1 and 1."""
    return sqrt(mul(sub(1.0, x), add(1.0, x)))
