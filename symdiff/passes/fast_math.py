"""Rewrites that may change rounding, signed zeros, infinities or NaNs. Asked for, never default."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from symdiff.ir import CONST, Attrs, Function, Op, Value, rewrite
from symdiff.ops import add, contract, div, exp, like, log, mul, reduce_sum, sqrt, sub
from symdiff.passes.loops import inside
from symdiff.passes.simplify import number, simplification


@inside
def fast_math(fn: Function) -> Function:
    """`fn` under the algebra of real numbers, on top of the exact simplifications."""

    def rule(op: Op, args: tuple[Value, ...], attrs: Attrs) -> Value | None:
        exact = simplification(op, args, attrs)
        if exact is not None:
            return exact
        if op is reduce_sum or op is contract:
            return _factored(op, args, attrs)
        return _RULES[op](*args) if op in _RULES else None

    return rewrite(fn, rule)


def _factored(op: Op, args: tuple[Value, ...], attrs: Attrs) -> Value | None:
    """A sum with a constant factor of all its terms taken out of it."""
    for i, x in enumerate(args):
        c = number(x.args[0]) if x.op is mul else None
        if c is not None:
            rest = (*args[:i], x.args[1], *args[i + 1 :])
            return mul(c, x.graph.add(op, rest, attrs))
    return None


def _add(x: Value, y: Value) -> Value | None:
    c = number(x)
    if c == 0.0:
        return y
    if c is not None and y.op is add and y.args[0].op is CONST:
        return add(add(x, y.args[0]), y.args[1])
    return mul(2.0, x) if x is y else None


def _sub(x: Value, y: Value) -> Value | None:
    return like(x, 0.0) if x is y else None


def _mul(x: Value, y: Value) -> Value | None:
    c = number(x)
    if c == 0.0:
        return x
    if c is not None and y.op is mul and y.args[0].op is CONST:
        return mul(mul(x, y.args[0]), y.args[1])
    if x is y and x.op is sqrt:
        return x.args[0]
    if x.op is exp and y.op is exp:
        return exp(add(x.args[0], y.args[0]))
    return None


def _div(x: Value, y: Value) -> Value | None:
    c = number(y)
    if c is not None and 1e-30 < abs(c) < 1e30:  # a normal reciprocal, in float32 too
        return mul(1.0 / c, x)
    if y.op is exp:
        return mul(x, exp(mul(-1.0, y.args[0])))
    return like(x, 1.0) if x is y else None


def _exp(x: Value) -> Value | None:
    return x.args[0] if x.op is log else None


def _log(x: Value) -> Value | None:
    return x.args[0] if x.op is exp else None


_RULES: Final[dict[Op, Callable[..., Value | None]]] = {
    add: _add,
    sub: _sub,
    mul: _mul,
    div: _div,
    exp: _exp,
    log: _log,
}
