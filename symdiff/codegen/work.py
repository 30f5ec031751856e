"""How long code takes, roughly: in units of the time of an addition where many are done at once.

Good enough to tell what is worth sharing with another thread; not what users are shown as costs.
"""

from __future__ import annotations

from typing import Any, Final

from symdiff.ir import Function, Op
from symdiff.ops import scan

_SLOW: Final = {
    **dict.fromkeys(("div", "sqrt", "floor_div", "fmod", "mod", "round"), 4),
    **dict.fromkeys(("exp", "exp2", "log", "log2", "log10", "sin", "cos", "cbrt", "hypot"), 8),
    **dict.fromkeys(("expm1", "log1p", "sincos", "sinh", "cosh", "tanh", "sech2", "unit"), 12),
    **dict.fromkeys(("tan", "asin", "acos", "atan", "asinh", "acosh", "atanh", "sigmoid"), 12),
    **dict.fromkeys(("pow", "atan2", "softplus", "logaddexp", "erf", "erfc"), 16),
    **dict.fromkeys(("gamma", "lgamma", "digamma", "polygamma"), 60),
}
_FREE: Final = frozenset({"const", "param", "item", "stop_gradient"})


def of_op(op: Op) -> int:
    """The work of one operation on numbers."""
    return 0 if op.name in _FREE else _SLOW.get(op.name, 1)


def of_function(fn: Function) -> int:
    """The work of a function of numbers at one point."""
    total = 0
    pending = [(fn, 1)]
    while pending:
        part, times = pending.pop()
        for value in part.live():
            body: Any = dict(value.attrs).get("body") if value.attrs else None
            if isinstance(body, Function):
                steps = value.attr("length") if value.op is scan else 1
                pending.append((body, times * steps))
            else:
                total += times * of_op(value.op)
    return total
