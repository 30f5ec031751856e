"""Operations on shapes and dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from symdiff.errors import ShapeError
from symdiff.ir import DTYPES, Type, Value
from symdiff.ops.define import define, operand_error, uniform


def _broadcast_type(types: tuple[Any, ...], shape: tuple[int, ...]) -> Type:
    (x,) = types
    if np.broadcast_shapes(x.shape, shape) != shape:
        raise ShapeError(f"broadcast: {x} does not broadcast to shape {shape}")
    return Type(x.dtype, shape)


def _broadcast_vjp(i: int, bar: Value, out: Value, args: tuple[Value, ...]) -> Value:
    return reduce_sum(bar, shape=args[0].type.shape)


broadcast = define(
    "broadcast",
    type=_broadcast_type,
    value=lambda x, shape: np.broadcast_to(x, shape),
    vjp=_broadcast_vjp,
    jvp=lambda tangents, out, args: tangents[0] and broadcast(tangents[0], shape=out.type.shape),
    samples=lambda rng, n: (rng.normal(size=(3, 1)),),
    attr_samples=(("shape", (2, 3, 4)),),
)


def _reduce_sum_type(types: tuple[Any, ...], shape: tuple[int, ...]) -> Type:
    (x,) = types
    if np.broadcast_shapes(x.shape, shape) != x.shape:
        raise ShapeError(f"reduce_sum: {x} cannot be summed to shape {shape}")
    return Type(x.dtype, shape)


def _sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    """The adjoint of broadcasting: `x` summed over the axes along which `shape` was stretched."""
    lead = np.ndim(x) - len(shape)
    stretched = [i + lead for i, n in enumerate(shape) if n == 1 and np.shape(x)[i + lead] != 1]
    return np.sum(x, axis=(*range(lead), *stretched), keepdims=True).reshape(shape)


reduce_sum = define(
    "reduce_sum",
    type=_reduce_sum_type,
    value=_sum_to,
    vjp=lambda i, bar, out, args: broadcast(bar, shape=args[0].type.shape),
    jvp=lambda tangents, out, args: tangents[0] and reduce_sum(tangents[0], shape=out.type.shape),
    samples=lambda rng, n: (rng.normal(size=(2, 3, 4)),),
    attr_samples=(("shape", (3, 1)),),
)


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
)
