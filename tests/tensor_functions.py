"""Random functions of arrays for property tests."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from symdiff import ops
from symdiff.ir import Branch, Function, Graph, Leaf, Type, Value, boolean, f64, i64

_UNARY = [ops.neg, ops.sin, ops.tanh, ops.abs, ops.exp, ops.stop_gradient]
_BINARY = [ops.add, ops.sub, ops.mul, ops.min, ops.max]
_CONSTANTS = [0.0, 1.0, -1.0, 2.0, 0.5, -3.25]
_SHAPES = [(), (1,), (3,), (2, 3), (3, 1), (1, 3), (2, 1, 3), (0, 3), (4,)]
_LARGEST = 200  # elements


class Case(NamedTuple):
    """A function, and arguments for it."""

    fn: Function
    args: list[Any]


@st.composite
def cases(draw: Any) -> Case:
    """A function of three arrays: up to 12 operations of all kinds, its outputs the last few."""
    graph = Graph()
    shapes = draw(st.lists(st.sampled_from(_SHAPES), min_size=3, max_size=3))
    params = tuple(graph.param(n, Type(f64, s)) for n, s in zip("xyz", shapes, strict=True))
    values: list[Value] = [*params]
    constants = st.tuples(st.sampled_from(_CONSTANTS), st.sampled_from(_SHAPES))
    values += [graph.const(c, Type(f64, s)) for c, s in draw(st.lists(constants, max_size=2))]
    for _ in range(draw(st.integers(1, 12))):
        made = draw(st.sampled_from(_STEPS))(draw, draw(st.sampled_from(values[-6:])), values)
        if made.type.size <= _LARGEST and len(made.type.shape) <= 4:
            values.append(made)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    outputs = tuple(values[-draw(st.integers(1, 2)) :])
    fn = Function("f", params, outputs, _structure(len(outputs)))
    return Case(fn, [rng.uniform(-2, 2, p.type.shape) for p in params])


def _structure(count: int) -> Any:
    """The structure of `count` outputs."""
    leaves = tuple(Leaf(f"v{i}") for i in range(count))
    return leaves[0] if count == 1 else Branch(leaves)


def _unary(draw: Any, x: Value, values: list[Value]) -> Value:
    return draw(st.sampled_from(_UNARY))(x)


def _same(draw: Any, x: Value, values: list[Value]) -> Value:
    """A value with the type of `x`: an earlier one, broadcast where it fits, or a constant."""
    fitting = [v for v in values if _broadcasts(v.type.shape, x.type.shape)]
    chosen = draw(st.sampled_from([*fitting, None]))
    if chosen is None:
        return ops.like(x, draw(st.sampled_from(_CONSTANTS)))
    return ops.broadcast(chosen, shape=x.type.shape) if chosen.type != x.type else chosen


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    lead = len(to) - len(shape)
    return lead >= 0 and all(n in (1, m) for n, m in zip(shape, to[lead:], strict=True))


def _binary(draw: Any, x: Value, values: list[Value]) -> Value:
    pair = [x, _same(draw, x, values)]
    return draw(st.sampled_from(_BINARY))(*(reversed(pair) if draw(st.booleans()) else pair))


def _where(draw: Any, x: Value, values: list[Value]) -> Value:
    if draw(st.booleans()):
        condition = ops.lt(x, _same(draw, x, values))
    else:
        places = draw(st.lists(st.booleans(), min_size=x.type.size, max_size=x.type.size))
        mask = np.array(places, bool).reshape(x.type.shape)
        condition = x.graph.const(mask, Type(boolean, x.type.shape))
    return ops.where(condition, x, _same(draw, x, values))


def _broadcast(draw: Any, x: Value, values: list[Value]) -> Value:
    extents = [n if n != 1 else draw(st.sampled_from([1, 2, 3])) for n in x.type.shape]
    lead = draw(st.lists(st.sampled_from([1, 2]), max_size=2))
    return ops.broadcast(x, shape=(*lead, *extents))


def _reduce(draw: Any, x: Value, values: list[Value]) -> Value:
    shape = x.type.shape[draw(st.integers(0, len(x.type.shape))) :]
    kept = tuple(1 if draw(st.booleans()) else n for n in shape)
    op = draw(st.sampled_from([ops.reduce_sum, ops.reduce_sum, ops.reduce_max, ops.reduce_min]))
    return (op if x.type.size else ops.reduce_sum)(x, shape=kept)


def _reshape(draw: Any, x: Value, values: list[Value]) -> Value:
    shape = [n for n in x.type.shape if n != 1 or draw(st.booleans())]
    if draw(st.booleans()):
        shape = [x.type.size] if draw(st.booleans()) or 0 in shape else shape[::-1]
    for _ in range(draw(st.integers(0, 2))):
        shape.insert(draw(st.integers(0, len(shape))), 1)
    return ops.reshape(x, shape=tuple(shape))


def _transpose(draw: Any, x: Value, values: list[Value]) -> Value:
    return ops.transpose(x, axes=tuple(draw(st.permutations(range(len(x.type.shape))))))


def _places(draw: Any, extents: tuple[int, ...], outer: tuple[int, ...]) -> dict[str, Any]:
    """Places for `extents` elements within `outer`."""
    starts: list[int] = []
    steps: list[int] = []
    for n, m in zip(extents, outer, strict=True):
        widest = (m - 1) // (n - 1) if n > 1 else max(1, m)
        step = draw(st.integers(1, widest)) if widest > 0 else 1
        start = draw(st.integers(0, m - 1 - step * (n - 1))) if n else 0
        backwards = n > 0 and draw(st.booleans())
        starts.append(start + step * (n - 1) if backwards else start)
        steps.append(-step if backwards else step)
    return {"start": tuple(starts), "step": tuple(steps)}


def _slice(draw: Any, x: Value, values: list[Value]) -> Value:
    shape = tuple(draw(st.integers(min(1, n), n)) for n in x.type.shape)
    return ops.slice_(x, **_places(draw, shape, x.type.shape), shape=shape)


def _embed(draw: Any, x: Value, values: list[Value]) -> Value:
    shape = tuple(n + draw(st.integers(0, 2)) for n in x.type.shape)
    return ops.embed(x, **_places(draw, x.type.shape, shape), shape=shape)


def _concatenate(draw: Any, x: Value, values: list[Value]) -> Value:
    if not x.type.shape:
        return x
    axis = draw(st.integers(0, len(x.type.shape) - 1))
    return ops.concatenate(
        *[x, _same(draw, x, values)][:: draw(st.sampled_from([1, -1]))], axis=axis
    )


def _contract(draw: Any, x: Value, values: list[Value]) -> Value:
    y = draw(st.sampled_from(values))
    labels = iter("ijklmnopq")
    left = "".join(next(labels) for _ in x.type.shape)
    free = list(zip(left, x.type.shape, strict=True))
    right = ""
    for n in y.type.shape:
        same = [c for c, m in free if m == n]
        chosen = draw(st.sampled_from([*same, None]))
        if chosen is not None:
            free = [pair for pair in free if pair[0] != chosen]
        right += chosen or next(labels)
    shared = set(left) & set(right)
    result = [c for c in dict.fromkeys(left + right) if c not in shared or draw(st.booleans())]
    result = draw(st.permutations(result))
    return ops.contract(x, y, spec=f"{left},{right}->{''.join(result)}")


def _index(draw: Any, graph: Graph, extent: int, shape: tuple[int, ...]) -> Value:
    size = int(np.prod(shape))
    places = draw(st.lists(st.integers(0, extent - 1), min_size=size, max_size=size))
    return graph.const(np.array(places, np.int64).reshape(shape), Type(i64, shape))


def _gather(draw: Any, x: Value, values: list[Value]) -> Value:
    if not x.type.size or not x.type.shape:
        return x
    axis = draw(st.integers(0, len(x.type.shape) - 1))
    places = draw(st.sampled_from([(), (2,), (2, 2), (0,)]))
    index = _index(draw, x.graph, x.type.shape[axis], places)
    taken = ops.gather(x, index, axis=axis)
    how = draw(st.sampled_from(["gather", "scatter_add", "put_at", "add_at"]))
    if how == "gather":
        return taken
    if how == "scatter_add":
        return ops.scatter_add(taken, index, axis=axis, shape=x.type.shape)
    return ops.OPS[how](x, ops.add(taken, taken), index, axis=axis)


def _along(draw: Any, x: Value, values: list[Value]) -> Value:
    if not x.type.shape:
        return x
    axis = draw(st.integers(0, len(x.type.shape) - 1))
    if draw(st.booleans()) or not x.type.shape[axis]:
        return ops.cumsum(x, axis=axis, reverse=draw(st.booleans()))
    position = draw(st.sampled_from([ops.argmax, ops.argmin]))(x, axis=axis)
    return ops.convert(position, dtype="f64")


_STEPS = [
    _unary, _binary, _binary, _where, _broadcast, _broadcast, _reduce, _reduce, _reshape,
    _transpose, _slice, _slice, _embed, _concatenate, _contract, _contract, _gather, _along,
]  # fmt: skip
