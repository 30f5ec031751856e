"""What memory a finished program uses twice."""

from __future__ import annotations

from collections.abc import Container

from symdiff.codegen.loops.access import blocks_of, with_buffers, written_by
from symdiff.codegen.loops.program import (
    Buffer,
    Nest,
    Program,
    Step,
    Store,
    buffers_of,
    statements,
)


def share_stores(program: Program) -> None:
    """Keep one of the scratch buffers that the same numbers are stored to in the same order."""
    written: dict[Buffer, int] = {}
    for step in program.steps:
        if not isinstance(step, Nest):
            for buffer in buffers_of(step):
                changed = buffer in written_by(step)
                written[buffer] = 2 if changed else written.get(buffer, 0)
            continue
        for s in statements(step.block):
            target = s.buffer if isinstance(s, Store) else getattr(s, "target", None)
            if isinstance(target, Buffer):
                written[target] = written.get(target, 0) + (1 if isinstance(s, Store) else 2)
    once = {b for b in program.scratch if written.get(b) == 1}
    instead: dict[Buffer, Buffer] = {}
    for step in program.steps:
        if isinstance(step, Nest):
            for block in blocks_of(step.block):
                first: dict[tuple[object, ...], Buffer] = {}
                for s in block.statements:
                    if isinstance(s, Store) and s.buffer in once:
                        key = (s.value, s.index, s.buffer.size, s.buffer.dtype)
                        kept = first.setdefault(key, s.buffer)
                        if kept is not s.buffer:
                            instead[s.buffer] = kept
    if instead:
        for step in program.steps:
            _without_stores(step, instead)
        program.steps = [with_buffers(step, instead) for step in program.steps]
        program.scratch = [b for b in program.scratch if b not in instead]


def _without_stores(step: Step, buffers: Container[Buffer]) -> None:
    """Remove the stores of a step to some buffers."""
    if isinstance(step, Nest):
        for block in blocks_of(step.block):
            block.statements = [
                s for s in block.statements if not (isinstance(s, Store) and s.buffer in buffers)
            ]
