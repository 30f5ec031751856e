"""Elements at computed places: gather, scatter_add, its adjoint, and arrays changed there."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from symdiff.ir import Op, Type, Value, i64
from symdiff.ops.comparison import eq
from symdiff.ops.define import OPS, Masked, define, like, operand_error
from symdiff.ops.structure import Ints, broadcast, everywhere, iota, reshape, transpose


def _indices_type(name: str, types: tuple[Any, ...]) -> Ints:
    """The common shape of the index operands."""
    if not types or any(t.dtype.kind != "i" or t.shape != types[0].shape for t in types):
        raise operand_error(name, types, "integer index tensors of one shape")
    return types[0].shape


def _gather_type(types: tuple[Any, ...], axis: int) -> Type:
    if not types or not all(isinstance(t, Type) for t in types):
        raise operand_error("gather", types, "a tensor and index tensors")
    x, *indices = types
    places = _indices_type("gather", tuple(indices))
    if not 0 <= axis <= len(x.shape) - len(indices):
        raise operand_error("gather", types, f"{len(indices)} axes of the first from axis {axis}")
    return Type(x.dtype, (*x.shape[:axis], *places, *x.shape[axis + len(indices) :]))


def _gather_value(x: Any, *indices: Any, axis: int) -> Any:
    for index, extent in zip(indices, np.shape(x)[axis:], strict=False):
        if np.size(index) and not (np.min(index) >= 0 and np.max(index) < extent):
            raise IndexError(f"gather: an index is outside 0..{extent - 1}")
    return np.asarray(x)[(slice(None),) * axis + indices]


def _gather_vjp(i: int, bar: Value, out: Value, args: tuple[Value, ...]) -> Value | None:
    if i > 0:
        return None
    x, *indices = args
    return scatter_add(bar, *indices, axis=out.attr("axis"), shape=x.type.shape)


def _gather_jvp(tangents: Any, out: Value, args: tuple[Value, ...]) -> Value | None:
    return tangents[0] and gather(tangents[0], *args[1:], axis=out.attr("axis"))


def _batch_gather(
    args: tuple[Value, ...], batched: tuple[bool, ...], size: int, axis: int
) -> Value:
    if not any(batched[1:]):
        return gather(*args, axis=axis + 1)
    if not batched[0]:
        x, *indices = (args[0], *everywhere(args[1:], batched[1:], size))
        return _moved(gather(x, *indices, axis=axis), axis, 0, 1)
    # The axes before the gathered ones would come between the batch and them.
    x, *indices = everywhere(args, batched, size)
    point = iota(x.graph, indices[0].type.shape, 0, indices[0].type.dtype)
    found = gather(_moved(x, axis + 1, 1, len(indices)), point, *indices, axis=0)
    return _moved(found, 1, axis + 1, len(indices[0].type.shape) - 1)


def _moved(x: Value, source: int, target: int, count: int) -> Value:
    """`x` with `count` axes, from `source` on, moved to where the first of them is `target`."""
    moving = range(source, source + count)
    axes = [i for i in range(len(x.type.shape)) if i not in moving]
    axes[target:target] = moving
    return x if axes == sorted(axes) else transpose(x, axes=tuple(axes))


gather = define(
    "gather",
    type=_gather_type,
    value=_gather_value,
    vjp=_gather_vjp,
    jvp=_gather_jvp,
    batch=_batch_gather,
    arity=None,
    samples=lambda rng, n: (
        rng.normal(size=(3, 4, 5, 2)),
        rng.integers(0, 4, (2, 6)),
        rng.integers(0, 5, (2, 6)),
    ),
    attr_samples=(("axis", 1),),
    note="index operands replace as many axes, from `axis` on; indices are not negative",
    intuition="routes: what was selected gets the upstream gradient, summed where selected "
    "more than once; the rest none",
)


def _scatter_add_type(types: tuple[Any, ...], axis: int, shape: Ints) -> Type:
    if not types or not all(isinstance(t, Type) for t in types):
        raise operand_error("scatter_add", types, "a tensor and index tensors")
    x, *indices = types
    places = _indices_type("scatter_add", tuple(indices))
    if x.shape != (*shape[:axis], *places, *shape[axis + len(indices) :]):
        raise operand_error("scatter_add", types, f"elements for places in {shape}")
    return Type(x.dtype, shape)


def _scatter_add_value(x: Any, *indices: Any, axis: int, shape: Ints) -> Any:
    result = np.zeros(shape, np.asarray(x).dtype)
    places: Any = (slice(None),) * axis + indices
    np.add.at(result, places, x)
    return result


def _scatter_add_vjp(i: int, bar: Value, out: Value, args: tuple[Value, ...]) -> Value | None:
    return None if i > 0 else gather(bar, *args[1:], axis=out.attr("axis"))


def _scatter_add_jvp(tangents: Any, out: Value, args: tuple[Value, ...]) -> Value | None:
    dx = tangents[0]
    return dx and scatter_add(dx, *args[1:], axis=out.attr("axis"), shape=out.type.shape)


def _batch_scatter_add(
    args: tuple[Value, ...], batched: tuple[bool, ...], size: int, axis: int, shape: Ints
) -> Value:
    if not any(batched[1:]):
        return scatter_add(*args, axis=axis + 1, shape=(size, *shape))
    x, *indices = everywhere(args, batched, size)
    places, count = len(indices[0].type.shape) - 1, len(indices)
    point = iota(x.graph, indices[0].type.shape, 0, indices[0].type.dtype)
    elements = _moved(x, axis + 1, 1, places)
    inner = (*shape[axis : axis + count], *shape[:axis], *shape[axis + count :])
    result = scatter_add(elements, point, *indices, axis=0, shape=(size, *inner))
    return _moved(result, 1, axis + 1, count)


scatter_add = define(
    "scatter_add",
    type=_scatter_add_type,
    value=_scatter_add_value,
    vjp=_scatter_add_vjp,
    jvp=_scatter_add_jvp,
    batch=_batch_scatter_add,
    arity=None,
    samples=lambda rng, n: (
        rng.normal(size=(3, 2, 6, 2)),
        rng.integers(0, 4, (2, 6)),
        rng.integers(0, 5, (2, 6)),
    ),
    attr_samples=(("axis", 1), ("shape", (3, 4, 5, 2))),
    note="zero, plus every element at its place; in the order of the elements",
    intuition="distributes: what was added somewhere gets the upstream gradient of that place",
)


# An array with some of its elements changed: operands are the array, the elements, the indices.


def _changed_type(name: str, types: tuple[Any, ...], axis: int) -> Type:
    if len(types) < 3 or not all(isinstance(t, Type) for t in types):
        raise operand_error(name, types, "a tensor, elements for it, and index tensors")
    x, elements, *indices = types
    places = _indices_type(name, tuple(indices))
    if not 0 <= axis <= len(x.shape) - len(indices):
        raise operand_error(name, types, f"{len(indices)} axes of the first from axis {axis}")
    wanted = (*x.shape[:axis], *places, *x.shape[axis + len(indices) :])
    if elements != Type(x.dtype, wanted):
        raise operand_error(name, types, f"elements {Type(x.dtype, wanted)} for the places")
    return x


def _put_at_value(x: Any, elements: Any, *indices: Any, axis: int) -> Any:
    result = np.array(x)
    result[(slice(None),) * axis + indices] = elements
    return result


def _put_at_vjp(i: int, bar: Value, out: Value, args: tuple[Value, ...]) -> Any:
    if i > 1:
        return None
    x, elements, *indices = args
    axis: int = out.attr("axis")
    if i == 0:
        return put_at(bar, like(elements, 0), *indices, axis=axis)
    return Masked(gather(bar, *indices, axis=axis), _last(x, elements, indices, axis))


def _last(x: Value, elements: Value, indices: list[Value], axis: int) -> Value | None:
    """Where an element is not replaced by a later one; None if that cannot be."""
    places = indices[0].type.shape
    count = indices[0].type.size
    if count <= 1:
        return None
    number = reshape(iota(x.graph, (count,), 0, i64), shape=places)
    none = x.graph.const(0, Type(i64, x.type.shape[axis : axis + len(indices)]))
    winner = gather(put_at(none, number, *indices, axis=0), *indices, axis=0)
    last = eq(winner, number)
    later = len(elements.type.shape) - axis - len(places)
    inner = reshape(last, shape=(1,) * axis + places + (1,) * later)
    return broadcast(inner, shape=elements.type.shape)


def _changed_jvp(op: str, tangents: Any, out: Value, args: tuple[Value, ...]) -> Value | None:
    dx, dy = tangents[:2]
    if dx is None and dy is None:
        return None
    x, elements, *indices = args
    dx, dy = dx or like(x, 0), dy or like(elements, 0)
    return OPS[op](dx, dy, *indices, axis=out.attr("axis"))


def _batch_changed(
    op: str, args: tuple[Value, ...], batched: tuple[bool, ...], size: int, axis: int
) -> Value:
    if not any(batched[2:]):
        x, elements = everywhere(args[:2], batched[:2], size)
        return OPS[op](x, elements, *args[2:], axis=axis + 1)
    x, elements, *indices = everywhere(args, batched, size)
    places, count = len(indices[0].type.shape) - 1, len(indices)
    point = iota(x.graph, indices[0].type.shape, 0, indices[0].type.dtype)
    ordered = _moved(x, axis + 1, 1, count), _moved(elements, axis + 1, 1, places)
    return _moved(OPS[op](*ordered, point, *indices, axis=0), 1, axis + 1, count)


def _changed_samples(rng: Any, n: int) -> tuple[Any, ...]:
    return (
        rng.normal(size=(3, 4, 5, 2)),
        rng.normal(size=(3, 2, 6, 2)),
        rng.integers(0, 4, (2, 6)),
        rng.integers(0, 5, (2, 6)),
    )


def _changed(name: str, value: Any, vjp: Any, **words: str) -> Op:
    """The entry of an operation that changes some elements of an array."""
    return define(
        name,
        type=partial(_changed_type, name),
        value=value,
        vjp=vjp,
        jvp=partial(_changed_jvp, name),
        batch=partial(_batch_changed, name),
        arity=None,
        samples=_changed_samples,
        attr_samples=(("axis", 1),),
        **words,
    )


put_at = _changed(
    "put_at",
    _put_at_value,
    _put_at_vjp,
    note="the first operand with the second at its places; the last one counts where several are",
    intuition="routes: what is still there gets the upstream gradient of its place; what was "
    "replaced none",
)


def _add_at_value(x: Any, elements: Any, *indices: Any, axis: int) -> Any:
    result = np.array(x)
    places: Any = (slice(None),) * axis + indices
    np.add.at(result, places, elements)
    return result


def _add_at_vjp(i: int, bar: Value, out: Value, args: tuple[Value, ...]) -> Value | None:
    if i == 0:
        return bar
    return gather(bar, *args[2:], axis=out.attr("axis")) if i == 1 else None


add_at = _changed(
    "add_at",
    _add_at_value,
    _add_at_vjp,
    note="the first operand, plus every element of the second at its place, in their order",
    intuition="distributes: the first operand gets the upstream gradient, and what was added "
    "that of its place",
)
