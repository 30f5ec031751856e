"""Which functions are of arrays, so that they need the room `loops`."""

from __future__ import annotations

from typing import Final

from symdiff.ir import F64, ITEM, Function, TupleType, Type
from symdiff.ops import OPS

WHOLE: Final = frozenset(
    OPS[name]
    for name in (
        "argmax", "argmin", "cumsum", "scatter_add", "put_at", "add_at", "contract", "scan",
    )
)  # fmt: skip


def has_tensors(fn: Function) -> bool:
    """Whether `fn` needs loops, or has values that are not numbers in registers."""
    for value in (*fn.params, *fn.live()):
        type: Type | TupleType = value.type
        if type is F64 and value.op.elementwise:
            continue  # nearly all of a formula
        if isinstance(type, TupleType):
            if value.op in WHOLE:
                return True
        elif type.shape or type.dtype.kind == "i":
            return True
        elif value.args and not value.op.elementwise and value.op is not ITEM:
            return True  # what is for arrays, of a number
    return False
