"""Products of arrays: dot, matmul, einsum and their relatives, all by pairwise contractions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain, pairwise
from string import ascii_letters
from typing import Any

import numpy as np

from symdiff.errors import ShapeError
from symdiff.ir import Value, boolean, i64
from symdiff.ops.arithmetic import mul, sub
from symdiff.ops.arrays.promote import (
    Operand,
    cast,
    common_dtype,
    common_shape,
    elementwise,
    graph_of,
    shape_of,
    spread,
    value_in,
)
from symdiff.ops.arrays.shapes import (
    axis_of,
    diagonal,
    moveaxis,
    part,
    permuted,
    ravel,
    reshaped,
    stack,
)
from symdiff.ops.arrays.statistics import sum
from symdiff.ops.contraction import contract
from symdiff.ops.structure import reduce_sum

Labels = tuple[int, ...]  # the axes of an operand of einsum, equal numbers for equal letters


def _types(operands: Sequence[Operand]) -> str:
    return ", ".join(str(o.type) if isinstance(o, Value) else str(shape_of(o)) for o in operands)


def _labelled(
    name: str, operands: Sequence[Operand], labels: Sequence[Labels], out: Labels
) -> Value:
    """The sum of products of `operands` over the labels that `out` does not have."""
    graph, dtype = graph_of(operands), common_dtype(operands)
    # Truth values are counted, and what is not 0 holds.
    numbers = [value_in(graph, o, i64 if dtype is boolean else None) for o in operands]
    numbers = [cast(v, i64 if dtype is boolean else dtype) for v in numbers]
    parts = [_diagonals(v, own) for v, own in zip(numbers, labels, strict=True)]
    extents: dict[int, int] = {}
    for value, own in parts:
        for label, extent in zip(own, value.type.shape, strict=True):
            known = extents.get(label, 1)
            if 1 not in (known, extent) and known != extent:
                raise ShapeError(
                    f"{name}: {_types(operands)} do not fit; extents {known} and {extent} meet"
                )
            extents[label] = extent if known == 1 else known
    parts = [_stretched(value, own, extents) for value, own in parts]
    parts = [
        _without_lone(value, own, {*out, *chain(*(o for j, (_, o) in enumerate(parts) if j != i))})
        for i, (value, own) in enumerate(parts)
    ]
    for first, second in _order(parts, out, extents):
        (y, ys), (x, xs) = parts.pop(max(first, second)), parts.pop(min(first, second))
        needed = {*out, *chain(*(own for _, own in parts))}
        kept = tuple(n for n in dict.fromkeys((*xs, *ys)) if n in needed)
        if not parts:
            kept = tuple(n for n in out if n in (*xs, *ys))
        parts.append((_contracted(x, xs, y, ys, kept), kept))
    ((value, own),) = parts
    value = permuted(value, tuple(own.index(n) for n in out if n in own))
    missing = tuple(extents[n] for n in out)
    value = spread(reshaped(value, tuple(extents[n] if n in own else 1 for n in out)), missing)
    return cast(value, dtype)


def _diagonals(x: Value, labels: Labels) -> tuple[Value, Labels]:
    """`x` with one axis per label: the diagonal of axes that share one."""
    while len(set(labels)) != len(labels):
        twice = next(n for n, count in Counter(labels).items() if count > 1)
        first = labels.index(twice)
        second = labels.index(twice, first + 1)
        one, other = x.type.shape[first], x.type.shape[second]
        if one != other:
            if 1 not in (one, other):
                raise ShapeError(f"einsum: {x.type} has no diagonal of extents {one} and {other}")
            gone = first if one == 1 else second  # an extent of 1 broadcasts
            x = reshaped(x, x.type.shape[:gone] + x.type.shape[gone + 1 :])
            labels = labels[:gone] + labels[gone + 1 :]
            continue
        x = diagonal(x, 0, first, second)
        labels = (*(n for i, n in enumerate(labels) if i not in (first, second)), twice)
    return x, labels


def _stretched(x: Value, labels: Labels, extents: dict[int, int]) -> tuple[Value, Labels]:
    """`x` without those axes of extent 1 that meet longer ones: the others stand for them."""
    kept = [(n, m) for n, m in zip(labels, x.type.shape, strict=True) if not (m == 1 < extents[n])]
    return reshaped(x, tuple(m for _, m in kept)), tuple(n for n, _ in kept)


def _without_lone(x: Value, labels: Labels, needed: set[int]) -> tuple[Value, Labels]:
    """`x` summed over the labels that nothing else has."""
    if all(n in needed for n in labels):
        return x, labels
    shape = tuple(m if n in needed else 1 for n, m in zip(labels, x.type.shape, strict=True))
    kept = tuple(n for n in labels if n in needed)
    total = reduce_sum(x, shape=shape)
    extents = tuple(m for n, m in zip(labels, shape, strict=True) if n in needed)
    return reshaped(total, extents), kept


def _order(
    parts: Sequence[tuple[Value, Labels]], out: Labels, extents: dict[int, int]
) -> list[tuple[int, int]]:
    """Pairs of positions to contract one after the other; the result goes to the end."""
    if len(parts) < 2:
        return []
    names = dict(zip(sorted({*chain(*(own for _, own in parts))}), ascii_letters, strict=False))
    if len(parts) == 2 or len(names) < len({*chain(*(own for _, own in parts))}):
        return [(0, 1), *((0, n) for n in range(len(parts) - 2, 0, -1))]
    spec = ",".join("".join(names[n] for n in own) for _, own in parts)
    spec += "->" + "".join(names[n] for n in out if n in names)
    shapes = [np.broadcast_to(0.0, v.type.shape) for v, _ in parts]
    # The optimal order takes time that grows with the factorial of the number of operands.
    path: Any = np.einsum_path(spec, *shapes, optimize="optimal" if len(parts) < 6 else "greedy")
    pairs: list[tuple[int, int]] = []
    for step in path[0][1:]:
        left = len(parts) - len(pairs)
        places = sorted(step, reverse=True)
        pairs.append((places[0], places[1]))
        for place in places[2:]:  # more than two at once: the others join the product at the end
            left -= 1
            pairs.append((left - 1, place))
    return pairs


def _contracted(x: Value, xs: Labels, y: Value, ys: Labels, out: Labels) -> Value:
    if not xs or not ys:
        # A scalar factor: no contraction.
        scalar, whole, own = (x, y, ys) if not xs else (y, x, xs)
        whole = permuted(whole, tuple(own.index(n) for n in out))
        return mul(spread(scalar, whole.type.shape), whole)
    names = dict(zip(dict.fromkeys((*xs, *ys)), ascii_letters, strict=False))
    left, right, result = ("".join(names[n] for n in part_) for part_ in (xs, ys, out))
    return contract(x, y, spec=f"{left},{right}->{result}")


def einsum(*operands: Any, optimize: Any = None) -> Value:
    """Einstein's summation, in every form that `numpy.einsum` takes.

    `einsum("ij,jk->ik", x, y)`, `einsum("ij,jk", x, y)`, `einsum("...ij,...j", x, y)`,
    `einsum("ii", x)`, `einsum(x, [0, 1], y, [1, 2], [0, 2])`. More than two operands are
    contracted in pairs, in the cheapest order.

    Raises:
        ShapeError: subscripts that do not fit the operands.
    """
    if operands and isinstance(operands[0], str):
        spec, values = operands[0], list(operands[1:])
        inputs, output = _read(spec)
    else:
        values, inputs, output = _interleaved(operands)
    if len(inputs) != len(values):
        raise ShapeError(f"einsum: subscripts for {len(inputs)} operands, got {len(values)}")
    labels, dots = _numbered(values, inputs)
    if output is None:
        counts = Counter(n for own in inputs for n in own if n is not Ellipsis)
        output = [Ellipsis, *sorted((n for n, c in counts.items() if c == 1), key=str)]
        if all(isinstance(n, int) for n in counts):
            output = [Ellipsis, *sorted(n for n, c in counts.items() if c == 1)]
    known = _codes(inputs)
    out: list[int] = []
    for n in output:
        if n is Ellipsis:
            out += dots
        elif n not in known:
            raise ShapeError(f"einsum: the result has {n!r}, which no operand has")
        else:
            out.append(known[n])
    if len(set(out)) != len(out):
        raise ShapeError("einsum: the result has a label twice")
    return _labelled("einsum", values, labels, tuple(out))


def _read(spec: str) -> tuple[list[list[Any]], list[Any] | None]:
    """The labels of each operand, and those of the result, if given; Ellipsis for `...`."""
    operands, arrow, result = spec.replace(" ", "").partition("->")
    return [_letters(spec, part_) for part_ in operands.split(",")], (
        _letters(spec, result) if arrow else None
    )


def _letters(spec: str, text: str) -> list[Any]:
    before, dots, after = text.partition("...")
    for letter in (*before, *after):
        if letter not in ascii_letters:
            raise ShapeError(f"einsum: {letter!r} in {spec!r} is not a label")
    return [*before, *([Ellipsis] if dots else []), *after]


def _interleaved(operands: Sequence[Any]) -> tuple[list[Any], list[list[Any]], list[Any] | None]:
    pairs = len(operands) // 2
    lists = [*operands[1::2], *(operands[-1:] if len(operands) % 2 else ())]
    if not pairs or not all(isinstance(labels, (list, tuple)) for labels in lists):
        raise ShapeError(
            "einsum: expected subscripts and operands, as in einsum('ij,jk', x, y), or operands "
            "each followed by a list of labels, as in einsum(x, [0, 1], y, [1, 2])"
        )
    values = [operands[2 * i] for i in range(pairs)]
    inputs = [list(operands[2 * i + 1]) for i in range(pairs)]
    output = list(operands[-1]) if len(operands) % 2 else None
    return values, inputs, output


def _codes(inputs: Sequence[Sequence[Any]]) -> dict[Any, int]:
    named = dict.fromkeys(n for own in inputs for n in own if n is not Ellipsis)
    return {n: i for i, n in enumerate(named)}


def _numbered(
    values: Sequence[Any], inputs: Sequence[Sequence[Any]]
) -> tuple[list[Labels], list[int]]:
    """The axes of each operand as numbers, and those that `...` stands for in the result."""
    known = _codes(inputs)
    hidden = [
        len(shape_of(v)) - _count(n is not Ellipsis for n in own)
        for v, own in zip(values, inputs, strict=True)
    ]
    for value, own, extra in zip(values, inputs, hidden, strict=True):
        if extra < 0 or (extra and Ellipsis not in own):
            raise ShapeError(f"einsum: {len(own)} subscripts for {_types([value])}")
    most = max(hidden, default=0)
    dots = list(range(len(known), len(known) + most))
    labels: list[Labels] = []
    for own, extra in zip(inputs, hidden, strict=True):
        expanded: list[int] = []
        for n in own:
            expanded += dots[most - extra :] if n is Ellipsis else [known[n]]
        labels.append(tuple(expanded))
    return labels, dots


def _count(truths: Any) -> int:
    """How many hold."""
    return len([t for t in truths if t])


# Products with names of their own.


def dot(x: Operand, y: Operand) -> Value:
    """The sum of products over the last axis of `x` and the last but one of `y`."""
    m, n = len(shape_of(x)), len(shape_of(y))
    if not m or not n:
        return elementwise("mul", x, y)
    left = tuple(range(m))
    right = (m - 1,) if n == 1 else (*range(m, m + n - 2), m - 1, m + n - 2)
    _meet("dot", x, y, shape_of(x)[-1], shape_of(y)[0 if n == 1 else -2])
    return _labelled("dot", (x, y), (left, right), tuple(i for i in (*left, *right) if i != m - 1))


def _meet(name: str, x: Operand, y: Operand, first: int, second: int) -> None:
    if first != second:
        raise ShapeError(f"{name}: {_types((x, y))} do not fit; extents {first} and {second} meet")


def matmul(x: Operand, y: Operand) -> Value:
    """x @ y: vectors are a row on the left, a column on the right; stacks of matrices broadcast."""
    a, b = shape_of(x), shape_of(y)
    if not a or not b:
        raise ShapeError(f"matmul: expected vectors or matrices, got {_types((x, y))}; write x * y")
    _meet("matmul", x, y, a[-1], b[0 if len(b) == 1 else -2])
    common_shape("matmul", [a[:-2], b[:-2]])
    rank = max(len(a), len(b), 2) - 2
    row, inner, column = rank, rank + 1, rank + 2
    left = (inner,) if len(a) == 1 else (*range(rank - len(a) + 2, rank), row, inner)
    right = (inner,) if len(b) == 1 else (*range(rank - len(b) + 2, rank), inner, column)
    out = (*range(rank), *((row,) if len(a) > 1 else ()), *((column,) if len(b) > 1 else ()))
    return _labelled("matmul", (x, y), (left, right), out)


def inner(x: Operand, y: Operand) -> Value:
    """The sum of products over the last axes."""
    m, n = len(shape_of(x)), len(shape_of(y))
    if not m or not n:
        return elementwise("mul", x, y)
    _meet("inner", x, y, shape_of(x)[-1], shape_of(y)[-1])
    left, right = tuple(range(m)), (*range(m, m + n - 1), m - 1)
    return _labelled("inner", (x, y), (left, right), (*left[:-1], *right[:-1]))


def vdot(x: Operand, y: Operand) -> Value:
    """The sum of products of all elements."""
    graph = graph_of((x, y))
    return dot(ravel(value_in(graph, x)), ravel(value_in(graph, y)))


def outer(x: Operand, y: Operand) -> Value:
    """The products of each element of `x` with each of `y`."""
    graph = graph_of((x, y))
    flat = [ravel(value_in(graph, o)) for o in (x, y)]
    return _labelled("outer", flat, ((0,), (1,)), (0, 1))


def tensordot(x: Operand, y: Operand, axes: Any = 2) -> Value:
    """The sum of products over `axes`: so many of them, or a pair of lists of axes."""
    m, n = len(shape_of(x)), len(shape_of(y))
    if isinstance(axes, (tuple, list)):
        first, second = (list(a) if isinstance(a, (tuple, list)) else [a] for a in axes)
    else:
        count = int(axes)
        if not 0 <= count <= min(m, n):
            raise ShapeError(f"tensordot: {count} axes of {_types((x, y))}")
        first, second = list(range(m - count, m)), list(range(count))
    first = [axis_of("tensordot", a, m) for a in first]
    second = [axis_of("tensordot", a, n) for a in second]
    if len(first) != len(second):
        raise ShapeError(f"tensordot: axes={axes!r} do not pair up")
    right = list(range(m, m + n))
    for a, b in zip(first, second, strict=True):
        _meet("tensordot", x, y, shape_of(x)[a], shape_of(y)[b])
        right[b] = a
    left = tuple(range(m))
    out = (*(i for i in left if i not in first), *(i for i in right if i >= m))
    return _labelled("tensordot", (x, y), (left, tuple(right)), out)


def kron(x: Operand, y: Operand) -> Value:
    """The Kronecker product."""
    graph = graph_of((x, y))
    a, b = (value_in(graph, o) for o in (x, y))
    rank = max(len(a.type.shape), len(b.type.shape))
    p, q = ((1,) * (rank - len(v.type.shape)) + v.type.shape for v in (a, b))
    a = reshaped(a, tuple(chain(*((n, 1) for n in p))))
    b = reshaped(b, tuple(chain(*((1, n) for n in q))))
    return reshaped(elementwise("mul", a, b), tuple(n * m for n, m in zip(p, q, strict=True)))


def cross(x: Operand, y: Operand, axis: int = -1) -> Value:
    """The vector product of vectors of three elements along `axis`."""
    graph, dtype = graph_of((x, y)), common_dtype((x, y))
    pair: list[Value] = []
    for operand in (x, y):
        value = value_in(graph, operand, dtype)
        place = axis_of("cross", axis, len(value.type.shape), value)
        if value.type.shape[place] != 3:
            raise ShapeError(f"cross: expected 3 elements along axis {axis}, got {value.type}")
        pair.append(moveaxis(value, place, -1))
    shape = common_shape("cross", [v.type.shape for v in pair])
    a, b = (
        [reshaped(part(v, len(shape) - 1, i, 1), shape[:-1]) for i in range(3)]
        for v in (spread(v, shape) for v in pair)
    )
    parts = [sub(mul(a[i], b[j]), mul(a[j], b[i])) for i, j in ((1, 2), (2, 0), (0, 1))]
    return stack(parts, axis)


def trace(x: Value, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Value:
    """The sum of the diagonal."""
    return sum(diagonal(x, offset, axis1, axis2), -1)


def multi_dot(arrays: Sequence[Operand]) -> Value:
    """The product of matrices (vectors at the ends), in the cheapest order."""
    count = len(arrays)
    if count < 2:
        raise ShapeError("multi_dot: expected at least two arrays")
    labels: list[Labels] = [(i, i + 1) for i in range(count)]
    out: list[int] = [0, count]
    if len(shape_of(arrays[0])) == 1:
        labels[0] = (1,)
        out.remove(0)
    if len(shape_of(arrays[-1])) == 1:
        labels[-1] = (count - 1,)
        out.remove(count)
    for array, own in zip(arrays, labels, strict=True):
        if len(shape_of(array)) != len(own):
            raise ShapeError(f"multi_dot: expected matrices, got {_types(arrays)}")
    for one, other in pairwise(arrays):
        _meet("multi_dot", one, other, shape_of(one)[-1], shape_of(other)[0])
    return _labelled("multi_dot", arrays, labels, tuple(out))


def matrix_power(x: Value, n: int) -> Value:
    """The n-th power of square matrices, n >= 0, by repeated squaring."""
    shape = x.type.shape
    if len(shape) < 2 or shape[-1] != shape[-2] or n < 0:
        raise ShapeError(f"matrix_power: expected square matrices and n >= 0, got {x.type}, {n}")
    eye = spread(value_in(x.graph, np.eye(shape[-1]), x.type.dtype), shape)
    result: Value | None = None
    while n:
        if n & 1:
            result = x if result is None else matmul(result, x)
        n >>= 1
        x = matmul(x, x) if n else x
    return eye if result is None else result
