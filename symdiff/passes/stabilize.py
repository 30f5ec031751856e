"""Logistic, log-sum-exp, softmax and reciprocals of powers, as what does not overflow.

`1/(1 + exp(-x))` at x = -800 is 1/inf = 0, and its derivative 0*inf, a NaN; `log(exp(x) + exp(y))`
is infinite at 1000, and so is `log(sum(exp(x)))` of an array. The mathematics is finite at all of
them. This runs before differentiation, so that the derivative is that of the stable form. What has
been shifted by a maximum is left as it is.

`1/x**3` at 1e154 has the derivative 0, but by the chain rule 0*inf: it is taken as `x**-3`.
"""

from __future__ import annotations

import math
from typing import Final

from symdiff.ir import CONST, Attrs, Function, Op, Value, rewrite
from symdiff.ops import (
    OPS,
    add,
    broadcast,
    div,
    exp,
    like,
    log,
    log1p,
    logaddexp,
    lt,
    mul,
    neg,
    pow,
    reduce_max,
    reduce_sum,
    reshape,
    sigmoid,
    softplus,
    stop_gradient,
    sub,
    transpose,
    where,
)
from symdiff.ops import abs as abs_
from symdiff.passes.loops import has, inside
from symdiff.passes.simplify import number

_COPIES: Final = (broadcast, reshape, transpose)
_LOGARITHMS: Final[dict[Op, float]] = {
    log: 1.0,
    OPS["log2"]: 1.0 / math.log(2.0),
    OPS["log10"]: 1.0 / math.log(10.0),
}


@inside
def stabilize(fn: Function) -> Function:
    """`fn` with sums of exponentials, and powers, kept from overflowing under what is small."""
    if not has(fn, exp) and not (has(fn, pow) and has(fn, div)):
        return fn
    sums = _Sums()

    def rule(op: Op, args: tuple[Value, ...], attrs: Attrs) -> Value | None:
        if op is log1p and args[0].op is exp:
            return softplus(args[0].args[0])
        if op in _LOGARITHMS:
            logarithm = _logarithm(args[0], sums) or _log_of_sum(args[0])
            scale = _LOGARITHMS[op]
            return logarithm if logarithm is None or scale == 1.0 else mul(scale, logarithm)
        if op is div and args[1].op is pow:
            return _reciprocal(args[0], *args[1].args)
        if op is div and args[1].op is add:
            return _quotient(args[0], args[1], sums)
        return _softmax(*args) if op is div and args[0].op is exp else None

    return rewrite(fn, rule)


def _reciprocal(numerator: Value, x: Value, exponent: Value) -> Value | None:
    """a / x**c for numbers a and c, as a * x**-c."""
    c = number(exponent)
    given = numerator.args[0] if numerator.op is neg else numerator  # as yet, -2 is neg(2)
    if c is None or c <= 0 or number(given) is None:
        return None
    return mul(numerator, pow(x, -c))


class _Sums:
    """Logarithms of sums of positive terms, each sum taken apart once."""

    def __init__(self) -> None:
        self._known: dict[Value, Value | None] = {}

    def logarithm(self, total: Value) -> Value | None:
        """log(total) without overflow, or None if it is no sum of exponentials.

        The terms are exp(u), c exp(u) and c for positive constants c. A sum is combined as it is
        written, so that sums which share parts go on sharing them.
        """
        known, pending = self._known, [total]
        while pending:
            value = pending[-1]
            if value in known:
                pending.pop()
            elif value.op is not add:
                known[pending.pop()] = _exponent(value)
            else:
                waiting = [a for a in value.args if a not in known]
                pending += waiting
                if not waiting:
                    known[pending.pop()] = _log_add(*(known[a] for a in value.args))
        return known[total]


def _exponent(term: Value) -> Value | None:
    """u for exp(u), u + log c for c exp(u) and exp(u)/(1/c), log c for a positive constant c."""
    if term.op is exp:
        return term.args[0]
    if term.op is CONST:
        c = _positive(term)
        return None if c is None else like(term, math.log(c))
    if term.op in (mul, div):
        first, second = term.args
        if term.op is mul and first.op is not exp:
            first, second = second, first
        c = _positive(second)
        if first.op is exp and c is not None:
            return add(first.args[0], math.log(c) if term.op is mul else -math.log(c))
    return None


def _positive(value: Value) -> float | None:
    c = number(value)
    return c if c is not None and 0.0 < c < math.inf else None


def _log_add(x: Value | None, y: Value | None) -> Value | None:
    """log(exp(x) + exp(y)); None if either is None, or both are constants."""
    if x is None or y is None or (x.op is CONST and y.op is CONST):
        return None
    if number(x) == 0.0:
        return softplus(y)
    return softplus(x) if number(y) == 0.0 else logaddexp(x, y)


def _logarithm(x: Value, sums: _Sums) -> Value | None:
    if x.op is sigmoid:
        return neg(softplus(neg(x.args[0])))
    return sums.logarithm(x) if x.op is add else None


def _quotient(numerator: Value, total: Value, sums: _Sums) -> Value | None:
    """numerator / total where that is a logistic or a softmax; else None."""
    logarithm = sums.logarithm(total)
    if logarithm is None:
        return None
    # numerator / (a + exp(v)) for a constant a is a logistic, whatever the numerator.
    for constant, other in (total.args, total.args[::-1]):
        a, v = _positive(constant), _exponent(other)
        if a is None or v is None:
            continue
        if numerator is other:
            return sigmoid(v if a == 1.0 else sub(v, math.log(a)))
        if numerator.op is not exp:
            logistic = sigmoid(neg(v) if a == 1.0 else sub(math.log(a), v))
            factor = div(numerator, a) if a != 1.0 else numerator
            return logistic if number(factor) == 1.0 else mul(factor, logistic)
    u = _exponent(numerator)
    if u is None:
        return None
    one, other = (_exponent(term) for term in total.args)
    for v, w in ((one, other), (other, one)):
        if v is not None and w is not None and u is v:
            return sigmoid(sub(v, w))
    return exp(sub(u, logarithm))


# Sums over the axes of an array.


def _log_of_sum(x: Value) -> Value | None:
    """log(x) for a sum of exponentials, and for a softmax that is written out; else None."""
    if x.op is div and x.args[0].op is exp:
        power, total = x.args
        return sub(power.args[0], log(total)) if _summed(total) is power else None
    power = _summed(x)
    if power is None or _is_shifted(power.args[0]):
        return None
    shifted, top = _shift(power, x)
    return add(log(shifted), top)


def _softmax(power: Value, total: Value) -> Value | None:
    """power / total where the total is the sum of such powers."""
    if _summed(total) is not power or _is_shifted(power.args[0]):
        return None
    shifted, top = _shift(power, total)
    # The total may stand beside other powers than those of its sum: `top` is where it is.
    return div(exp(sub(power.args[0], top)), shifted)


def _summed(total: Value) -> Value | None:
    """The array of exponentials of which `total` is the sum, or copies of the sum."""
    while total.op in _COPIES:
        total = total.args[0]
    power = total.args[0] if total.op is reduce_sum else None
    return power if power is not None and power.op is exp and power.type.size else None


def _shift(power: Value, total: Value) -> tuple[Value, Value]:
    """`total` with the largest exponents taken off, and these, both copied as `total` is."""
    copies: list[Value] = []
    while total.op in _COPIES:
        copies.append(total)
        total = total.args[0]
    (exponent,), shape = power.args, total.type.shape
    top = stop_gradient(reduce_max(exponent, shape=shape))
    # Not by an infinity: inf - inf is a NaN, where the sum is 0 or infinite.
    top = where(lt(abs_(top), math.inf), top, 0.0)
    apart = exp(sub(exponent, broadcast(top, shape=exponent.type.shape)))
    shifted = reduce_sum(apart, shape=shape)
    for copy in reversed(copies):
        shifted, top = (v.graph.add(copy.op, (v,), copy.attrs) for v in (shifted, top))
    return shifted, top


def _is_shifted(exponent: Value) -> bool:
    """Whether a maximum, or something made of one, has been subtracted."""
    if exponent.op is not sub:
        return False
    top = exponent.args[1]
    while top.op in _COPIES or top.op in (stop_gradient, where):
        top = top.args[top.op is where]
    return top.op is reduce_max
