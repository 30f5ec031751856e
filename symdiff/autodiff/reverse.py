"""Reverse mode: cotangents from the outputs back to the parameters, in one sweep.

Griewank and Walther, "Evaluating Derivatives" (2008), chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from symdiff.autodiff.bodies import Replaced, dependents
from symdiff.autodiff.custom import pull_custom, without_rule
from symdiff.autodiff.scan_reverse import pull_scan
from symdiff.ir import ITEM, Graph, Value
from symdiff.ops import (
    Masked,
    add,
    and_,
    broadcast,
    concatenate,
    custom,
    embed,
    like,
    or_,
    reduce_sum,
    reshape,
    scan,
    transpose,
    where,
)

Watch = Callable[[Value, int, Masked], None]
"""Told of every value, the position of an operand, and what is passed back to that operand."""


def backpropagate(
    graph: Graph,
    outputs: Sequence[Value],
    cotangents: Sequence[Value],
    wrt: Sequence[Value],
    replaced: Replaced,
    watch: Watch | None = None,
) -> list[Value]:
    """The cotangent of each value in `wrt`, given those of `outputs`, built in `graph`.

    A value that the outputs do not depend on gets zero. What goes into `replaced` is to be put in
    its place (`settled`) when the function is complete.

    Raises:
        DifferentiationError: an operation on the way has no derivative rule.
    """
    active = dependents(graph, wrt)
    pending: dict[Value, Masked] = {}
    elements: dict[Value, dict[int, Value]] = {}  # cotangents of those of tuple values
    for output, bar in zip(outputs, cotangents, strict=True):
        if output in active:
            _accumulate(pending, output, Masked(bar, None))
    stop = min((v.index for v in wrt), default=0)
    top = max((v.index for v in pending), default=-1)
    done: dict[Value, Masked] = {}
    for index in range(top, stop - 1, -1):
        value = graph.values[index]
        if value in elements:
            _pull_elements(graph, value, elements.pop(value), active, pending, replaced, watch)
        bar = pending.pop(value, None)
        if bar is None:
            continue
        done[value] = bar
        if value.op is ITEM:
            elements.setdefault(value.args[0], {})[value.attr("index")] = selected(bar)
        elif value.args:
            _pull(graph, value, bar, active, pending, watch)
    graph.location = None
    return [selected(done[v]) if v in done else like(v, 0.0) for v in wrt]


# What is pulled back through these are the elements of the cotangent at other places, copied or
# left out, so that a mask goes the same way; elsewhere than in elementwise operations and these it
# is applied, before elements with and without it are added.
_MOVES: Final = frozenset((concatenate, embed, reduce_sum, reshape, transpose))


def _pull(
    graph: Graph,
    value: Value,
    bar: Masked,
    active: set[Value],
    pending: dict[Value, Masked],
    watch: Watch | None,
) -> None:
    """Pass the cotangent of `value` on to those operands that matter."""
    graph.location = value.location
    moves = value.op in _MOVES
    below: Value | None = None
    if bar.mask is not None and not moves and not value.op.elementwise:
        below = _mask_of_copies(value, bar.mask)
        bar = Masked(selected(bar), None)
    for i, arg in enumerate(value.args):
        if arg not in active:
            continue
        if value.op.vjp is None:
            raise without_rule(value, "reverse")
        share = value.op.vjp(i, bar.value, value, value.args)
        if share is None:
            continue
        if not isinstance(share, Masked):
            share = Masked(share, None)
        mask = below or bar.mask
        if mask is not None or share.mask is not None:
            if moves and mask is not None:
                mask = value.op.vjp(i, mask, value, value.args)
            share = Masked(share.value, _both(mask, share.mask))
        if watch is not None:
            watch(value, i, share)
        _accumulate(pending, arg, share)


def _mask_of_copies(value: Value, mask: Value) -> Value | None:
    """The mask of the operand of a broadcast, if all copies of an element have the same one."""
    same = value.op is broadcast and mask.op is broadcast
    if same and mask.args[0].type.shape == value.args[0].type.shape:
        return mask.args[0]
    return None


def _pull_elements(
    graph: Graph,
    value: Value,
    bars: dict[int, Value],
    active: set[Value],
    pending: dict[Value, Masked],
    replaced: Replaced,
    watch: Watch | None,
) -> None:
    """Pass the cotangents of the elements of `value` on to those operands that matter."""
    graph.location = value.location
    wanted = [i for i, arg in enumerate(value.args) if arg in active]
    if value.op is scan:
        shares = pull_scan(graph, value, bars, wanted, replaced, backpropagate)
    elif value.op is custom:
        shares = pull_custom(value, bars, wanted, replaced, backpropagate)
    else:
        raise without_rule(value, "reverse")
    for i, share in shares.items():
        if watch is not None:
            watch(value, i, Masked(share, None))
        _accumulate(pending, value.args[i], Masked(share, None))


def _accumulate(pending: dict[Value, Masked], value: Value, share: Masked) -> None:
    # Sum cotangents in operand order: float addition does not associate,
    # and kernels must be reproducible from one run to the next.
    held = pending.get(value)
    if held is None:
        pending[value] = share
    elif held.mask is share.mask:
        pending[value] = Masked(add(held.value, share.value), held.mask)
    else:
        total = add(selected(held), selected(share))
        either = held.mask and share.mask and or_(held.mask, share.mask)
        pending[value] = Masked(total, either)


def _both(first: Value | None, second: Value | None) -> Value | None:
    first, second = _needed(first), _needed(second)
    if first is None or second is None or first is second:
        return first or second
    return and_(first, second)


def _needed(mask: Value | None) -> Value | None:
    """A mask, or None where it holds everywhere."""
    everywhere = mask is not None and mask.literal is not None and mask.literal.scalar
    return None if everywhere else mask


def selected(bar: Masked) -> Value:
    """The cotangent with its mask applied: zero where it does not count."""
    return bar.value if bar.mask is None else where(bar.mask, bar.value, like(bar.value, 0.0))
