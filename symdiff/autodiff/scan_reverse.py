"""Loops in reverse mode: a loop that runs the other way over what the first one has kept.

The body and its reverse are written as one graph first, the joint body, which is then cut in two:
what does not depend on cotangents belongs to the first loop. The second one recomputes cheap
values; the carries that a step began with and the results of expensive operations are handed out
by the first loop, and read by the second (Griewank and Walther, "Evaluating Derivatives" (2008),
chapters 4 and 12).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from symdiff.autodiff.bodies import Replaced, active_params, dependents, latest, settled
from symdiff.autodiff.scan_sums import Sums
from symdiff.ir import CONST, PARAM, Graph, TupleType, Value, copy_into, live
from symdiff.ops import add, gather
from symdiff.ops.bodies import Body, Loop, extract, item, items, reached

Backpropagate = Callable[
    [Graph, Sequence[Value], Sequence[Value], Sequence[Value], Replaced], list[Value]
]

# What a step computes again rather than read it from memory.
CHEAP: Final = frozenset(
    {
        "neg", "add", "sub", "mul", "fma", "abs", "sign", "copysign", "min", "max", "convert",
        "lt", "le", "eq", "ne", "and", "or", "not", "where", "stop_gradient",
        "floor", "ceil", "trunc", "round",
        "const", "iota", "broadcast", "reshape", "transpose", "slice", "embed", "concatenate",
    }
)  # fmt: skip


def pull_scan(
    graph: Graph,
    value: Value,
    bars: Mapping[int, Value],
    wanted: Sequence[int],
    replaced: Replaced,
    backpropagate: Backpropagate,
) -> dict[int, Value]:
    """The cotangents of the `wanted` operands of the loop `value`, given those of its results.

    An operand that the results do not depend on has none. The loop gets more outputs, which is
    noted in `replaced`. `backpropagate` is reverse mode itself, for the body.
    """
    value = latest(replaced, value)
    loop = Loop.of(value)
    joint = _Joint(loop, bars, wanted, backpropagate, graph)
    reverse = _Reverse(graph, value, loop, joint, bars)
    if reverse.kept:
        replaced[value] = reverse.first
    found = reverse.cotangents(bars)
    return {i: found[i] for i in wanted if i in found}


class _Joint:
    """A body and its reverse in one graph.

    Attributes:
        params, outputs: those of the body.
        carrying: the carries that have a cotangent, by position.
        bars: the parameters that stand for the cotangents of the outputs in `carrying` and of
            the per-step outputs that have one, by position.
        found: the cotangents of the parameters that are wanted, by position.
        backward: the values that depend on `bars`.
        invariant: tells whether a value is the same in all steps.
    """

    def __init__(
        self,
        loop: Loop,
        bars: Mapping[int, Value],
        wanted: Sequence[int],
        backpropagate: Backpropagate,
        graph: Graph,
    ) -> None:
        body = loop.body
        self.carrying = carrying = _carrying(loop, bars, wanted)
        targets = [*carrying, *(i for i in wanted if i >= loop.carries)]
        seeded = [*carrying, *(k for k in sorted(bars) if k >= loop.carries)]
        made = Body()
        params = [made.like(p) for p in body.params]
        outputs = copy_into(made.graph, body.outputs, dict(zip(body.params, params, strict=True)))
        seeds = [
            made.like(params[k], suffix="_bar")
            if k < loop.carries
            else made.param(f"y{k - loop.carries}_bar", outputs[k].type)
            for k in seeded
        ]
        made.graph.rule = graph.rule
        inner: Replaced = {}
        chosen = [outputs[k] for k in seeded]
        roots = [params[i] for i in targets]
        found = backpropagate(made.graph, chosen, seeds, roots, inner)
        fn = settled(made.function(body.name, [*outputs, *found]), inner)

        count = len(outputs)
        self.params = fn.params[: len(params)]
        self.outputs = fn.outputs[:count]
        self.bars = dict(zip(seeded, fn.params[len(params) :], strict=True))
        self.found = dict(zip(targets, fn.outputs[count:], strict=True))
        self.backward = reached(fn.graph, self.bars.values())
        self._varying = reached(fn.graph, self.params[: loop.carries + loop.inputs])

    def invariant(self, value: Value) -> bool:
        return value not in self._varying and value not in self.backward


def _carrying(loop: Loop, bars: Mapping[int, Value], wanted: Sequence[int]) -> list[int]:
    """The carries that change with the wanted operands, and that results with a bar depend on."""
    body = loop.body
    active = active_params(loop, wanted)
    moving = dependents(body.graph, active)
    useful = set(bars)
    while True:
        needed = set(live([body.outputs[k] for k in useful if body.outputs[k] in moving]))
        more = {i for i in range(loop.carries) if body.params[i] in needed & active} - useful
        if not more:
            return sorted(i for i in useful if i < loop.carries and body.params[i] in active)
        useful |= more


class _Reverse:
    """The second loop while it is written, and the first with what it keeps for it.

    Attributes:
        first: the first loop, with more outputs.
        kept: whether it has any more.
    """

    def __init__(
        self, graph: Graph, value: Value, loop: Loop, joint: _Joint, bars: Mapping[int, Value]
    ) -> None:
        self._graph = graph
        self._loop = loop
        self._joint = joint
        self._args = value.args
        inputs = range(loop.carries, loop.carries + loop.inputs)
        self._streams = {joint.params[i]: value.args[i] for i in inputs}
        self._streams |= {p: bars[k] for k, p in joint.bars.items() if k >= loop.carries}
        carry_bars = [joint.found[i] for i in joint.carrying]
        step_bars = [joint.found[i] for i in joint.found if i in inputs]
        at_once = not loop.checkpoint
        self._sums = Sums(joint.backward, joint.invariant, self._is_stream, at_once)
        self._sums.plan({i: bar for i, bar in joint.found.items() if i >= inputs.stop})
        self._steps = [bar for bar in step_bars if not _is_zero(bar)]
        self._tails = [*carry_bars, *self._sums.terms]
        self._outputs = [*self._tails, *self._steps, *self._sums.handed]
        self._starts = self._cut()
        self._extend(value)

    def _is_stream(self, value: Value) -> bool:
        """Whether the values of all steps are at hand after the loop."""
        if value.op is PARAM:
            return value in self._streams or value in self._joint.params
        return self._is_given(value) and not self._joint.invariant(value)

    def _cut(self) -> list[Value]:
        """The values of the joint body that the second loop is given."""
        needed = set(self._outputs)
        starts: list[Value] = []
        for value in reversed(live(self._outputs)):
            if value not in needed:
                continue
            if value.op is PARAM or self._is_given(value):
                starts.append(value)
            else:
                needed.update(value.args)
        return starts[::-1]

    def _is_given(self, value: Value) -> bool:
        if value in self._joint.backward or not _is_expensive(value):
            return False
        return self._joint.invariant(value) or not self._loop.checkpoint

    def _extend(self, value: Value) -> None:
        """Let the first loop hand out what varies among the starts."""
        loop, joint = self._loop, self._joint
        outputs = list(joint.outputs)
        place = {v: k for k, v in reversed(list(enumerate(outputs))) if k >= loop.carries}
        count = len(outputs)
        bars = set(joint.bars.values())
        for start in dict.fromkeys([*self._starts, *self._sums.borrowed]):
            known = start in self._streams or start in bars or joint.invariant(start)
            if not known and start not in place:
                place[start] = len(outputs)
                outputs.append(start)
        self.kept = len(outputs) > count
        self.first = value
        if self.kept:
            body = Body()
            copies = {p: body.like(p) for p in joint.params}
            made = body.function(loop.body.name, extract(body.graph, outputs, copies))
            self.first = loop._replace(body=made).on(self._graph, self._args)
        streams = [v for v in (*self._starts, *self._sums.borrowed) if v in place]
        self._streams |= {v: item(self.first, place[v]) for v in streams}

    def cotangents(self, bars: Mapping[int, Value]) -> dict[int, Value]:
        """Build the second loop; the cotangents of the operands, by position."""
        loop, joint, graph = self._loop, self._joint, self._graph
        body = Body()
        known: dict[Value, Value] = {}
        operands: list[Value] = []
        for i in joint.carrying:
            known[joint.bars[i]] = body.like(joint.bars[i])
            zero = None if i in bars else graph.const(0.0, joint.bars[i].type)
            operands.append(zero or bars[i])
        totals = [body.param("total", t.type) for t in self._sums.terms]
        operands += [graph.const(0.0, t.type) for t in self._sums.terms]
        count = len(operands)
        for start in self._starts:
            if start in self._streams:
                known[start] = body.like(start)
                operands.append(self._streams[start])
        inputs = len(operands) - count
        for start in self._starts:
            if start not in known:
                known[start] = body.like(start)
                operands.append(self._outside(start))
        results = extract(body.graph, self._outputs, known)
        first = len(joint.carrying)
        for k, total in enumerate(totals, first):
            results[k] = add(total, results[k])
        fn = body.function(f"{loop.body.name}_vjp", results)
        back = loop._replace(body=fn, carries=count, inputs=inputs, reverse=not loop.reverse)
        found = items(back.on(graph, operands))
        return self._collected(found)

    def _collected(self, found: list[Value]) -> dict[int, Value]:
        """The cotangents, from the results of the second loop."""
        joint, loop = self._joint, self._loop
        given = dict(zip(self._outputs[len(self._tails) :], found[len(self._tails) :], strict=True))
        streams = {**given, **self._streams}
        after: dict[int, Value] = {}
        first = len(joint.carrying)
        for i, bar in joint.found.items():
            if i < loop.carries:
                after[i] = found[joint.carrying.index(i)]
            elif i < loop.carries + loop.inputs:
                if not _is_zero(bar):
                    after[i] = given[bar]
            else:
                total = self._sums.total(i, found[first:], streams, self._outside, loop.length)
                if total is not None:
                    after[i] = total
        return after

    def _outside(self, value: Value) -> Value:
        """A value that is the same in all steps, computed once, outside."""
        params = self._joint.params
        known = dict(zip(params, self._args, strict=True))
        return extract(self._graph, [value], known)[0]


def _is_expensive(value: Value) -> bool:
    if isinstance(cast("Any", value.type), TupleType):
        return False  # its elements are
    if value.op is gather:  # reading again is as cheap as reading what was read
        return value.type.size < value.args[0].type.size and value.args[0].op is not PARAM
    return value.op is not CONST and value.op.name not in CHEAP


def _is_zero(value: Value) -> bool:
    return value.literal is not None and value.literal.scalar == 0.0
