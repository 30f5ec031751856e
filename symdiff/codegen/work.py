"""How long code takes, roughly: in units of the time of an addition where many are done at once.

Good enough to tell what is worth sharing with another thread; not what users are shown as costs.
"""

from __future__ import annotations

from typing import Any, Final

from symdiff.codegen.loops.program import (
    Block,
    Compute,
    Copy,
    For,
    Gemm,
    Nest,
    Program,
    Repeat,
    Step,
    Zero,
)
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
_PER_CALL: Final = 200  # of BLAS


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
            body: Any = dict(value.attrs).get("body")
            if isinstance(body, Function):
                steps = value.attr("length") if value.op is scan else 1
                pending.append((body, times * steps))
            else:
                total += times * of_op(value.op)
    return total


def of_program(program: Program) -> int:
    """The work of a loop program."""
    return sum(of_step(step) for step in program.steps)


def of_step(step: Step) -> int:
    """The work of one step of a program."""
    if isinstance(step, Nest):
        return of_block(step.block)
    if isinstance(step, Zero):
        return step.buffer.size // 4
    if isinstance(step, Copy):
        return step.source.size // 2
    if isinstance(step, Gemm):
        return step.batch[0] * (step.m * step.n * step.k // 4 + _PER_CALL)
    assert isinstance(step, Repeat)
    return step.length * (of_program(step.body) + sum(of_step(c) for c in step.copies))


def of_block(block: Block) -> int:
    """The work of the statements of a block and of the loops in it."""
    total = 0
    pending = [(block, 1.0)]
    while pending:
        part, times = pending.pop()
        for s in part.statements:
            if isinstance(s, For):
                pending.append((s.body, times * trips(s)))
            else:
                total += times * (of_op(s.op) if isinstance(s, Compute) else 1)
    return int(total)


def trips(loop: For) -> float:
    """The iterations of a loop; half of its range where what is outside of it bounds them, too."""
    longest = loop.var.stop - loop.var.start
    return longest / 2 if len(loop.low) + len(loop.high) > 2 else longest
