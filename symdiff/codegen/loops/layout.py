"""What memory a finished program uses twice, or reads in an order that is not its own."""

from __future__ import annotations

from collections.abc import Container, Iterator
from math import prod
from typing import Final

from symdiff.codegen.loops.access import blocks_of, with_buffers, written_by
from symdiff.codegen.loops.program import (
    ZERO,
    Affine,
    Block,
    Buffer,
    For,
    Load,
    Nest,
    Program,
    Step,
    Store,
    Var,
    buffers_of,
    statements,
)

_LONG: Final = 16  # iterations of a loop whose loads are worth being contiguous
_OFTEN: Final = 3  # times that each element is read
_LARGEST: Final = 1 << 17  # elements

# The axes of a buffer from the outermost to the innermost: step and extent.
_Axes = tuple[tuple[int, int], ...]


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


def copy_columns(program: Program) -> None:
    """Read parameters from a copy in the order in which innermost loops need them.

    That pays where each element is read a few times: a loop along a column touches a line of the
    cache for every element.
    """
    copies: dict[tuple[Buffer, _Axes, int], tuple[Buffer, _Axes]] = {}
    for step in program.steps:
        if isinstance(step, Nest):
            for load, loops in _loads(step.block, ()):
                axes = _axes(load) if load.buffer.kind == "param" else None
                if axes is None or not _pays(load, loops, axes):
                    continue
                inner = dict(load.index.terms)[loops[-1].var]
                key = (load.buffer, axes, inner)
                if key not in copies:
                    copies[key] = _copy_of(program, load.buffer, axes, inner, len(copies))
                load.buffer, steps = copies[key]
                moved = dict(steps)
                terms = tuple((var, moved[c]) for var, c in load.index.terms)
                load.index = Affine(0, terms)
    nests = [
        _copying(buffer, made, axes, steps) for (buffer, axes, _), (made, steps) in copies.items()
    ]
    program.steps[:0] = nests


def _loads(block: Block, loops: tuple[For, ...]) -> Iterator[tuple[Load, tuple[For, ...]]]:
    """The loads of the innermost loops, each with the loops around it."""
    innermost = loops and not any(isinstance(s, For) for s in block.statements)
    for s in block.statements:
        if isinstance(s, For):
            yield from _loads(s.body, (*loops, s))
        elif innermost and isinstance(s, Load):
            yield s, loops


def _axes(load: Load) -> _Axes | None:
    """The axes that the index of a load goes along, if they are all that the buffer has."""
    if load.index.const or any(var.register is not None for var, _ in load.index.terms):
        return None
    axes = tuple(sorted(((c, var.extent) for var, c in load.index.terms), reverse=True))
    size = 1
    for step, extent in reversed(axes):
        if step != size:
            return None
        size *= extent
    return axes if size == load.buffer.size else None


def _pays(load: Load, loops: tuple[For, ...], axes: _Axes) -> bool:
    inner = loops[-1].var
    step = dict(load.index.terms).get(inner, 0)
    reads = prod(loop.var.extent for loop in loops)
    return (
        step > 1
        and inner.extent >= _LONG
        and reads >= _OFTEN * load.buffer.size
        and load.buffer.size <= _LARGEST
        and len(axes) > 1
    )


def _copy_of(
    program: Program, buffer: Buffer, axes: _Axes, inner: int, number: int
) -> tuple[Buffer, _Axes]:
    """A buffer where the axis with step `inner` is the innermost; the steps of all, old and new."""
    made = Buffer(f"{buffer.name}_by_column{number}", buffer.dtype, buffer.size, "scratch")
    program.scratch.append(made)
    last = next(extent for step, extent in axes if step == inner)
    steps: dict[int, int] = {inner: 1}
    size = last
    for step, extent in reversed(axes):
        if step != inner:
            steps[step] = size
            size *= extent
    return made, tuple(steps.items())


def _copying(buffer: Buffer, made: Buffer, axes: _Axes, steps: _Axes) -> Nest:
    """The nest that fills a copy, in the order of the copy."""
    order = sorted(axes, key=lambda axis: -dict(steps)[axis[0]])
    loops = [(Var(extent, depth), step) for depth, (step, extent) in enumerate(order, 1)]
    source = Affine(0, tuple(loops))
    target = Affine(0, tuple((var, dict(steps)[step]) for var, step in loops))
    block = Block(len(loops), [Load(0, buffer, source), Store(made, target, 0)])
    for depth in range(len(loops) - 1, -1, -1):
        var = loops[depth][0]
        block = Block(depth, [For(var, (ZERO,), (Affine(var.extent),), block)])
    return Nest(block)
