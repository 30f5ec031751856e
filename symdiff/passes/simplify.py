"""Constant folding and algebra that is exact in IEEE arithmetic, so that it always runs.

"Exact" means: the same bits for every operand, infinities, NaNs and signed zeros included. Folded
constants are NumPy's, which may differ from libm's functions in the last digit.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from symdiff.ir import CONST, F64, ITEM, Attrs, Function, Op, Type, Value, rewrite
from symdiff.ops import abs as abs_
from symdiff.ops import (
    add,
    and_,
    div,
    like,
    mul,
    neg,
    not_,
    or_,
    pow,
    sub,
    where,
)
from symdiff.ops import max as max_
from symdiff.ops import min as min_

Args = tuple[Value, ...]

# The operations in which Python's floats give what NumPy's do, without raising.
_PYTHON: Final[dict[Op, Callable[..., Any]]] = {
    add: operator.add,
    sub: operator.sub,
    mul: operator.mul,
    neg: operator.neg,
}


def simplify(fn: Function) -> Function:
    """`fn` with constants folded and identities applied, dead values dropped."""
    return rewrite(fn, simplification)


def simplification(op: Op, args: Args, attrs: Attrs) -> Value | None:
    """The simpler value that `op` on `args` is equal to, or None."""
    if not args:
        return None
    if op.commutative and _out_of_order(*args):
        return args[0].graph.add(op, (args[1], args[0]), attrs)
    rule = _RULES.get(op)
    simpler = rule(*args) if rule else None
    if simpler is None and args[-1].op is CONST and op is not ITEM:
        return _fold(op, args, attrs)
    return simpler


def _out_of_order(x: Value, y: Value) -> bool:
    """Canonical order of commutative operands: constants first, then as they were made."""
    return (x.op is not CONST, x.index) > (y.op is not CONST, y.index)


def _fold(op: Op, args: Args, attrs: Attrs) -> Value | None:
    """The constant that `op` gives on constants, or None if some operand is no plain number."""
    numbers = [number(arg) for arg in args]
    if None in numbers:
        return None
    if op in _PYTHON and args[0].type is F64:
        return args[0].graph.const(_PYTHON[op](*numbers), F64)  # 5 times as fast as NumPy
    operands = [a.type.dtype.numpy.type(c) for a, c in zip(args, numbers, strict=True)]
    type = op.type_of(args, attrs)
    if not isinstance(type, Type):
        return None
    with np.errstate(all="ignore"):
        result = op.value(*operands, **dict(attrs))
    return args[0].graph.const(np.asarray(result).flat[0], type)


def number(value: Value) -> float | None:
    """The Python number that every element of `value` is, or None if it is no such constant."""
    literal = value.literal
    return None if literal is None else literal.scalar


def _neg(x: Value) -> Value | None:
    if x.op is neg:
        return x.args[0]
    c = number(x.args[0]) if x.op is mul else None
    return None if c is None else mul(-c, x.args[1])


def _add(x: Value, y: Value) -> Value | None:
    if _is_negative_zero(x):
        return y
    if y.op is neg:
        return sub(x, y.args[0])
    if x.op is neg:
        return sub(y, x.args[0])
    return None


def _sub(x: Value, y: Value) -> Value | None:
    if number(y) == 0.0 and not _is_negative_zero(y):
        return x
    return add(x, y.args[0]) if y.op is neg else None


def _is_negative_zero(x: Value) -> bool:
    c = number(x)
    return c is not None and c == 0.0 and math.copysign(1.0, c) < 0


def _mul(x: Value, y: Value) -> Value | None:
    c = number(x)  # canonical order puts a constant first
    if c == 1.0:
        return y
    if c == -1.0:
        return neg(y)
    if x.op is neg and y.op is neg:
        return mul(x.args[0], y.args[0])
    if y.op is neg:
        return mul(-c, y.args[0]) if c is not None else neg(mul(x, y.args[0]))
    if x.op is neg:
        return neg(mul(x.args[0], y))
    return None


def _div(x: Value, y: Value) -> Value | None:
    c = number(y)
    if c == 1.0:
        return x
    if c is not None and _has_exact_reciprocal(c):
        return mul(1.0 / c, x)
    if x.op is neg and y.op is neg:
        return div(x.args[0], y.args[0])
    if x.op is neg:
        return neg(div(x.args[0], y))
    if y.op is neg:
        return neg(div(x, y.args[0]))
    return None


def _has_exact_reciprocal(c: float) -> bool:
    mantissa, exponent = math.frexp(c)
    return math.fabs(mantissa) == 0.5 and -120 < exponent < 120  # normal in float32, too


def _pow(x: Value, y: Value) -> Value | None:
    c = number(y)
    if c == 0.0:
        return like(x, 1.0)
    return x if c == 1.0 else None


def _where(condition: Value, x: Value, y: Value) -> Value | None:
    if x is y:
        return x
    c = number(condition)
    if c is not None:
        return x if c else y
    if condition.op is not_:
        return where(condition.args[0], y, x)
    if x.op is where and x.args[0] is condition:
        return where(condition, x.args[1], y)
    if y.op is where and y.args[0] is condition:
        return where(condition, x, y.args[2])
    return None


def _and(x: Value, y: Value) -> Value | None:
    c = number(x)
    if c is not None:
        return y if c else x
    return x if x is y else None


def _or(x: Value, y: Value) -> Value | None:
    c = number(x)
    if c is not None:
        return x if c else y
    if (x.op is not_ and x.args[0] is y) or (y.op is not_ and y.args[0] is x):
        return x.graph.const(True, x.type)
    return x if x is y else None


def _not(x: Value) -> Value | None:
    return x.args[0] if x.op is not_ else None


def _abs(x: Value) -> Value | None:
    if x.op is neg:
        return abs_(x.args[0])
    return x if x.op is abs_ else None


def _same(x: Value, y: Value) -> Value | None:
    return x if x is y else None


_RULES: Final[dict[Op, Callable[..., Value | None]]] = {
    neg: _neg,
    add: _add,
    sub: _sub,
    mul: _mul,
    div: _div,
    pow: _pow,
    where: _where,
    and_: _and,
    or_: _or,
    not_: _not,
    abs_: _abs,
    min_: _same,
    max_: _same,
}
