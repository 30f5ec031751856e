"""Logistic, log-sum-exp and softmax written out, as the operations that do not overflow.

`1/(1 + exp(-x))` at x = -800 is 1/inf = 0, and its derivative 0*inf, a NaN; `log(exp(x) + exp(y))`
is infinite at 1000. The mathematics is finite at both. This runs before differentiation, so that
the derivative is that of the stable form. Results differ from the formula as written in the last
digit, or in being finite.
"""

from __future__ import annotations

import math
from functools import reduce

from symdiff.ir import CONST, Attrs, Function, Op, Value, rewrite
from symdiff.ops import (
    add,
    div,
    exp,
    like,
    log,
    log1p,
    logaddexp,
    mul,
    neg,
    sigmoid,
    softplus,
    sub,
)
from symdiff.passes.simplify import number


def stabilize(fn: Function) -> Function:
    """`fn` with sums of exponentials kept from overflowing under logarithms and quotients."""
    if not any(v.op is exp for v in fn.live()):
        return fn
    sums: dict[Value, list[Value] | None] = {}

    def rule(op: Op, args: tuple[Value, ...], attrs: Attrs) -> Value | None:
        if op is log1p and args[0].op is exp:
            return softplus(args[0].args[0])
        if op is log:
            exponents = _exponents(args[0], sums)
            return None if exponents is None else _log_sum_exp(exponents)
        if op is div:
            exponents = _exponents(args[1], sums)
            return None if exponents is None else _quotient(args[0], exponents)
        return None

    return rewrite(fn, rule)


def _exponents(total: Value, known: dict[Value, list[Value] | None]) -> list[Value] | None:
    """The u of a sum of exp(u), where a positive constant c is exp(log c); None for other sums."""
    if total.op is not add:
        return None
    if total not in known:
        known[total] = None
        found: list[Value] = []
        exponentials = 0
        pending = [total]
        while pending:
            term = pending.pop()
            c = number(term) if term.op is CONST else None
            if term.op is add:
                pending += reversed(term.args)
            elif term.op is exp:
                found.append(term.args[0])
                exponentials += 1
            elif c is not None and 0.0 < c < math.inf:
                found.append(like(term, math.log(c)))
            else:
                return None
        if exponentials:
            known[total] = found
    return known[total]


def _log_sum_exp(exponents: list[Value]) -> Value:
    if len(exponents) == 2:
        for one, other in (exponents, exponents[::-1]):
            if number(one) == 0.0:
                return softplus(other)
    return reduce(logaddexp, exponents)


def _quotient(numerator: Value, exponents: list[Value]) -> Value | None:
    """numerator / sum(exp(u)) where that is a logistic or a softmax; else None."""
    exponential = numerator.op is exp and numerator.args[0] in exponents
    if len(exponents) == 2:
        one, other = exponents
        if number(other) == 0.0:
            one, other = other, one
        if number(one) == 0.0:
            if exponential:
                return sigmoid(other)
            logistic = sigmoid(neg(other))
            return logistic if number(numerator) == 1.0 else mul(numerator, logistic)
        if exponential:
            u = numerator.args[0]
            return sigmoid(sub(u, other if u is one else one))
    if exponential:
        return exp(sub(numerator.args[0], _log_sum_exp(exponents)))
    return None
