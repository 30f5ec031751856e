"""Where scratch buffers lie in the workspace: memory is used again once its last reader is done."""

from __future__ import annotations

from typing import Final

from symdiff.codegen.loops.program import (
    Block,
    Buffer,
    Copy,
    For,
    Load,
    Nest,
    Program,
    Repeat,
    Store,
    Update,
    buffers_of,
    statements,
)

ALIGNMENT: Final = 64  # bytes: a cache line, and the widest vector


def drop_unread(program: Program) -> None:
    """Remove stores to scratch memory that nothing reads, and the buffers themselves."""
    read: set[Buffer] = set()
    for step in program.steps:
        if isinstance(step, Nest):
            for statement in statements(step.block):
                if isinstance(statement, Load):
                    read.add(statement.buffer)
                elif isinstance(statement, Update) and isinstance(statement.target, Buffer):
                    read.add(statement.target)
        elif isinstance(step, Copy):
            read.add(step.source)
        else:
            read |= set(buffers_of(step))
    unread = {b for b in program.scratch if b not in read}
    for step in program.steps:
        if isinstance(step, Nest):
            for block in _blocks(step):
                block.statements = [
                    s for s in block.statements if not (isinstance(s, Store) and s.buffer in unread)
                ]
    program.scratch = [b for b in program.scratch if b not in unread]


def _blocks(nest: Nest) -> list[Block]:
    return [nest.block, *(s.body for s in statements(nest.block) if isinstance(s, For))]


def plan(program: Program) -> None:
    """Give every scratch buffer its place, first fit, and the program its size."""
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    inner: list[int] = []  # what the bodies of loops need, at each step
    for at, step in enumerate(program.steps):
        inner.append(step.body.workspace if isinstance(step, Repeat) else 0)
        for buffer in buffers_of(step):
            first.setdefault(buffer, at)
            last[buffer] = at
    placed: list[Buffer] = []
    for buffer in sorted((b for b in program.scratch if b in first), key=lambda b: first[b]):
        size = _rounded(buffer.size * buffer.dtype.itemsize)
        offset = 0
        alive = [b for b in placed if last[b] >= first[buffer] and first[b] <= last[buffer]]
        for other in sorted(alive, key=lambda b: b.offset):
            if offset + size <= other.offset:
                break
            offset = max(offset, other.offset + _rounded(other.size * other.dtype.itemsize))
        buffer.offset = offset
        placed.append(buffer)
    program.scratch = placed
    ends = [b.offset + _rounded(b.size * b.dtype.itemsize) for b in placed]
    own = max(ends, default=0)
    program.workspace = own + max(inner, default=0)


def own_size(program: Program) -> int:
    """Bytes of the workspace before the part that the bodies of loops use."""
    ends = [b.offset + _rounded(b.size * b.dtype.itemsize) for b in program.scratch]
    return max(ends, default=0)


def _rounded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
