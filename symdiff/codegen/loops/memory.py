"""Where scratch buffers lie in the workspace: memory is used again once its last reader is done."""

from __future__ import annotations

from bisect import bisect
from typing import Final

from symdiff.codegen.loops.access import blocks_of
from symdiff.codegen.loops.program import (
    Block,
    Buffer,
    Copy,
    Load,
    Nest,
    Program,
    Repeat,
    Store,
    Update,
    buffers_of,
    read_registers,
    registers_of,
    statements,
)

ALIGNMENT: Final = 64  # bytes: a cache line, and the widest vector


def drop_unread(program: Program) -> None:
    """Remove what nothing reads: registers, stores to scratch memory, the buffers themselves."""
    while True:
        _drop_registers(program)
        read = _read_buffers(program)
        unread = {b for b in program.scratch if b not in read}
        program.constants = [b for b in program.constants if b in read]
        if not unread:
            return
        program.steps = [
            s for s in program.steps if not (isinstance(s, Copy) and s.target in unread)
        ]
        for block in _blocks(program):
            block.statements = [
                s for s in block.statements if not (isinstance(s, Store) and s.buffer in unread)
            ]
        program.scratch = [b for b in program.scratch if b not in unread]


def _drop_registers(program: Program) -> None:
    for step in program.steps:
        if isinstance(step, Nest):
            read = read_registers(step.block)
            for block in blocks_of(step.block):
                block.statements = [
                    s for s in block.statements if (made := registers_of(s)) is None or made & read
                ]


def _read_buffers(program: Program) -> set[Buffer]:
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
    return read


def _blocks(program: Program) -> list[Block]:
    return [b for step in program.steps if isinstance(step, Nest) for b in blocks_of(step.block)]


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
    starting: dict[int, list[Buffer]] = {}
    for buffer in program.scratch:
        if buffer in first:
            starting.setdefault(first[buffer], []).append(buffer)
    ending: dict[int, list[Buffer]] = {}
    space = _Space()
    program.scratch = []
    for at in range(len(program.steps)):
        for buffer in ending.pop(at - 1, ()):
            space.free(buffer.offset, _size(buffer))
        for buffer in starting.get(at, ()):
            buffer.offset = space.take(_size(buffer))
            ending.setdefault(last[buffer], []).append(buffer)
            program.scratch.append(buffer)
    program.workspace = own_size(program) + max(inner, default=0)


class _Space:
    """A stretch of memory that grows, and its free parts in order."""

    def __init__(self) -> None:
        self.end = 0
        self.parts: list[tuple[int, int]] = []  # offset and size

    def take(self, size: int) -> int:
        """The first place where `size` bytes are free."""
        for i, (offset, room) in enumerate(self.parts):
            if room >= size:
                rest = [(offset + size, room - size)] if room > size else []
                self.parts[i : i + 1] = rest
                return offset
        offset, self.end = self.end, self.end + size
        return offset

    def free(self, offset: int, size: int) -> None:
        """Give memory back, joined with the free parts before and after it."""
        i = bisect(self.parts, (offset, size))
        if i < len(self.parts) and offset + size == self.parts[i][0]:
            size += self.parts.pop(i)[1]
        if i and sum(self.parts[i - 1]) == offset:
            before, room = self.parts.pop(i - 1)
            offset, size, i = before, room + size, i - 1
        self.parts.insert(i, (offset, size))


def own_size(program: Program) -> int:
    """Bytes of the workspace before the part that the bodies of loops use."""
    return max((b.offset + _size(b) for b in program.scratch), default=0)


def _size(buffer: Buffer) -> int:
    return -(-buffer.size * buffer.dtype.itemsize // ALIGNMENT) * ALIGNMENT
