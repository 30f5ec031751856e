"""Index arithmetic of the view operations: where an element of the result comes from."""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.codegen.loops.program import ZERO, Affine
from symdiff.ir import Value
from symdiff.ops import broadcast, reshape, slice_, transpose

Place = tuple[Affine, ...]  # an index per axis
Shape = tuple[int, ...]


def strides(shape: Shape) -> tuple[int, ...]:
    """Elements between neighbours along each axis of a contiguous array."""
    found: list[int] = []
    step = 1
    for extent in reversed(shape):
        found.append(step)
        step *= extent
    return tuple(reversed(found))


def linear(place: Place, shape: Shape, kept: Sequence[int] | None = None) -> Affine:
    """The position of an element in memory; only the axes in `kept` have memory, if given."""
    axes = range(len(shape)) if kept is None else kept
    steps = strides(tuple(shape[a] for a in axes))
    total = ZERO
    for axis, step in zip(axes, steps, strict=True):
        total = total + place[axis] * step
    return total


def before_broadcast(place: Place, source: Shape) -> Place:
    """The element that broadcasting from shape `source` copies to `place`."""
    lead = len(place) - len(source)
    return tuple(ZERO if n == 1 else i for n, i in zip(source, place[lead:], strict=True))


def before_reshape(place: Place, source: Shape, target: Shape) -> Place | None:
    """The element at `place` of `target` before the reshape; None if that is not affine."""
    found = [ZERO] * len(source)
    if 0 in source:  # nothing is read, wherever it is
        return tuple(found)
    inner = [a for a, n in enumerate(source) if n != 1]
    outer = [a for a, n in enumerate(target) if n != 1]
    i = j = 0
    while i < len(inner):
        # The shortest runs of axes of both shapes that have as many elements.
        first, other = i, j
        left, right = source[inner[i]], target[outer[j]]
        i, j = i + 1, j + 1
        while left != right:
            if left < right:
                left, i = left * source[inner[i]], i + 1
            else:
                right, j = right * target[outer[j]], j + 1
        axes = outer[other:j]
        index = linear(tuple(place[a] for a in axes), tuple(target[a] for a in axes))
        run = inner[first:i]
        if len(run) == 1:
            found[run[0]] = index
        elif not index.terms:
            extents = tuple(source[a] for a in run)
            for axis, step, extent in zip(run, strides(extents), extents, strict=True):
                found[axis] = Affine(index.const // step % extent)
        else:
            return None
    return tuple(found)


def view_place(value: Value, place: Place) -> Place | None:
    """The element of its operand that a view has at `place`; None if that is not affine."""
    source, shape = value.args[0].type.shape, value.type.shape
    if value.op is broadcast:
        return before_broadcast(place, source)
    if value.op is reshape:
        return before_reshape(place, source, shape)
    if value.op is slice_:
        pairs = zip(value.attr("start"), value.attr("step"), place, strict=True)
        return tuple(i * step + start for start, step, i in pairs)
    assert value.op is transpose
    before = list(place)
    for axis, index in zip(value.attr("axes"), place, strict=True):
        before[axis] = index
    return tuple(before)
