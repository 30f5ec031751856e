"""Loops in forward mode: one loop carries values and tangents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from symdiff.autodiff.bodies import active_params
from symdiff.ir import Graph, Value, copy_into
from symdiff.ops.bodies import Body, Loop, items

Push = Callable[
    [Graph, Sequence[Value], Mapping[Value, Value]], tuple[list[Value], list[Value | None]]
]


def push_scan(
    graph: Graph,
    value: Value,
    args: tuple[Value, ...],
    tangents: Sequence[Value | None],
    push: Push,
) -> tuple[list[Value], list[Value | None]]:
    """The results of the loop `value` on `args`, and their tangents (None where zero).

    A carry has a tangent where its start has one, or where a step gives it one. `push` is forward
    mode itself, for the body.
    """
    loop = Loop.of(value)
    body, carries, inputs = loop.body, loop.carries, loop.inputs
    active = active_params(loop, [i for i, t in enumerate(tangents) if t is not None])
    joint = Body()
    known: dict[Value, Value] = {}
    seeds: dict[Value, Value] = {}
    operands: list[Value] = []
    borders = (0, carries, carries + inputs, len(args))
    counts: list[int] = []
    for start, stop in pairwise(borders):
        group = range(start, stop)
        known |= {body.params[i]: joint.like(body.params[i]) for i in group}
        moving = [i for i in group if body.params[i] in active]
        for i in moving:
            param = body.params[i]
            seeds[known[param]] = joint.like(param, prefix="d_")
        operands += [args[i] for i in group]
        operands += [_tangent(graph, args[i], tangents[i]) for i in moving]
        counts.append(len(group) + len(moving))
    outputs = copy_into(joint.graph, body.outputs, known)
    joint.graph.rule = graph.rule
    results, pushed = push(joint.graph, outputs, seeds)

    moving = [i for i in range(carries) if body.params[i] in active]
    stepwise = range(carries, len(results))
    varying = [k for k in stepwise if pushed[k] is not None]
    tails = [_tangent(joint.graph, results[i], pushed[i]) for i in moving]
    steps = [t for t in pushed[carries:] if t is not None]
    fn = joint.function(
        f"{body.name}_jvp", [*results[:carries], *tails, *results[carries:], *steps]
    )
    both = loop._replace(body=fn, carries=counts[0], inputs=counts[1]).on(graph, operands)
    found = items(both)
    places = [*range(carries), *(counts[0] + k - carries for k in stepwise)]
    tangent_at = {i: carries + n for n, i in enumerate(moving)}
    tangent_at |= {k: counts[0] + len(stepwise) + n for n, k in enumerate(varying)}
    after = [found[tangent_at[k]] if k in tangent_at else None for k in range(len(results))]
    return [found[p] for p in places], after


def _tangent(graph: Graph, value: Value, tangent: Value | None) -> Value:
    return graph.const(0.0, value.type) if tangent is None else tangent
