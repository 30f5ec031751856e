"""Arithmetic: the four operations, roots, absolute value and sign."""

from __future__ import annotations

from typing import Any

import numpy as np

from symdiff.ir import Notation, Value
from symdiff.ops.define import PRODUCT, SUM, UNARY, each, elementwise, infix, like, signed, uniform

neg = elementwise(
    "neg",
    integers=True,
    value=np.negative,
    partials=(lambda out, x: like(x, -1.0),),
    vjp=(lambda bar, out, x: neg(bar),),
    jvp=lambda tangents, out, args: neg(tangents[0]),
    emit=lambda b, x: b.neg(x),
    exact=lambda mp, x: -x,
    notation=Notation("-{}", "-{}", UNARY, (PRODUCT,)),  # -a * b is -(a * b) to the last bit
    samples=uniform(-3, 3),
    aliases=("negative",),
    intuition="turns the sign of the upstream gradient",
)


def _linear(tangents: Any, out: Value, args: Any, second: Any) -> Value:
    """The tangent of x + y or x - y, where either tangent may be zero."""
    dx, dy = tangents
    if dx is None:
        return dy if second is add else neg(dy)
    return dx if dy is None else second(dx, dy)


add = elementwise(
    "add",
    integers=True,
    value=np.add,
    partials=(lambda out, x, y: like(x, 1.0), lambda out, x, y: like(y, 1.0)),
    vjp=(lambda bar, out, x, y: bar, lambda bar, out, x, y: bar),
    jvp=lambda tangents, out, args: _linear(tangents, out, args, add),
    emit=lambda b, x, y: b.add(x, y),
    exact=lambda mp, x, y: x + y,
    notation=infix("+", SUM),
    commutative=True,
    samples=uniform(-3, 3, count=2),
    intuition="distributes the upstream gradient to each summand",
)

sub = elementwise(
    "sub",
    integers=True,
    value=np.subtract,
    partials=(lambda out, x, y: like(x, 1.0), lambda out, x, y: neg(like(y, 1.0))),
    vjp=(lambda bar, out, x, y: bar, lambda bar, out, x, y: neg(bar)),
    jvp=lambda tangents, out, args: _linear(tangents, out, args, sub),
    emit=lambda b, x, y: b.sub(x, y),
    exact=lambda mp, x, y: x - y,
    notation=infix("-", SUM),
    samples=uniform(-3, 3, count=2),
    aliases=("subtract",),
    intuition="distributes the upstream gradient, with its sign turned for what is subtracted",
)

mul = elementwise(
    "mul",
    integers=True,
    value=np.multiply,
    partials=(lambda out, x, y: y, lambda out, x, y: x),
    emit=lambda b, x, y: b.mul(x, y),
    exact=lambda mp, x, y: x * y,
    notation=infix("*", PRODUCT, latex=r"\,"),
    commutative=True,
    samples=uniform(-3, 3, count=2),
    aliases=("multiply",),
    intuition="switches: each factor gets the upstream gradient times the other factor",
)


def _over(z: Value, y: Value, x: Value, out: Value) -> Value:
    """z / y, which next to a reciprocal, out = 1 / y, is a product."""
    reciprocal = x.literal is not None and x.literal.scalar == 1.0
    return mul(z, out) if reciprocal else div(z, y)


div = elementwise(
    "div",
    value=np.divide,
    # One division serves both: xbar = bar / y, ybar = -(bar / y) * out.
    partials=(lambda out, x, y: div(1.0, y), lambda out, x, y: neg(_over(out, y, x, out))),
    vjp=(
        lambda bar, out, x, y: div(bar, y),
        lambda bar, out, x, y: neg(mul(_over(bar, y, x, out), out)),
    ),
    emit=lambda b, x, y: b.div(x, y),
    exact=lambda mp, x, y: x / y,
    notation=Notation(
        "{} / {}", r"\frac{{{}}}{{{}}}", PRODUCT, (PRODUCT, PRODUCT + 1), UNARY + 1, ()
    ),
    samples=each((-3, 3), (0.5, 3)),
    aliases=("divide", "true_divide"),
    intuition="the numerator gets the upstream gradient divided by the denominator; the "
    "denominator's share grows as it comes near 0",
)

fma = elementwise(
    "fma",
    value=lambda x, y, z: x * y + z,
    partials=(lambda out, x, y, z: y, lambda out, x, y, z: x, lambda out, x, y, z: like(z, 1.0)),
    emit=lambda b, x, y, z: b.fma(x, y, z),
    exact=lambda mp, x, y, z: x * y + z,
    samples=uniform(-3, 3, count=3),
    note="x y + z, rounded once where the machine has the instruction",
    intuition="switches between its factors, and distributes to what is added",
)

sqrt = elementwise(
    "sqrt",
    value=np.sqrt,
    partials=(lambda out, x: div(0.5, out),),
    emit=lambda b, x: b.sqrt(x),
    notation=Notation("sqrt({})", r"\sqrt{{{}}}"),
    samples=uniform(0.1, 9),
    note="derivative inf at 0",
    intuition="scales the upstream gradient by 1/(2 sqrt(x)), without bound near 0",
)

cbrt = elementwise(
    "cbrt",
    value=np.cbrt,
    partials=(lambda out, x: div(1.0, mul(3.0, mul(out, out))),),
    emit=lambda b, x: b.libm("cbrt", x),
    exact=lambda mp, x: mp.sign(x) * mp.cbrt(mp.fabs(x)),
    notation=Notation("cbrt({})", r"\sqrt[3]{{{}}}"),
    samples=signed(0.1, 9),
    note="derivative inf at 0",
    intuition="scales the upstream gradient by 1/(3 cbrt(x)^2), without bound near 0",
)

abs = elementwise(
    "abs",
    integers=True,
    value=np.abs,
    partials=(lambda out, x: sign(x),),
    emit=lambda b, x: b.abs(x),
    exact=lambda mp, x: mp.fabs(x),
    notation=Notation("abs({})", r"\left|{}\right|"),
    samples=signed(0.1, 3),
    aliases=("absolute", "fabs", "Abs"),
    note="derivative 0 at 0",
    intuition="passes the upstream gradient on with the sign of its operand",
)

sign = elementwise(
    "sign",
    integers=True,
    value=np.sign,
    partials=(None,),
    emit=lambda b, x: b.select(
        b.lt(b.const(0.0), x),
        b.const(1.0),
        b.select(b.lt(x, b.const(0.0)), b.const(-1.0), x),
    ),
    exact=lambda mp, x: mp.sign(x),
    samples=signed(0.1, 3),
    aliases=("sgn",),
    note="derivative 0, also at 0",
    intuition="lets nothing through: it is flat, but for its step at 0",
)

copysign = elementwise(
    "copysign",
    value=np.copysign,
    partials=(lambda out, x, y: mul(sign(x), copysign(like(x, 1.0), y)), None),
    emit=lambda b, x, y: b.copysign(x, y),
    exact=lambda mp, x, y: mp.fabs(x) * (1 if y >= 0 else -1),
    samples=each((0.1, 3), (-3, 3)),
    note="d/dx is 0 at x = 0",
    intuition="passes the upstream gradient on to the magnitude, with its sign; none to the sign",
)
