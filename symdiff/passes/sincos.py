"""sin and cos of one argument become one sincos, which reduces the argument once."""

from __future__ import annotations

from typing import Final

from symdiff.ir import ITEM, Function, Value, Visit, rewrite
from symdiff.ops import cos, sin, sincos
from symdiff.passes.loops import inside

PAIRED: Final = (sin, cos)


@inside
def pair_sincos(fn: Function) -> Function:
    """`fn` with every pair sin(x), cos(x) computed by one operation."""
    visit = pairing(fn)
    return fn if visit is None else rewrite(fn, visit=visit, ops=PAIRED)


def pairing(fn: Function) -> Visit | None:
    """What shows `ir.rewrite` the element of a sincos for each of `PAIRED` in `fn` that has a
    partner; None if none has."""
    live = fn.live()
    both = {v.args[0] for v in live if v.op is sin} & {v.args[0] for v in live if v.op is cos}
    if not both:
        return None

    def visit(value: Value, args: tuple[Value, ...]) -> Value | None:
        if value.args[0] not in both:
            return None
        index = int(value.op is cos)
        return args[0].graph.add(ITEM, (sincos(*args),), (("index", index),), value.type)

    return visit
