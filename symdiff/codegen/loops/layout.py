"""What memory a finished program uses twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from symdiff.codegen.loops.program import (
    Block,
    Buffer,
    Copy,
    For,
    Gemm,
    Load,
    Nest,
    Program,
    Repeat,
    Step,
    Store,
    Zero,
    buffers_of,
    statements,
)


def share_stores(program: Program) -> None:
    """Keep one of the scratch buffers that the same numbers are stored to in the same order."""
    written: dict[Buffer, int] = {}
    for step in program.steps:
        if not isinstance(step, Nest):
            for buffer in buffers_of(step):
                written[buffer] = 2 if buffer in _changed(step) else written.get(buffer, 0)
            continue
        for s in statements(step.block):
            target = s.buffer if isinstance(s, Store) else getattr(s, "target", None)
            if isinstance(target, Buffer):
                written[target] = written.get(target, 0) + (1 if isinstance(s, Store) else 2)
    once = {b for b in program.scratch if written.get(b) == 1}
    instead: dict[Buffer, Buffer] = {}
    for step in program.steps:
        if isinstance(step, Nest):
            for block in _blocks(step.block):
                first: dict[tuple[object, ...], Buffer] = {}
                for s in block.statements:
                    if isinstance(s, Store) and s.buffer in once:
                        key = (s.value, s.index, s.buffer.size, s.buffer.dtype)
                        kept = first.setdefault(key, s.buffer)
                        if kept is not s.buffer:
                            instead[s.buffer] = kept
    if instead:
        program.steps = [_with(step, instead) for step in program.steps]
        program.scratch = [b for b in program.scratch if b not in instead]


def _changed(step: Step) -> set[Buffer]:
    """What a step other than a nest may write."""
    if isinstance(step, Gemm):
        return {step.c}
    if isinstance(step, Copy):
        return {step.target}
    return set(buffers_of(step))


def _blocks(block: Block) -> Iterator[Block]:
    yield block
    for s in statements(block):
        if isinstance(s, For):
            yield s.body


def _with(step: Step, instead: dict[Buffer, Buffer]) -> Step:
    """The step with some buffers in place of others."""

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
        copies = tuple(Copy(new(c.source), new(c.target)) for c in step.copies)
        return replace(step, operands=operands, copies=copies)
    for block in _blocks(step.block):
        kept: list[object] = []
        for s in block.statements:
            if isinstance(s, Store) and s.buffer in instead:
                continue
            if isinstance(s, Load):
                s.buffer = new(s.buffer)
            kept.append(s)
        block.statements = kept
    return step
