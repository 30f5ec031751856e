"""Contractions: products of two tensors, summed over the axes that the result does not have."""

from __future__ import annotations

from typing import Any

import numpy as np

from symdiff.ir import Type, Value
from symdiff.ops.arithmetic import add, mul
from symdiff.ops.define import define, operand_error
from symdiff.ops.structure import broadcast, reduce_sum, reshape, transpose


def _contract_type(types: tuple[Any, ...], spec: str) -> Type:
    fits = len(types) == 2 and all(isinstance(t, Type) and t.dtype.kind in "fi" for t in types)
    left, right, result = split(spec)
    if not fits or types[0].dtype is not types[1].dtype:
        raise operand_error("contract", types, "two tensors of one dtype")
    extents: dict[str, int] = {}
    for labels, type in ((left, types[0]), (right, types[1])):
        if len(labels) != len(type.shape) or len(set(labels)) != len(labels):
            raise operand_error("contract", types, f"axes as in {spec}")
        for label, extent in zip(labels, type.shape, strict=True):
            if extents.setdefault(label, extent) != extent:
                raise operand_error("contract", types, f"equal extents for {label!r} in {spec}")
    alone = set(left) ^ set(right)
    if not alone <= set(result) <= set(extents) or len(set(result)) != len(result):
        raise operand_error("contract", types, f"axes of one operand alone in the result of {spec}")
    return Type(types[0].dtype, tuple(extents[label] for label in result))


def split(spec: str) -> tuple[str, str, str]:
    """The labels of the two operands and of the result in `ij,jk->ik`."""
    operands, _, result = spec.partition("->")
    left, _, right = operands.partition(",")
    return left, right, result


def _contract_vjp(i: int, bar: Value, out: Value, args: tuple[Value, ...]) -> Value:
    left, right, result = split(out.attr("spec"))
    if i == 0:
        return contract(bar, args[1], spec=f"{result},{right}->{left}")
    return contract(args[0], bar, spec=f"{left},{result}->{right}")


def _contract_jvp(tangents: Any, out: Value, args: tuple[Value, ...]) -> Value | None:
    (x, y), (dx, dy), spec = args, tangents, out.attr("spec")
    first = None if dx is None else contract(dx, y, spec=spec)
    second = None if dy is None else contract(x, dy, spec=spec)
    if first is None or second is None:
        return first or second
    return add(first, second)


def _batch_contract(
    args: tuple[Value, ...], batched: tuple[bool, ...], size: int, spec: str
) -> Value:
    left, right, result = split(spec)
    label = next(c for c in "zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in spec)
    first, second = (label if has else "" for has in batched)
    return contract(*args, spec=f"{first}{left},{second}{right}->{label}{result}")


def _expand_contract(x: Value, y: Value, spec: str) -> Value:
    """The same as a sum of products, whose loops fuse with their neighbours."""
    left, right, result = split(spec)
    order = loop_order(left, right, result)
    extents = dict(zip(left + right, x.type.shape + y.type.shape, strict=True))
    shape = tuple(extents[label] for label in order)
    product = mul(_aligned(x, left, order, shape), _aligned(y, right, order, shape))
    kept = tuple(extents[label] if label in result else 1 for label in order)
    total = reduce_sum(product, shape=kept) if kept != shape else product
    labels = [label for label in order if label in result]
    total = reshape(total, shape=tuple(extents[label] for label in labels))
    axes = tuple(labels.index(label) for label in result)
    return total if axes == tuple(range(len(axes))) else transpose(total, axes=axes)


def loop_order(left: str, right: str, result: str) -> str:
    """Labels in an order of loops that leaves the innermost one contiguous where it can be."""
    summed = [c for c in left if c not in result]
    if not summed:
        return result
    # The innermost loop runs along the last axis of as many operands as possible.
    last = [labels[-1] for labels in (left, right, result) if labels]
    inner = max(dict.fromkeys(last), key=lambda c: (last.count(c), c in result))
    outer = [c for c in result if c != inner] + [c for c in summed if c != inner]
    return "".join(outer) + inner


def _aligned(x: Value, labels: str, order: str, shape: tuple[int, ...]) -> Value:
    """`x` with its axes in the given order, broadcast along those that it does not have."""
    kept = [c for c in order if c in labels]
    axes = tuple(labels.index(c) for c in kept)
    if axes != tuple(range(len(axes))):
        x = transpose(x, axes=axes)
    present = tuple(n if c in labels else 1 for c, n in zip(order, shape, strict=True))
    x = reshape(x, shape=present)
    return x if present == shape else broadcast(x, shape=shape)


contract = define(
    "contract",
    type=_contract_type,
    value=lambda x, y, spec: np.asarray(np.einsum(spec, x, y), np.asarray(x).dtype),
    vjp=_contract_vjp,
    jvp=_contract_jvp,
    batch=_batch_contract,
    expand=_expand_contract,
    arity=2,
    samples=lambda rng, n: (rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 2, 5))),
    attr_samples=(("spec", "bij,jbk->bik"),),
    note="sums over the labels that the result does not have; its derivatives are contractions",
    intuition="switches, as a product does: each factor gets the upstream gradient times the "
    "other one, summed over what the result has not",
)
