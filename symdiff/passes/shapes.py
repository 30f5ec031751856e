"""Rules for the operations that copy and place elements. They are exact: no element is computed.

What they aim at: one broadcast, one reshape, one slice where there were several; copies made as
late, and of as few elements, as possible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from symdiff.ir import Attrs, Literal, Op, Value
from symdiff.ops import (
    add_at,
    broadcast,
    concatenate,
    convert,
    cumsum,
    embed,
    gather,
    put_at,
    reduce_max,
    reduce_min,
    reduce_sum,
    reshape,
    scatter_add,
    sincos,
    slice_,
    transpose,
)
from symdiff.passes.constants import constant, filled, is_zero, number, zeros

Args = tuple[Value, ...]
Ints = tuple[int, ...]

_COPIES: Final = (broadcast, reshape, transpose)
_REDUCTIONS: Final = (reduce_sum, reduce_max, reduce_min)


def sink(op: Op, args: Args, attrs: Attrs) -> Value | None:
    """The elementwise `op` on operands that are all copied alike: computed before they are copied.

    That is less to compute where they are broadcast, and copies further down meet others with
    which they cancel. None where that does not hold.
    """
    copied = next((a for a in args if a.op in _COPIES), None)
    if copied is None or op is sincos:  # which has two results
        return None
    shape = copied.args[0].type.shape
    small: list[Value] = []
    for arg in args:
        if number(arg) is not None:
            small.append(filled(arg, shape))
        elif arg.op is copied.op and arg.attrs == copied.attrs and arg.args[0].type.shape == shape:
            small.append(arg.args[0])
        else:
            return None
    graph = args[0].graph
    return graph.add(copied.op, (graph.add(op, tuple(small), attrs),), copied.attrs)


def _broadcast(args: Args, shape: Ints) -> Value | None:
    (x,) = args
    if x.type.shape == shape:
        return x
    if 0 in shape:
        return zeros(x, shape)
    if number(x) is not None:
        return filled(x, shape)
    if x.op is broadcast:
        return broadcast(x.args[0], shape=shape)
    if x.op is reshape:
        inner = x.args[0]
        if _core(inner.type.shape) == _core(x.type.shape) and len(inner.type.shape) <= len(shape):
            return broadcast(inner, shape=shape)
    return None


def _core(shape: Ints) -> Ints:
    """`shape` without the leading axes that are 1 long, which broadcasting may add."""
    first = next((i for i, n in enumerate(shape) if n != 1), len(shape))
    return shape[first:]


def _reshape(args: Args, shape: Ints) -> Value | None:
    (x,) = args
    if x.type.shape == shape:
        return x
    literal = x.literal
    if literal is not None:
        return constant(x, x.type.with_shape(shape), literal.data)
    if x.type.size == 0:
        return zeros(x, shape)
    if x.op is reshape:
        return reshape(x.args[0], shape=shape)
    if x.op is broadcast and x.args[0].type.size == 1:
        return broadcast(reshape(x.args[0], shape=()), shape=shape)
    if (x.op is broadcast or x.op in _REDUCTIONS) and _core(x.type.shape) == _core(shape):
        inner = x.args[0]
        rank = len(inner.type.shape)
        if (len(shape) >= rank) if x.op is broadcast else (len(shape) <= rank):
            return x.op(inner, shape=shape)
    return None


def _transpose(args: Args, axes: Ints) -> Value | None:
    (x,) = args
    if axes == tuple(range(len(axes))):
        return x
    shape = tuple([x.type.shape[a] for a in axes])
    literal = x.literal
    if literal is not None:
        return _moved(x, literal, literal.array.transpose(axes))
    if x.op is transpose:
        before = x.attr("axes")
        return transpose(x.args[0], axes=tuple([before[a] for a in axes]))
    if x.op is broadcast:
        inner = _aligned(x.args[0], len(axes))
        return broadcast(transpose(inner, axes=axes), shape=shape)
    long = [a for a in axes if x.type.shape[a] != 1]
    return reshape(x, shape=shape) if long == sorted(long) else None


def _aligned(x: Value, rank: int) -> Value:
    """`x` with as many leading axes as give it `rank` of them."""
    return reshape(x, shape=(1,) * (rank - len(x.type.shape)) + x.type.shape)


def _moved(x: Value, literal: Literal, elements: Any) -> Value:
    """The constant `x` with its elements taken to other places, which `elements` shows."""
    if literal.scalar is not None:
        return filled(x, elements.shape)
    return constant(x, x.type.with_shape(elements.shape), elements.tobytes())


def _slice(args: Args, start: Ints, step: Ints, shape: Ints) -> Value | None:
    (x,) = args
    if 0 in shape:
        return zeros(x, shape)
    if _is_whole(start, step, shape, x.type.shape):
        return x
    ones = _unit_steps(step, shape)
    if ones != step:
        return slice_(x, start=start, step=ones, shape=shape)
    literal = x.literal
    if literal is not None:
        return _moved(x, literal, slice_.value(literal.array, start=start, step=step, shape=shape))
    if x.op is slice_:
        start, step = _composed(start, step, x.attr("start"), x.attr("step"))
        return slice_(x.args[0], start=start, step=step, shape=shape)
    if x.op is broadcast:
        inner = x.args[0]
        lead = len(shape) - len(inner.type.shape)
        own = [n == m for n, m in zip(inner.type.shape, x.type.shape[lead:], strict=True)]
        inner = slice_(
            inner,
            start=_where(own, start[lead:], 0),
            step=_where(own, step[lead:], 1),
            shape=_where(own, shape[lead:], 1),
        )
        return broadcast(inner, shape=shape)
    if x.op is embed:
        return _slice_of_embed(x, start, step, shape)
    if x.op is concatenate:
        return _slice_of_concatenate(x, start, step, shape)
    return None


def _where(chosen: Iterable[bool], numbers: Ints, otherwise: int) -> Ints:
    return tuple([n if c else otherwise for c, n in zip(chosen, numbers, strict=True)])


def _is_whole(start: Ints, step: Ints, inner: Ints, outer: Ints) -> bool:
    """Whether a slice, or an embedding, is all of the array in its order."""
    return inner == outer and not any(start) and _unit_steps(step, inner) == (1,) * len(step)


def _unit_steps(step: Ints, shape: Ints) -> Ints:
    """`step`, with 1 for axes along which no step is taken."""
    return tuple([1 if n <= 1 else d for d, n in zip(step, shape, strict=True)])


def _composed(start: Ints, step: Ints, outer_start: Ints, outer_step: Ints) -> tuple[Ints, Ints]:
    """Where the elements at start + step i are, if the i-th of them is at outer places in turn."""
    starts = zip(start, outer_start, outer_step, strict=True)
    steps = zip(step, outer_step, strict=True)
    return tuple([s + d * i for i, s, d in starts]), tuple([a * b for a, b in steps])


def _slice_of_embed(x: Value, start: Ints, step: Ints, shape: Ints) -> Value | None:
    """The part of the embedded array, or zeros, if the slice is all one or all the other."""
    (inner,) = x.args
    starts: list[int] = []
    steps: list[int] = []
    inside = True
    places = zip(start, step, shape, x.attr("start"), x.attr("step"), inner.type.shape, strict=True)
    for s, d, n, embed_start, embed_step, extent in places:
        ends = sorted((s, s + d * (n - 1)))
        covered = sorted((embed_start, embed_start + embed_step * (extent - 1)))
        offset = s - embed_start
        if extent == 0 or ends[0] > covered[1] or ends[1] < covered[0]:
            return zeros(x, shape)
        fits = offset % embed_step == 0 and (n == 1 or d % embed_step == 0)
        inside = inside and fits and covered[0] <= ends[0] and ends[1] <= covered[1]
        starts.append(offset // embed_step)
        steps.append(d // embed_step if n > 1 else 1)
    return slice_(inner, start=tuple(starts), step=tuple(steps), shape=shape) if inside else None


def _slice_of_concatenate(x: Value, start: Ints, step: Ints, shape: Ints) -> Value | None:
    """The slice of the one part that it lies in."""
    axis: int = x.attr("axis")
    first, last = sorted((start[axis], start[axis] + step[axis] * (shape[axis] - 1)))
    begin = 0
    for part in x.args:
        end = begin + part.type.shape[axis]
        if begin <= first and last < end:
            moved = (*start[:axis], start[axis] - begin, *start[axis + 1 :])
            return slice_(part, start=moved, step=step, shape=shape)
        if first < end:
            return None
        begin = end
    return None


def _embed(args: Args, start: Ints, step: Ints, shape: Ints) -> Value | None:
    (x,) = args
    if is_zero(x) or x.type.size == 0:
        return zeros(x, shape)
    if _is_whole(start, step, x.type.shape, shape):
        return x
    ones = _unit_steps(step, x.type.shape)
    if ones != step:
        return embed(x, start=start, step=ones, shape=shape)
    if x.op is embed:
        start, step = _composed(x.attr("start"), x.attr("step"), start, step)
        return embed(x.args[0], start=start, step=step, shape=shape)
    return None


def _concatenate(args: Args, axis: int) -> Value | None:
    parts = tuple([a for a in args if a.type.shape[axis]]) or args[:1]
    if len(parts) == 1:
        return parts[0]
    first = parts[0].literal
    data = first.data if first is not None and first.scalar is not None else None
    if data and all(p.literal and p.literal.data == data for p in parts):
        shape = list(parts[0].type.shape)
        shape[axis] = sum(p.type.shape[axis] for p in parts)
        return filled(parts[0], tuple(shape))
    return concatenate(*parts, axis=axis) if len(parts) < len(args) else None


def _cumsum(args: Args, axis: int, reverse: bool) -> Value | None:
    (x,) = args
    return x if is_zero(x) or x.type.size == 0 or x.type.shape[axis] == 1 else None


def _gather(args: Args, axis: int) -> Value | None:
    x, *indices = args
    places = indices[0].type.shape
    if 0 in places:
        return zeros(x, (*x.type.shape[:axis], *places, *x.type.shape[axis + len(indices) :]))
    return None


def _scatter_add(args: Args, axis: int, shape: Ints) -> Value | None:
    x, *indices = args
    return zeros(x, shape) if 0 in indices[0].type.shape else None


def _changed(args: Args, axis: int) -> Value | None:
    return args[0] if 0 in args[2].type.shape else None


def _convert(args: Args, dtype: str) -> Value | None:
    (x,) = args
    return x if x.type.dtype.name == dtype else None


RULES: Final[dict[Op, Callable[..., Value | None]]] = {
    broadcast: _broadcast,
    reshape: _reshape,
    transpose: _transpose,
    slice_: _slice,
    embed: _embed,
    concatenate: _concatenate,
    cumsum: _cumsum,
    gather: _gather,
    scatter_add: _scatter_add,
    put_at: _changed,
    add_at: _changed,
    convert: _convert,
}
