"""Operations on shapes and dtypes: elements copied, placed and summed, never computed with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from symdiff.errors import ShapeError
from symdiff.ir import DTYPES, DType, Graph, Type, Value
from symdiff.ops.define import define, operand_error, uniform

Ints = tuple[int, ...]


def tensor(name: str, types: tuple[Any, ...]) -> Type:
    """The type of the only operand.

    Raises:
        ShapeError: it is no tensor.
    """
    if len(types) != 1 or not isinstance(types[0], Type):
        raise operand_error(name, types, "one tensor")
    return types[0]


def _tangent(op: Any) -> Any:
    """The jvp of a linear operation of one operand: itself."""

    def rule(tangents: Any, out: Value, args: tuple[Value, ...]) -> Value | None:
        (dx,) = tangents
        return None if dx is None else dx.graph.add(op(), (dx,), out.attrs)

    return rule


def normal(*shape: int) -> Any:
    """One operand of the given shape for tests."""
    return lambda rng, n: (rng.normal(size=shape),)


# Broadcasting and its adjoint.


def _broadcast_type(types: tuple[Any, ...], shape: Ints) -> Type:
    x = tensor("broadcast", types)
    lead = len(shape) - len(x.shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(x.shape, shape[lead:], strict=True)):
        raise ShapeError(f"broadcast: {x} does not broadcast to shape {shape}")
    return Type(x.dtype, shape)


def _batch_broadcast(
    args: tuple[Value, ...], batched: tuple[bool, ...], size: int, shape: Ints
) -> Value:
    (x,) = args
    inner = (1,) * (len(shape) + 1 - len(x.type.shape)) + x.type.shape[1:]
    return broadcast(reshape(x, shape=(size, *inner)), shape=(size, *shape))


broadcast = define(
    "broadcast",
    type=_broadcast_type,
    value=lambda x, shape: np.broadcast_to(x, shape),
    vjp=lambda i, bar, out, args: reduce_sum(bar, shape=args[0].type.shape),
    jvp=_tangent(lambda: broadcast),
    batch=_batch_broadcast,
    samples=normal(3, 1),
    attr_samples=(("shape", (2, 3, 4)),),
    intuition="copies forward, and so adds up backward",
)


def _reduce_type(name: str, kinds: str) -> Any:
    def rule(types: tuple[Any, ...], shape: Ints) -> Type:
        x = tensor(name, types)
        lead = len(x.shape) - len(shape)
        fits = lead >= 0 and all(
            n in (1, m) for n, m in zip(shape, x.shape[max(0, lead) :], strict=True)
        )
        if not fits or x.dtype.kind not in kinds:
            raise ShapeError(f"{name}: {x} cannot be reduced to shape {shape}")
        return Type(x.dtype, shape)

    return rule


def reduced_axes(source: Ints, shape: Ints) -> Ints:
    """The axes of `source` that are gone, or 1 long, in `shape`."""
    lead = len(source) - len(shape)
    return (*range(lead), *(lead + i for i, n in enumerate(shape) if n != source[lead + i]))


def reduction(function: Any) -> Any:
    """The meaning of a reduction to a shape, from NumPy's of axes."""

    def value(x: Any, shape: Ints) -> Any:
        axes = reduced_axes(np.shape(x), shape)
        return np.asarray(function(x, axis=axes, keepdims=True), np.asarray(x).dtype).reshape(shape)

    return value


def batch_reduction(op: Any) -> Any:
    def rule(args: tuple[Value, ...], batched: tuple[bool, ...], size: int, shape: Ints) -> Value:
        (x,) = args
        kept = (1,) * (len(x.type.shape) - 1 - len(shape)) + shape
        return reshape(op()(x, shape=(size, *kept)), shape=(size, *shape))

    return rule


reduce_sum = define(
    "reduce_sum",
    type=_reduce_type("reduce_sum", "fi"),
    value=reduction(np.sum),
    vjp=lambda i, bar, out, args: broadcast(bar, shape=args[0].type.shape),
    jvp=_tangent(lambda: reduce_sum),
    batch=batch_reduction(lambda: reduce_sum),
    samples=normal(2, 3, 4),
    attr_samples=(("shape", (3, 1)),),
    intuition="adds up forward, and so copies the upstream gradient to each summand",
)
reduce_type = _reduce_type


# The same elements in another shape or order.


def _reshape_type(types: tuple[Any, ...], shape: Ints) -> Type:
    x = tensor("reshape", types)
    if any(n < 0 for n in shape) or Type(x.dtype, shape).size != x.size:
        raise ShapeError(f"reshape: {x} has {x.size} elements, shape {shape} has not")
    return Type(x.dtype, shape)


reshape = define(
    "reshape",
    type=_reshape_type,
    value=lambda x, shape: np.reshape(x, shape),
    vjp=lambda i, bar, out, args: reshape(bar, shape=args[0].type.shape),
    jvp=_tangent(lambda: reshape),
    batch=lambda args, batched, size, shape: reshape(args[0], shape=(size, *shape)),
    samples=normal(2, 6),
    attr_samples=(("shape", (3, 1, 4)),),
    intuition="passes every element of the upstream gradient on, in the other shape",
)


def _transpose_type(types: tuple[Any, ...], axes: Ints) -> Type:
    x = tensor("transpose", types)
    if sorted(axes) != list(range(len(x.shape))):
        raise ShapeError(f"transpose: {axes} is no order of the axes of {x}")
    return Type(x.dtype, tuple(x.shape[a] for a in axes))


transpose = define(
    "transpose",
    type=_transpose_type,
    value=lambda x, axes: np.transpose(x, axes),
    vjp=lambda i, bar, out, args: transpose(
        bar, axes=tuple(int(a) for a in np.argsort(out.attr("axes")))
    ),
    jvp=_tangent(lambda: transpose),
    batch=lambda args, batched, size, axes: transpose(args[0], axes=(0, *(a + 1 for a in axes))),
    samples=normal(2, 3, 4),
    attr_samples=(("axes", (2, 0, 1)),),
    intuition="passes every element of the upstream gradient on, with the axes put back",
)


# Parts of an array, and arrays of parts.


def _last(start: int, step: int, extent: int) -> int:
    return start + step * (extent - 1)


def _check_places(name: str, inner: Ints, outer: Ints, start: Ints, step: Ints) -> bool:
    """Whether element i of `inner` at start + step*i lies within `outer`, for every axis."""
    if not len(inner) == len(outer) == len(start) == len(step) or 0 in step:
        return False
    places = zip(inner, outer, start, step, strict=True)
    return all(
        n == 0 or (n > 0 and 0 <= s < m and 0 <= _last(s, d, n) < m) for n, m, s, d in places
    )


def _slice_type(types: tuple[Any, ...], start: Ints, step: Ints, shape: Ints) -> Type:
    x = tensor("slice", types)
    if not _check_places("slice", shape, x.shape, start, step):
        raise ShapeError(f"slice: {x} has no {shape} elements from {start} in steps of {step}")
    return Type(x.dtype, shape)


def _slices(start: Ints, step: Ints, shape: Ints) -> tuple[Any, ...]:
    """The same places as Python slices."""
    ends = [
        _last(s, d, n) + (1 if d > 0 else -1) for s, d, n in zip(start, step, shape, strict=True)
    ]
    return tuple(
        slice(s, None if d < 0 and e < 0 else e, d) if n else slice(0, 0)
        for s, d, e, n in zip(start, step, ends, shape, strict=True)
    )


slice_ = define(
    "slice",
    type=_slice_type,
    value=lambda x, start, step, shape: np.asarray(x)[_slices(start, step, shape)],
    vjp=lambda i, bar, out, args: embed(
        bar, start=out.attr("start"), step=out.attr("step"), shape=args[0].type.shape
    ),
    jvp=_tangent(lambda: slice_),
    batch=lambda args, batched, size, start, step, shape: slice_(
        args[0], start=(0, *start), step=(1, *step), shape=(size, *shape)
    ),
    samples=normal(5, 6),
    attr_samples=(("start", (4, 1)), ("step", (-2, 3)), ("shape", (3, 2))),
    note="element i along an axis is element start + step i",
    intuition="routes: the part taken gets the upstream gradient, the rest none",
)


def _embed_type(types: tuple[Any, ...], start: Ints, step: Ints, shape: Ints) -> Type:
    x = tensor("embed", types)
    if not _check_places("embed", x.shape, shape, start, step):
        raise ShapeError(f"embed: {x} from {start} in steps of {step} does not fit in {shape}")
    return Type(x.dtype, shape)


def _embedded(x: Any, start: Ints, step: Ints, shape: Ints) -> Any:
    x = np.asarray(x)
    result = np.zeros(shape, x.dtype)
    result[_slices(start, step, x.shape)] = x
    return result


embed = define(
    "embed",
    type=_embed_type,
    value=_embedded,
    vjp=lambda i, bar, out, args: slice_(
        bar, start=out.attr("start"), step=out.attr("step"), shape=args[0].type.shape
    ),
    jvp=_tangent(lambda: embed),
    batch=lambda args, batched, size, start, step, shape: embed(
        args[0], start=(0, *start), step=(1, *step), shape=(size, *shape)
    ),
    samples=normal(3, 2),
    attr_samples=(("start", (4, 1)), ("step", (-2, 3)), ("shape", (5, 6))),
    note="the adjoint of slice: zero elsewhere",
    intuition="routes: what was put in gets its part of the upstream gradient back",
)


def _concatenate_type(types: tuple[Any, ...], axis: int) -> Type:
    first = types[0] if types else None
    if not isinstance(first, Type) or not 0 <= axis < len(first.shape):
        raise operand_error("concatenate", types, f"tensors with an axis {axis}")
    rest = [t.shape[:axis] + t.shape[axis + 1 :] for t in types]
    if any(t.dtype is not first.dtype or r != rest[0] for t, r in zip(types, rest, strict=True)):
        raise operand_error("concatenate", types, f"tensors that differ along axis {axis} alone")
    extent = sum(t.shape[axis] for t in types)
    return Type(first.dtype, (*first.shape[:axis], extent, *first.shape[axis + 1 :]))


def _concatenate_vjp(i: int, bar: Value, out: Value, args: tuple[Value, ...]) -> Value:
    axis = out.attr("axis")
    start = [0] * len(out.type.shape)
    start[axis] = sum(a.type.shape[axis] for a in args[:i])
    shape = args[i].type.shape
    if 0 in shape:
        return bar.graph.const(0.0, args[i].type.with_dtype(bar.type.dtype))
    return slice_(bar, start=tuple(start), step=(1,) * len(shape), shape=shape)


def _concatenate_jvp(tangents: Any, out: Value, args: tuple[Value, ...]) -> Value:
    pairs = zip(args, tangents, strict=True)
    parts = [a.graph.const(0.0, a.type) if t is None else t for a, t in pairs]
    return concatenate(*parts, axis=out.attr("axis"))


concatenate = define(
    "concatenate",
    type=_concatenate_type,
    value=lambda *parts, axis: np.concatenate(parts, axis),
    vjp=_concatenate_vjp,
    jvp=_concatenate_jvp,
    batch=lambda args, batched, size, axis: concatenate(
        *everywhere(args, batched, size), axis=axis + 1
    ),
    arity=None,
    samples=lambda rng, n: (rng.normal(size=(2, 3)), rng.normal(size=(2, 1))),
    attr_samples=(("axis", 1),),
    intuition="routes: each part gets its own piece of the upstream gradient back",
)


def everywhere(args: tuple[Value, ...], batched: tuple[bool, ...], size: int) -> tuple[Value, ...]:
    """The operands of a batch, those that are the same for all its points repeated."""
    return tuple(
        a if has else broadcast(a, shape=(size, *a.type.shape))
        for a, has in zip(args, batched, strict=True)
    )


def borders(args: Sequence[Value], axis: int) -> list[tuple[int, int]]:
    """Where each operand of a concatenation starts and ends along `axis`."""
    ends = accumulate((a.type.shape[axis] for a in args), initial=0)
    return list(pairwise(ends))


# Index arrays and dtypes.


def _iota_type(types: tuple[Any, ...], axis: int, dtype: str, shape: Ints) -> Type:
    if types or dtype not in DTYPES or not 0 <= axis < len(shape):
        raise operand_error("iota", types, f"no operand, and an axis {axis} of {shape}")
    return Type(DTYPES[dtype], shape)


def _iota_value(axis: int, dtype: str, shape: Ints) -> Any:
    along = np.arange(shape[axis], dtype=DTYPES[dtype].numpy)
    return np.broadcast_to(along.reshape(-1, *(1,) * (len(shape) - axis - 1)), shape)


_iota = define("iota", type=_iota_type, value=_iota_value, arity=0)


def iota(graph: Graph, shape: Ints, axis: int, dtype: DType) -> Value:
    """An array of `shape` whose elements are their index along `axis`."""
    return graph.add(_iota, (), (("axis", axis), ("dtype", dtype.name), ("shape", shape)))


def _convert_type(types: tuple[Any, ...], dtype: str) -> Type:
    (x,) = types
    if not isinstance(x, Type) or dtype not in DTYPES:
        raise operand_error("convert", types, f"a tensor to convert to {dtype}")
    return x.with_dtype(DTYPES[dtype])


def _convert_vjp(i: int, bar: Value, out: Value, args: tuple[Value, ...]) -> Value | None:
    source = args[0].type.dtype
    return convert(bar, dtype=source.name) if source.kind == out.type.dtype.kind == "f" else None


def _convert_jvp(tangents: Any, out: Value, args: tuple[Value, ...]) -> Value | None:
    (dx,) = tangents
    if dx is None or out.type.dtype.kind != "f":
        return None
    return convert(dx, dtype=out.type.dtype.name)


convert = define(
    "convert",
    type=_convert_type,
    value=lambda x, dtype: np.asarray(x).astype(DTYPES[dtype].numpy),
    vjp=_convert_vjp,
    jvp=_convert_jvp,
    emit=lambda b, x, dtype: b.convert(x, dtype),
    exact=lambda mp, x, dtype: mp.mpf(x),
    samples=uniform(-3, 3),
    attr_samples=(("dtype", "f32"),),
    elementwise=True,
    intuition="passes the upstream gradient on, in the other precision",
)
