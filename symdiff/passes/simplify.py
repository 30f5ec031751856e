"""Constant folding and algebra that is exact in IEEE arithmetic, so that it always runs.

"Exact" means: the same bits for every operand, infinities, NaNs and signed zeros included. Folded
constants are NumPy's, which may differ from libm's functions in the last digit. Here are the rules
for single elements; those for arrays are in `shapes` and, with what they take the liberty of, in
`sums`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from symdiff.ir import CONST, Attrs, Function, Op, Value, rewrite
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
from symdiff.passes import shapes, sums
from symdiff.passes.constants import fold, number
from symdiff.passes.loops import inside, trim_scans

Args = tuple[Value, ...]

_ARRAYS: Final = {**shapes.RULES, **sums.RULES}


@inside
def simplify(fn: Function) -> Function:
    """`fn` with constants folded and identities applied, dead values dropped."""
    return rewrite(fn, simplification)


def simplify_loops(fn: Function) -> Function:
    """`fn` whose loops do nothing in vain, simplified again where that changes anything."""
    trimmed = trim_scans(fn)
    return fn if trimmed is fn else simplify(trimmed)


def simplification(op: Op, args: Args, attrs: Attrs) -> Value | None:
    """The simpler value that `op` on `args` is equal to, or None."""
    if not args:
        return None
    if op.commutative:
        # Canonical order: a constant first, then as they were made.
        x, y = args
        if (x.index > y.index) if (x.op is CONST) is (y.op is CONST) else (y.op is CONST):
            return x.graph.add(op, (y, x), attrs)
    rule = _RULES.get(op)
    simpler = rule(*args) if rule else None
    if simpler is not None:
        return simpler
    if rule is None and op in _ARRAYS:
        simpler = _ARRAYS[op](args, **dict(attrs))
        if simpler is not None:
            return simpler
    if not op.elementwise:
        return None
    last = args[-1]
    if last.op is CONST:
        simpler = fold(op, args, attrs)
        if simpler is not None:
            return simpler
    return shapes.sink(op, args, attrs) if last.type.shape else None


def _neg(x: Value) -> Value | None:
    if x.op is neg:
        return x.args[0]
    # The constant is made here, not by `neg`: the graph may hold that one from before the rules.
    c = number(x.args[0]) if x.op is mul and x.type.dtype.kind == "f" else None
    return None if c is None else mul(like(x, -c), x.args[1])


def _add(x: Value, y: Value) -> Value | None:
    c = number(x)
    if c == 0 and (x.type.dtype.kind == "i" or _is_negative(c)):
        return y
    if y.op is neg:
        return sub(x, y.args[0])
    if x.op is neg:
        return sub(y, x.args[0])
    return None


def _sub(x: Value, y: Value) -> Value | None:
    c = number(y)
    if c == 0 and not _is_negative(c):
        return x
    return add(x, y.args[0]) if y.op is neg else None


def _is_negative(c: float | None) -> bool:
    return c is not None and math.copysign(1.0, c) < 0


def _mul(x: Value, y: Value) -> Value | None:
    c = number(x)  # canonical order puts a constant first
    if c == 1.0:
        return y
    if c == -1.0:
        return neg(y)
    if c == 0 and x.type.dtype.kind == "i":
        return x
    if x.op is neg and y.op is neg:
        return mul(x.args[0], y.args[0])
    if y.op is neg:
        return neg(mul(x, y.args[0]))
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
    if condition.op is CONST:
        return _where_known(condition, x, y)
    if condition.op is not_:
        return where(condition.args[0], y, x)
    if x.op is where and x.args[0] is condition:
        return where(condition, x.args[1], y)
    if y.op is where and y.args[0] is condition:
        return where(condition, x, y.args[2])
    return None


def _where_known(condition: Value, x: Value, y: Value) -> Value | None:
    c = number(condition)
    if c is None:  # element by element
        mask = condition.literal.array if condition.literal else None
        c = None if mask is None or bool(mask.any()) != bool(mask.all()) else bool(mask.all())
    return None if c is None else x if c else y


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
