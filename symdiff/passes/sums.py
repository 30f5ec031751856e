"""Rules for reductions and contractions.

The order in which a sum over several axes adds its terms is not part of its meaning, and neither
is the sign of a sum that is zero. Otherwise these rules are exact, but for the sum of n equal
terms, which becomes a product: the better of the two.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Final

from symdiff.ir import Op, Value
from symdiff.ops import (
    broadcast,
    contract,
    embed,
    mul,
    neg,
    reduce_max,
    reduce_min,
    reduce_sum,
    reshape,
    transpose,
)
from symdiff.ops.contraction import split
from symdiff.passes.constants import filled, number, zeros

Args = tuple[Value, ...]
Ints = tuple[int, ...]


def _reduce_sum(args: Args, shape: Ints) -> Value | None:
    (x,) = args
    if x.type.shape == shape:
        return x
    if x.type.size == 0:
        return zeros(x, shape)
    if number(x) is not None:
        return _times(x.type.size // prod(shape), filled(x, shape))
    if x.op is reduce_sum:
        return reduce_sum(x.args[0], shape=shape)
    if x.op is neg:
        return neg(reduce_sum(x.args[0], shape=shape))
    if x.op is broadcast:
        inner, count = _reduced_source(reduce_sum, x, shape)
        return broadcast(_times(count, inner), shape=shape)
    if x.op is embed:
        return _sum_of_embed(x, shape)
    if (x.op is reshape or x.op is transpose) and prod(shape) == 1:
        return reshape(reduce_sum(x.args[0], shape=()), shape=shape)
    return None


def _times(count: int, x: Value) -> Value:
    return x if count == 1 else mul(x.graph.const(count, x.type), x)


def _reduced_source(op: Op, x: Value, shape: Ints) -> tuple[Value, int]:
    """For the broadcast `x`: what it was made from, reduced, and how often each element was summed.

    The first, broadcast to `shape`, has the elements of the result but for that factor.
    """
    (inner,) = x.args
    rank, lead = len(x.type.shape), len(x.type.shape) - len(shape)
    missing = rank - len(inner.type.shape)
    count, kept = 1, list[int]()
    for axis, extent in enumerate(x.type.shape):
        stays = axis >= lead and shape[axis - lead] == extent
        own = axis >= missing and inner.type.shape[axis - missing] == extent
        if not stays and not own:
            count *= extent
        if axis >= max(lead, missing):
            kept.append(inner.type.shape[axis - missing] if stays else 1)
    return op(inner, shape=tuple(kept)), count


def _sum_of_embed(x: Value, shape: Ints) -> Value:
    """The sum of the part, embedded along the axes that are left."""
    (inner,) = x.args
    lead = len(x.type.shape) - len(shape)
    left = [n == m for n, m in zip(shape, x.type.shape[lead:], strict=True)]

    def chosen(numbers: Ints, otherwise: int) -> Ints:
        return tuple([n if k else otherwise for n, k in zip(numbers[lead:], left, strict=True)])

    total = reduce_sum(inner, shape=chosen(inner.type.shape, 1))
    start, step = chosen(x.attr("start"), 0), chosen(x.attr("step"), 1)
    return embed(total, start=start, step=step, shape=shape)


def _extremum(op: Op) -> Callable[..., Value | None]:
    def rule(args: Args, shape: Ints) -> Value | None:
        (x,) = args
        if x.type.shape == shape:
            return x
        if x.type.size == 0:
            return None
        if number(x) is not None:
            return filled(x, shape)
        if x.op is op:
            return op(x.args[0], shape=shape)
        if x.op is broadcast:
            return broadcast(_reduced_source(op, x, shape)[0], shape=shape)
        if (x.op is reshape or x.op is transpose) and prod(shape) == 1:
            return reshape(op(x.args[0], shape=()), shape=shape)
        return None

    return rule


# Contractions.


def _contract(args: Args, spec: str) -> Value | None:
    x, y = args
    left, right, result = split(spec)
    extents = dict(zip(left + right, x.type.shape + y.type.shape, strict=True))
    shape = tuple([extents[c] for c in result])
    if 0 in extents.values():
        return zeros(x, shape)
    if x.op is neg:
        return neg(contract(x.args[0], y, spec=spec))
    if y.op is neg:
        return neg(contract(x, y.args[0], spec=spec))
    if x.op is transpose or y.op is transpose:
        x, left = _untransposed(x, left)
        y, right = _untransposed(y, right)
        return contract(x, y, spec=f"{left},{right}->{result}")
    if 1 in extents.values():
        long = {c for c, n in extents.items() if n != 1}
        return reshape(_squeezed(x, left, y, right, result, long), shape=shape)
    for a, b, second in ((x, y, right), (y, x, left)):
        if number(a) in (1, -1):
            total = _placed(*_summed(b, second, result), result, shape)
            return total if number(a) == 1 else neg(total)
    if set(left + right) == set(result) and not _is_outer(x, left, y, right):
        return mul(_placed(x, left, result, shape), _placed(y, right, result, shape))
    new_x, new_left = _without_copies(x, left, result)
    new_y, new_right = _without_copies(y, right, result)
    if new_left == left and new_right == right:
        return None
    labels = "".join([c for c in result if c in new_left + new_right])
    product = contract(new_x, new_y, spec=f"{new_left},{new_right}->{labels}")
    return _placed(product, labels, result, shape)


def _untransposed(x: Value, labels: str) -> tuple[Value, str]:
    """The operand before it was transposed, and the labels of its axes."""
    if x.op is not transpose:
        return x, labels
    pairs = sorted(zip(x.attr("axes"), labels, strict=True))
    return x.args[0], "".join([label for _, label in pairs])


def _squeezed(x: Value, left: str, y: Value, right: str, result: str, long: set[str]) -> Value:
    """The contraction without the axes that are 1 long."""
    x, left = _dropped(x, left, long)
    y, right = _dropped(y, right, long)
    return contract(x, y, spec=f"{left},{right}->{''.join([c for c in result if c in long])}")


def _dropped(x: Value, labels: str, kept: set[str]) -> tuple[Value, str]:
    pairs = [(c, n) for c, n in zip(labels, x.type.shape, strict=True) if c in kept]
    return reshape(x, shape=tuple([n for _, n in pairs])), "".join([c for c, _ in pairs])


def _summed(x: Value, labels: str, result: str) -> tuple[Value, str]:
    """`x` summed over the axes that are not in the result."""
    axes = list(zip(labels, x.type.shape, strict=True))
    total = reduce_sum(x, shape=tuple([n if c in result else 1 for c, n in axes]))
    return _dropped(total, labels, set(result))


def _is_outer(x: Value, left: str, y: Value, right: str) -> bool:
    """Whether both operands have axes of their own: no product of elements at equal places."""
    alone = not set(left) <= set(right) and not set(right) <= set(left)
    return alone and number(x) is None and number(y) is None


def _placed(x: Value, labels: str, order: str, shape: Ints) -> Value:
    """`x` with its axes in the given order, broadcast along those that it does not have."""
    x = transpose(x, axes=tuple([labels.index(c) for c in order if c in labels]))
    present = [n if c in labels else 1 for c, n in zip(order, shape, strict=True)]
    return broadcast(reshape(x, shape=tuple(present)), shape=shape)


def _without_copies(x: Value, labels: str, result: str) -> tuple[Value, str]:
    """The operand without the axes that were made by broadcasting it and that are not summed."""
    if x.op is not broadcast:
        return x, labels
    (inner,) = x.args
    source = (1,) * (len(labels) - len(inner.type.shape)) + inner.type.shape
    axes = list(zip(labels, source, x.type.shape, strict=True))
    kept = [(c, n, m) for c, n, m in axes if n == m or c not in result]
    inner = reshape(inner, shape=tuple([n for _, n, _ in kept]))
    return broadcast(inner, shape=tuple([m for _, _, m in kept])), "".join([c for c, _, _ in kept])


RULES: Final[dict[Op, Callable[..., Value | None]]] = {
    reduce_sum: _reduce_sum,
    reduce_max: _extremum(reduce_max),
    reduce_min: _extremum(reduce_min),
    contract: _contract,
}
