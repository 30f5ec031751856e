"""Rounding to whole numbers, and division with remainder."""

from __future__ import annotations

import numpy as np

from symdiff.ir import Notation, Value
from symdiff.ops.arithmetic import add, copysign, div, neg, sub
from symdiff.ops.comparison import and_, eq, lt, ne, where
from symdiff.ops.define import ATOM, PRODUCT, each, elementwise, like, uniform

floor = elementwise(
    "floor",
    value=np.floor,
    partials=(None,),
    emit=lambda b, x: b.floor(x),
    notation=Notation("floor({})", r"\left\lfloor {} \right\rfloor"),
    samples=uniform(-5, 5),
    note="derivative 0",
    intuition="lets nothing through: it is flat between its steps",
)

ceil = elementwise(
    "ceil",
    value=np.ceil,
    partials=(None,),
    emit=lambda b, x: b.ceil(x),
    notation=Notation("ceil({})", r"\left\lceil {} \right\rceil"),
    samples=uniform(-5, 5),
    aliases=("ceiling",),
    note="derivative 0",
    intuition="lets nothing through: it is flat between its steps",
)

trunc = elementwise(
    "trunc",
    value=np.trunc,
    partials=(None,),
    emit=lambda b, x: b.trunc(x),
    exact=lambda mp, x: mp.mpf(int(x)),
    samples=uniform(-5, 5),
    aliases=("fix",),
    note="derivative 0",
    intuition="lets nothing through: it is flat between its steps",
)

round = elementwise(
    "round",
    value=np.rint,
    partials=(None,),
    emit=lambda b, x: b.rint(x),
    exact=lambda mp, x: mp.nint(x),
    samples=uniform(-5, 5),
    aliases=("rint",),
    note="halves to even; derivative 0",
    intuition="lets nothing through: it is flat between its steps",
)

fmod = elementwise(
    "fmod",
    value=np.fmod,
    partials=(lambda out, x, y: like(x, 1.0), lambda out, x, y: neg(trunc(div(x, y)))),
    emit=lambda b, x, y: b.libm("fmod", x, y),
    exact=lambda mp, x, y: x - y * int(x / y),
    samples=each((-9, 9), (0.5, 3)),
    note="C's remainder, with the sign of x; the derivative ignores the jumps",
    intuition="passes the upstream gradient on to the dividend, times minus the quotient to "
    "the divisor",
)


def _expand_mod(x: Value, y: Value) -> Value:
    remainder = fmod(x, y)
    remainder = where(_other_sign(remainder, y), add(remainder, y), remainder)
    return where(eq(remainder, 0.0), copysign(like(x, 0.0), y), remainder)


def _other_sign(remainder: Value, y: Value) -> Value:
    return and_(ne(remainder, 0.0), ne(lt(remainder, 0.0), lt(y, 0.0)))


def _expand_floor_div(x: Value, y: Value) -> Value:
    """CPython's float_divmod: right also where floor(x / y) would be off by one."""
    remainder = fmod(x, y)
    quotient = div(sub(x, remainder), y)
    quotient = where(_other_sign(remainder, y), sub(quotient, 1.0), quotient)
    whole = floor(quotient)
    whole = where(lt(0.5, sub(quotient, whole)), add(whole, 1.0), whole)
    exact = div(x, y)
    whole = where(eq(whole, 0.0), copysign(like(x, 0.0), exact), whole)
    return where(eq(y, 0.0), exact, whole)


mod = elementwise(
    "mod",
    value=np.mod,
    partials=(lambda out, x, y: like(x, 1.0), lambda out, x, y: neg(floor_div(x, y))),
    expand=_expand_mod,
    exact=lambda mp, x, y: x - y * mp.floor(x / y),
    # Below products: -(a % b) and (a % b) * c keep their parentheses.
    notation=Notation("{} % {}", r"{} \bmod {}", PRODUCT - 1, (PRODUCT, PRODUCT + 1)),
    samples=each((-9, 9), (0.5, 3)),
    aliases=("remainder", "Mod"),
    note="Python's remainder, with the sign of y; the derivative ignores the jumps",
    intuition="passes the upstream gradient on to the dividend, times minus the quotient to "
    "the divisor",
)

floor_div = elementwise(
    "floor_div",
    value=np.floor_divide,
    partials=(None, None),
    expand=_expand_floor_div,
    exact=lambda mp, x, y: mp.floor(x / y),
    notation=Notation(
        "{} // {}",
        r"\left\lfloor {} / {} \right\rfloor",
        PRODUCT - 1,
        (PRODUCT, PRODUCT + 1),
        latex_precedence=ATOM,
    ),
    samples=each((-9, 9), (0.5, 3)),
    aliases=("floor_divide",),
    note="derivative 0",
    intuition="lets nothing through: it is flat between its steps",
)
