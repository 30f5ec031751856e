"""Sums over the steps of a loop: what is added up in it, and what by one operation after it.

The cotangent of a value that all steps read is a sum over steps. A step's share is often a
contraction, such as the outer product of a weight's gradient, or an element put at its place in
an array of zeros. To add these up step by step would touch the whole array in every step; they
are done at once instead, on the operands of all steps, after the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from symdiff.ir import Attrs, Op, Value
from symdiff.ops import (
    add,
    broadcast,
    contract,
    embed,
    mul,
    neg,
    reduce_sum,
    reshape,
    scatter_add,
    sub,
    transpose,
)

_MOST: Final = 64  # a cotangent of more terms than this is added up as it is
_LABELS: Final = "tTsSuUvVwWxXyYzZabcdefghijklmnopqrABCDEFGHIJKLMNOPQR"


class _Linear(NamedTuple):
    """A linear operation of one operand, which stands where `args` has None."""

    op: Op
    args: tuple[Value | None, ...]
    attrs: Attrs


class _Share(NamedTuple):
    """One term of a cotangent: linear operations, the last one first, on `core`."""

    after: tuple[_Linear, ...]
    negative: bool
    core: Value


class Sums:
    """Sums over the steps of a loop.

    Attributes:
        terms: values of a step that are added up in carries of the loop.
        handed: values of a step that the loop hands out for all steps.
        borrowed: values of a step of the first loop that are needed for all steps.
    """

    def __init__(
        self,
        backward: set[Value],
        invariant: Callable[[Value], bool],
        is_stream: Callable[[Value], bool],
        at_once: bool,
    ) -> None:
        self.terms: list[Value] = []
        self.handed: list[Value] = []
        self.borrowed: list[Value] = []
        self._backward = backward
        self._invariant = invariant
        self._is_stream = is_stream
        self._at_once = at_once
        self._plans: dict[int, list[tuple[_Share, int | None]]] = {}

    def plan(self, bars: Mapping[int, Value]) -> None:
        """Take up the sums of `bars` over all steps, to be called by their keys."""
        kept: dict[int, list[_Share]] = {}
        for key, bar in bars.items():
            self._plans[key] = []
            kept[key] = []
            for share in self._shares(bar):
                if self._is_done_at_once(share.core):
                    self._hand_out(share.core)
                    self._plans[key].append((share, None))
                else:
                    kept[key].append(share)
        for key, shares in kept.items():
            self._add_up(self._plans[key], shares, bars[key])

    def _add_up(
        self, plans: list[tuple[_Share, int | None]], shares: Sequence[_Share], bar: Value
    ) -> None:
        """Plan the sum of `shares`, which are all of `bar` unless there are plans already."""
        if shares and not plans:
            if bar in self.handed:  # for another sum: all steps are at hand
                plans.append((_Share((), False, bar), None))
                return
            if not any(s.after for s in shares):
                shares = [_Share((), False, bar)]
        groups: dict[tuple[_Linear, ...], Value] = {}
        for share in shares:
            core = neg(share.core) if share.negative else share.core
            held = groups.get(share.after)
            groups[share.after] = core if held is None else add(held, core)
        for after, core in groups.items():
            plans.append((_Share(after, False, core), len(self.terms)))
            self.terms.append(core)

    def total(
        self,
        key: int,
        totals: Sequence[Value],
        streams: Mapping[Value, Value],
        outside: Callable[[Value], Value],
        length: int,
    ) -> Value | None:
        """The sum called `key`, None if nothing is added.

        `totals` are the final values of the carries, `streams` the values of all steps, and
        `outside(v)` is a value that is the same in all of them.
        """
        groups: dict[tuple[_Linear, ...], Value] = {}
        for share, place in self._plans[key]:
            if place is not None:
                part = totals[place]
            elif share.core in streams:
                part = reduce_sum(streams[share.core], shape=share.core.type.shape)
            elif share.core.op is contract:
                part = _contracted(share.core, streams)
            else:
                part = _scattered(share.core, streams, outside, length)
            held = groups.get(share.after)
            if held is not None:
                groups[share.after] = sub(held, part) if share.negative else add(held, part)
            else:
                groups[share.after] = neg(part) if share.negative else part
        result: Value | None = None
        for after, part in groups.items():
            for linear in reversed(after):
                args = tuple([part if a is None else outside(a) for a in linear.args])
                part = part.graph.add(linear.op, args, linear.attrs)
            result = part if result is None else add(result, part)
        return result

    def _shares(self, bar: Value) -> list[_Share]:
        """The terms of `bar`, in order."""
        found: list[_Share] = []
        stack = [_Share((), False, bar)]
        while stack:
            share = stack.pop()
            after, negative, value = share
            if value.literal is not None and value.literal.scalar == 0.0:
                continue
            if value.op is add or value.op is sub:
                x, y = value.args
                stack.append(_Share(after, negative is not (value.op is sub), y))
                stack.append(_Share(after, negative, x))
            elif value.op is neg:
                stack.append(_Share(after, not negative, value.args[0]))
            elif (operand := self._operand(value)) is not None:
                args = tuple([None if a is operand else a for a in value.args])
                linear = _Linear(value.op, args, value.attrs)
                stack.append(_Share((*after, linear), negative, operand))
            else:
                found.append(share)
            if len(found) + len(stack) > _MOST:
                return [_Share((), False, bar)]
        return found

    def _operand(self, value: Value) -> Value | None:
        """The operand of an operation that is as well applied to the sum over steps, or None."""
        if value.op not in (transpose, reshape, embed, mul, contract, scatter_add):
            return None
        varying = [a for a in value.args if not self._invariant(a)]
        if len(varying) != 1 or varying[0] not in self._backward:
            return None
        return varying[0] if varying[0].type.size <= value.type.size else None

    def _is_done_at_once(self, core: Value) -> bool:
        if not self._at_once or core.op not in (contract, scatter_add):
            return False
        varying = self._varying(core)
        if core.op is contract and len(varying) < len(set(core.args)):
            return False
        new = [v for v in varying if not self._is_stream(v) and v not in self.handed]
        return sum(v.type.size for v in new) <= core.type.size

    def _varying(self, core: Value) -> list[Value]:
        return [a for a in dict.fromkeys(core.args) if not self._invariant(a)]

    def _hand_out(self, core: Value) -> None:
        for value in self._varying(core):
            source = self.borrowed if self._is_stream(value) else self.handed
            if value not in source:
                source.append(value)


def _contracted(core: Value, streams: Mapping[Value, Value]) -> Value:
    """The sum of a contraction over all steps: the step is one more label to sum over."""
    spec: str = core.attr("spec")
    step = next(label for label in _LABELS if label not in spec)
    left, _, right = spec.partition(",")
    x, y = core.args
    return contract(streams[x], streams[y], spec=f"{step}{left},{step}{right}")


def _scattered(
    core: Value,
    streams: Mapping[Value, Value],
    outside: Callable[[Value], Value],
    length: int,
) -> Value:
    """The sum of a scatter_add over all steps, which the steps' elements make up together."""
    axis: int = core.attr("axis")
    x, *indices = core.args
    places = [
        streams[i] if i in streams else broadcast(outside(i), shape=(length, *i.type.shape))
        for i in indices
    ]
    elements = streams[x]
    if axis:
        order = (*range(1, axis + 1), 0, *range(axis + 1, len(elements.type.shape)))
        elements = transpose(elements, axes=order)
    return scatter_add(elements, *places, axis=axis, shape=core.attr("shape"))
