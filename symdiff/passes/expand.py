"""Operations that back ends do not know, replaced by simpler ones.

This runs after differentiation, so that what a function and its derivative have in common comes
out shared: sigmoid(x) and its derivative use one exponential, tanh(x) and its derivative one expm1.
"""

from __future__ import annotations

from symdiff.ir import Function, Value, rewrite
from symdiff.passes.loops import inside
from symdiff.passes.powers import rule


@inside
def expand(fn: Function) -> Function:
    """`fn` in terms of the elementwise operations that have an `emit` rule.

    Operations on whole arrays stay as they are: which way to compute them is the back end's choice.
    """
    expandable = [v for v in fn.live() if v.op.expand and v.op.elementwise]
    if not expandable:
        return fn
    present = {(v.op.name, v.args) for v in expandable}

    def visit(value: Value, args: tuple[Value, ...]) -> Value | None:
        op = value.op
        if op.expand is None or not op.elementwise:
            return None
        if op.emit and (op.partner, value.args) not in present:
            return None
        return op.expand(*args, **dict(value.attrs))

    return rewrite(fn, rule, visit)
