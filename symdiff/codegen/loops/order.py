"""Which loop is the innermost one: where the last axis is short, a longer one may be better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from symdiff.codegen.loops.fuse import Root
from symdiff.codegen.loops.program import Var
from symdiff.codegen.loops.shapes import Place, linear
from symdiff.codegen.loops.values import whole_operands
from symdiff.ir import Function, Value

_SHORT: Final = 32  # extents that do not fill the lanes of a few vectors
_UNROLLED: Final = 4
_LONG: Final = range(64, 4097)  # rows of these stay in the first-level cache
_LARGEST: Final = 1 << 20


def fixed_values(fn: Function) -> set[Value]:
    """The values whose elements must lie in memory in the order of their axes."""
    return {*fn.params, *fn.outputs, *whole_operands(fn)}


def reorder(root: Root, layouts: Mapping[Value, tuple[int, ...]], fixed: Iterable[Value]) -> None:
    """Move a long loop of `root` inside of a short one, if more memory is contiguous then.

    `layouts` has the order of the axes in memory of values for which it is not their own.
    """
    if root.kind not in ("map", "reduce") or root.start:
        return
    loops = root.loops
    real = [level for level, n in enumerate(loops) if n > _UNROLLED]
    size = 1
    for n in loops:
        size *= n
    if len(real) < 2 or loops[real[-1]] >= _SHORT or size > _LARGEST:
        return
    inner = real[-1]
    candidates = [level for level in real[:-1] if loops[level] in _LONG]
    if not candidates:
        return
    longest = max(candidates, key=lambda level: loops[level])
    votes = _contiguous(root, root.vars[longest], layouts)
    against = _contiguous(root, root.vars[inner], layouts)
    if root.value in fixed and root.axes[inner] is not None:
        against += root.value.type.size
    if votes <= against:
        return
    levels = [level for level in range(len(loops)) if level != longest]
    levels.insert(levels.index(inner) + 1, longest)
    root.order = tuple(levels)
    root.loops = tuple(loops[level] for level in levels)
    root.axes = tuple(root.axes[level] for level in levels)
    root.vars = tuple(root.vars[level] for level in levels)


def _contiguous(root: Root, var: Var, layouts: Mapping[Value, tuple[int, ...]]) -> int:
    """The elements of the arrays of which neighbours are read along `var`."""
    return sum(
        value.type.size
        for value, places in root.reads.items()
        if any(_step(value, place, var, layouts) == 1 for place in places if place is not None)
    )


def _step(value: Value, place: Place, var: Var, layouts: Mapping[Value, tuple[int, ...]]) -> int:
    index = linear(place, value.type.shape, layouts.get(value))
    return abs(dict(index.terms).get(var, 0))
