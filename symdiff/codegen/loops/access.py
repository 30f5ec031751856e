"""Which buffers the steps of a program read and write, and steps with others in their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from symdiff.codegen.loops.program import (
    Block,
    Buffer,
    Copy,
    For,
    Gemm,
    Load,
    Nest,
    Repeat,
    Step,
    Store,
    Update,
    Zero,
    statements,
)


def read_by(step: Step) -> set[Buffer]:
    """The buffers of which a step reads elements."""
    if isinstance(step, Nest):
        return _touched(step, Load)
    if isinstance(step, Zero):
        return set()
    if isinstance(step, Copy):
        return {step.source}
    if isinstance(step, Gemm):
        return {step.a, step.b}
    given = step.operands[: len(step.body.params)]
    return {buffer for buffer, _ in given}


def written_by(step: Step) -> set[Buffer]:
    """The buffers of which a step writes elements."""
    if isinstance(step, Nest):
        return _touched(step, Store)
    if isinstance(step, Zero):
        return {step.buffer}
    if isinstance(step, Copy):
        return {step.target}
    if isinstance(step, Gemm):
        return {step.c}
    made = step.operands[len(step.body.params) :]
    return {buffer for buffer, _ in made}


def _touched(nest: Nest, kind: type[Load | Store]) -> set[Buffer]:
    """The buffers of loads, or of stores; what is updated is read and written."""
    found: set[Buffer] = set()
    for s in statements(nest.block):
        if isinstance(s, kind):
            found.add(s.buffer)
        elif isinstance(s, Update) and isinstance(s.target, Buffer):
            found.add(s.target)
    return found


def with_buffers(step: Step, instead: Mapping[Buffer, Buffer]) -> Step:
    """The step with some buffers in place of others; statements of nests are changed in place."""

    def new(buffer: Buffer) -> Buffer:
        return instead.get(buffer, buffer)

    if isinstance(step, Gemm):
        return replace(step, a=new(step.a), b=new(step.b), c=new(step.c))
    if isinstance(step, Copy):
        return replace(step, source=new(step.source), target=new(step.target))
    if isinstance(step, Zero):
        return replace(step, buffer=new(step.buffer))
    if isinstance(step, Repeat):
        operands = tuple((new(buffer), move) for buffer, move in step.operands)
        return replace(step, operands=operands)
    for s in statements(step.block):
        if isinstance(s, (Load, Store)):
            s.buffer = new(s.buffer)
        elif isinstance(s, Update) and isinstance(s.target, Buffer):
            s.target = new(s.target)
    return step


def blocks_of(block: Block) -> list[Block]:
    """A block and those of the loops in it, each before what is inside it."""
    return [block, *(s.body for s in statements(block) if isinstance(s, For))]
