"""How long loop programs take, roughly: in the units of `symdiff.codegen.work`."""

from __future__ import annotations

from typing import Final

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
from symdiff.codegen.work import of_op

_PER_CALL: Final = 200  # of BLAS


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
    return step.length * of_program(step.body)


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
