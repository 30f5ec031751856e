"""Memory laid out by column, where the innermost loops go down columns.

Read with a step of 3, say, as the coordinates of points are, vectors have to be gathered from
three places each and written back to as many.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Final, NamedTuple

from symdiff.codegen.loops.program import (
    ZERO,
    Affine,
    Block,
    Buffer,
    For,
    Load,
    Nest,
    Program,
    Store,
    Update,
    Var,
    Zero,
    buffers_of,
)

_LONG: Final = 16  # iterations of a loop whose accesses are worth being contiguous
_OFTEN: Final = 3  # times that each element is read
_LARGEST: Final = 1 << 17  # elements of a copy
_VECTOR: Final = 16  # elements of the longest vectors
_ALIKE: Final = 128  # elements: addresses 4096 bytes apart look alike for a while

Access = Load | Store | Update  # of an element of a buffer


class _Use(NamedTuple):
    """An access in a loop that has none inside.

    Attributes:
        step: the elements that it moves on by from one iteration to the next.
        iterations: of all loops around it, at most.
        elements: how many elements it meets, at most.
        length: the iterations of the innermost loop, at most.
    """

    access: Access
    step: int
    iterations: int
    elements: int
    length: int


def copy_columns(program: Program) -> None:
    """Read parameters down their columns from a copy, which pays where that is done often."""
    copies: dict[tuple[Buffer, int], Buffer] = {}
    for use in _uses(program):
        buffer, width, load = _buffer(use.access), use.step, use.access
        often = use.length >= _LONG and use.iterations >= _OFTEN * use.elements
        if not isinstance(load, Load) or buffer.kind != "param" or not often:
            continue
        turned = _turned(load.index, width, buffer) if width > 1 else None
        if turned is None or buffer.size > _LARGEST:
            continue
        if (buffer, width) not in copies:
            name = f"{buffer.name}_by_column{len(copies)}"
            size = width * _length(buffer, width)
            copies[buffer, width] = Buffer(name, buffer.dtype, size, "scratch")
        load.buffer, load.index = copies[buffer, width], turned
    program.scratch += copies.values()
    program.steps[:0] = [_copying(source, width, made) for (source, width), made in copies.items()]


def turn_scratch(program: Program) -> None:
    """Keep by column what most innermost iterations go down the columns of."""
    accesses: dict[Buffer, list[Access]] = {}
    whole: set[Buffer] = set()  # that steps take as they lie
    for step in program.steps:
        if isinstance(step, Nest):
            for access, _ in _accesses(step.block, ()):
                accesses.setdefault(_buffer(access), []).append(access)
        elif not isinstance(step, Zero):
            whole.update(buffers_of(step))
    counts: dict[Buffer, dict[int, int]] = {}
    for use in _uses(program):
        if use.length >= _LONG and use.step > 0:
            steps = counts.setdefault(_buffer(use.access), {})
            steps[use.step] = steps.get(use.step, 0) + use.iterations
    for buffer, steps in counts.items():
        width = max(steps, key=lambda step: steps[step])
        rest = sum(steps.values()) - steps[width]
        if buffer.kind != "scratch" or buffer in whole or width == 1 or steps[width] <= rest:
            continue
        found = [_turned(access.index, width, buffer) for access in accesses[buffer]]
        turned = [index for index in found if index is not None]
        if len(turned) == len(found):
            for access, index in zip(accesses[buffer], turned, strict=True):
                access.index = index
            buffer.size = width * _length(buffer, width)


def _accesses(block: Block, loops: tuple[For, ...]) -> Iterator[tuple[Access, tuple[For, ...]]]:
    """What is done to elements of buffers, each with the loops around it."""
    for s in block.statements:
        if isinstance(s, For):
            yield from _accesses(s.body, (*loops, s))
        elif isinstance(s, (Load, Store)) or (
            isinstance(s, Update) and isinstance(s.target, Buffer)
        ):
            yield s, loops


def _uses(program: Program) -> Iterator[_Use]:
    for step in program.steps:
        if not isinstance(step, Nest):
            continue
        for access, loops in _accesses(step.block, ()):
            if loops and not any(isinstance(s, For) for s in loops[-1].body.statements):
                inner = loops[-1].var
                steps = dict(access.index.terms)
                iterations = prod(loop.var.extent for loop in loops)
                elements = prod(var.extent for var in steps)
                yield _Use(access, steps.get(inner, 0), iterations, elements, inner.extent)


def _buffer(access: Access) -> Buffer:
    buffer = access.target if isinstance(access, Update) else access.buffer
    assert isinstance(buffer, Buffer)
    return buffer


def _turned(index: Affine, width: int, buffer: Buffer) -> Affine | None:
    """Where the element at `index` is once the columns of rows of `width` elements are contiguous.

    None where the row and the column cannot be told apart in the index.
    """
    if buffer.size % width:
        return None
    length, low = _length(buffer, width), index.const % width
    high, turned = low, Affine(index.const // width + low * length)
    for var, c in index.terms:
        if var.register is not None:
            return None
        if c % width:
            reach = c * (var.extent - 1)
            low, high = low + min(0, reach), high + max(0, reach)
        turned += Affine(0, ((var, c * length if c % width else c // width),))
    return turned if low >= 0 and high < width else None


def _length(buffer: Buffer, width: int) -> int:
    """The elements from one column of rows of `width` elements to the next.

    A multiple of every vector's size: LLVM does not vectorise a loop whose stores could be read as
    parts of other vectors. And no multiple of what makes processors take two addresses for one.
    """
    rows = buffer.size // width
    length = -(-rows // _VECTOR) * _VECTOR
    return length + _VECTOR if length % _ALIKE == 0 else length


def _copying(source: Buffer, width: int, made: Buffer) -> Nest:
    """The nest that fills a copy, in the order of the copy."""
    rows = source.size // width
    column, row = Var(width, 1), Var(rows, 2)
    load = Load(0, source, Affine(0, ((column, 1), (row, width))))
    store = Store(made, Affine(0, ((column, made.size // width), (row, 1))), 0)
    inner = Block(1, [For(row, (ZERO,), (Affine(rows),), Block(2, [load, store]))])
    return Nest(Block(0, [For(column, (ZERO,), (Affine(width),), inner)]))
