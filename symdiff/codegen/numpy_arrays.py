"""NumPy expressions of the operations on whole arrays."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, Final

from symdiff.codegen.numpy_emitter import numpy_dtype, numpy_number
from symdiff.ir import DType, Literal, Op, Value, f64, i32, i64
from symdiff.ops import OPS
from symdiff.ops.contraction import split
from symdiff.ops.structure import reduced_axes

_WRITTEN_OUT: Final = 64  # elements of a constant that people may want to read

Ints = tuple[int, ...]


def array_constant(literal: Literal) -> str:
    """An expression of a constant with elements of its own, exact to the bit."""
    type = literal.type
    if type.size == 0:
        return f"np.zeros({_shape(type.shape)}, {numpy_dtype(type.dtype)})"
    if type.size <= _WRITTEN_OUT:
        elements = _nested(literal.array, type.dtype)
        return f"np.array({elements}, {numpy_dtype(type.dtype)})"
    coded = base64.b64encode(literal.data).decode()
    flat = f'np.frombuffer(base64.b64decode("{coded}"), {numpy_dtype(type.dtype)})'
    return flat if len(type.shape) == 1 else f"{flat}.reshape({type.shape})"


def _nested(array: Any, dtype: DType) -> str:
    if not array.shape:
        # As a wide number of its kind: the array's dtype makes a narrow one of it again.
        return numpy_number(array.item(), {"f": f64, "i": i64}.get(dtype.kind, dtype)).text
    return f"[{', '.join([_nested(part, dtype) for part in array])}]"


def filled(number: float, value: Value) -> str:
    """An expression of the constant `value`, all of whose elements are `number`."""
    one = numpy_number(number, value.type.dtype).text
    if value.type.shape:
        return f"np.full({_shape(value.type.shape)}, {one})"
    return one if one.startswith("np.") else f"{numpy_dtype(value.type.dtype)}({one})"


def _shape(shape: Ints) -> str:
    return str(shape[0]) if len(shape) == 1 else str(shape)


def brackets(places: Sequence[str]) -> str:
    """Slices and indices as they are written between brackets."""
    last = max((i for i, text in enumerate(places) if text != ":"), default=0)
    return ", ".join(places[: last + 1]) or "()"


def _slice(start: int, stop: int | None, step: int) -> str:
    text = f"{start or ''}:{'' if stop is None else stop}"
    return text if step == 1 else f"{text}:{step}"


def sliced(start: Ints, step: Ints, shape: Ints, whole: Ints) -> str:
    """What stands between the brackets for element start + step i along each axis."""
    places: list[str] = []
    for first, d, n, extent in zip(start, step, shape, whole, strict=True):
        last = first + d * (n - 1)
        if n == 0:
            places.append(_slice(0, 0, 1))
        elif d > 0 or n == 1:
            end = last + 1 if last + 1 < extent else None
            places.append(_slice(first, end, d if n > 1 else 1))
        else:
            begin = first if first < extent - 1 else 0
            places.append(_slice(begin, last - 1 if last else None, d))
    return brackets(places)


# One rule per operation: the expression, from the value and the texts of its operands.


def _broadcast(value: Value, x: str) -> str:
    return f"np.broadcast_to({x}, {_shape(value.type.shape)})"


def _reshape(value: Value, x: str) -> str:
    return f"np.reshape({x}, {_shape(value.type.shape)})"


def _transpose(value: Value, x: str) -> str:
    axes = value.attr("axes")
    return f"{x}.T" if axes == tuple(reversed(range(len(axes)))) else f"np.transpose({x}, {axes})"


def _slice_of(value: Value, x: str) -> str:
    start, step = value.attr("start"), value.attr("step")
    return f"{x}[{sliced(start, step, value.type.shape, value.args[0].type.shape)}]"


def _concatenate(value: Value, *parts: str) -> str:
    tail = "," if len(parts) == 1 else ""
    return f"np.concatenate(({', '.join(parts)}{tail}), axis={value.attr('axis')})"


def _reduction(function: str) -> Callable[..., str]:
    def rule(value: Value, x: str) -> str:
        source, shape = value.args[0].type.shape, value.type.shape
        axes = reduced_axes(source, shape)
        keep = len(shape) == len(source)
        options = ""
        if keep or len(axes) < len(source):
            options = f", axis={axes[0] if len(axes) == 1 else axes}" + ", keepdims=True" * keep
        if function == "sum" and value.type.dtype is i32:  # NumPy's sums are as wide as its int
            options += ", dtype=np.int32"
        text = f"np.{function}({x}{options})"
        left = tuple([n for i, n in enumerate(source) if i not in axes])
        return text if keep or shape == left else f"np.reshape({text}, {_shape(shape)})"

    return rule


def _position(value: Value, x: str) -> str:
    return f"np.{value.op.name}({x}, axis={value.attr('axis')})"


def _cumsum(value: Value, x: str) -> str:
    axis = value.attr("axis")
    dtype = ", dtype=np.int32" if value.type.dtype is i32 else ""
    if not value.attr("reverse"):
        return f"np.cumsum({x}, axis={axis}{dtype})"
    return f"np.flip(np.cumsum(np.flip({x}, {axis}), axis={axis}{dtype}), {axis})"


def _iota(value: Value) -> str:
    shape, axis = value.type.shape, value.attr("axis")
    along = f"np.arange({shape[axis]}, dtype={numpy_dtype(value.type.dtype)})"
    if len(shape) == 1:
        return along
    later = len(shape) - axis - 1
    if later:
        along = f"np.reshape({along}, {(-1, *(1,) * later)})"
    return f"np.broadcast_to({along}, {shape})"


def _contract(value: Value, x: str, y: str) -> str:
    left, right, result = split(value.attr("spec"))
    return _product(x, left, y, right, result) or f'np.einsum("{value.attr("spec")}", {x}, {y})'


def _product(x: str, left: str, y: str, right: str, result: str) -> str | None:
    """The contraction as a product of matrices or vectors, or None where it is none."""
    summed = [c for c in left if c not in result]
    shared = set(left) & set(right)
    if len(shared) != len(summed) or len(left) > 2 or len(right) > 2:
        return None
    if result and result[0] not in left:  # the operand whose axis comes first stands first
        x, left, y, right = y, right, x, left
    if not summed:
        return f"np.outer({x}, {y})" if len(left) == len(right) == 1 else None
    if len(summed) > 1:
        return None
    x = x if left[-1] == summed[0] else f"{x}.T"
    y = y if right[0] == summed[0] else f"{y}.T"
    return f"{x} @ {y}"


ARRAYS: Final[dict[Op, Callable[..., str]]] = {
    OPS["broadcast"]: _broadcast,
    OPS["reshape"]: _reshape,
    OPS["transpose"]: _transpose,
    OPS["slice"]: _slice_of,
    OPS["concatenate"]: _concatenate,
    OPS["reduce_sum"]: _reduction("sum"),
    OPS["reduce_max"]: _reduction("max"),
    OPS["reduce_min"]: _reduction("min"),
    OPS["argmax"]: _position,
    OPS["argmin"]: _position,
    OPS["cumsum"]: _cumsum,
    OPS["iota"]: _iota,
    OPS["contract"]: _contract,
}

VIEWS: Final = frozenset(
    OPS[name] for name in ("broadcast", "reshape", "transpose", "slice", "iota")
)
