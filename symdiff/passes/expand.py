"""Operations that back ends do not know, replaced by simpler ones.

This runs after differentiation, so that what a function and its derivative have in common comes
out shared: sigmoid(x) and its derivative use one exponential, tanh(x) and its derivative one expm1.
"""

from __future__ import annotations

from collections.abc import Iterable

from symdiff.ir import Function, Value, rewrite
from symdiff.passes.loops import inside
from symdiff.passes.powers import rule


@inside
def expand(fn: Function) -> Function:
    """`fn` in terms of the elementwise operations that have an `emit` rule.

    Operations on whole arrays stay as they are: which way to compute them is the back end's choice.
    """
    expanded = set(to_expand(fn.live()))
    if not expanded:
        return fn

    def visit(value: Value, args: tuple[Value, ...]) -> Value | None:
        if value not in expanded or value.op.expand is None:
            return None
        return value.op.expand(*args, **dict(value.attrs))

    return rewrite(fn, rule, visit, {value.op for value in expanded})


def to_expand(values: Iterable[Value]) -> list[Value]:
    """Those of `values` that are to be replaced by simpler ones."""
    found = [v for v in values if v.op.expand and v.op.elementwise]
    present = {(v.op.name, v.args) for v in found}
    return [v for v in found if not v.op.emit or (v.op.partner, v.args) in present]
