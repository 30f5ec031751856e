"""Operations that back ends do not know, replaced by simpler ones.

This runs after differentiation, so that what a function and its derivative have in common comes
out shared: sigmoid(x) and its derivative use one exponential, tanh(x) and its derivative one expm1.
"""

from __future__ import annotations

from symdiff.ir import Function, Value, rewrite
from symdiff.passes.powers import rule


def expand(fn: Function) -> Function:
    """`fn` in terms of the operations that have an `emit` rule."""
    live = fn.live()
    if not any(v.op.expand for v in live):
        return fn
    present = {(v.op.name, v.args) for v in live if v.op.expand}

    def visit(value: Value, args: tuple[Value, ...]) -> Value | None:
        op = value.op
        if op.expand is None or (op.emit and (op.partner, value.args) not in present):
            return None
        return op.expand(*args, **dict(value.attrs))

    return rewrite(fn, rule, visit)
