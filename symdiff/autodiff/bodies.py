"""What runs through a loop, and what takes the place of values that derivatives compute too."""

from __future__ import annotations

from collections.abc import Iterable

from symdiff.ir import F64, ITEM, Function, Graph, Value, copy_params
from symdiff.ops import inline
from symdiff.ops.bodies import Loop, elements


def dependents(graph: Graph, roots: Iterable[Value]) -> set[Value]:
    """The values of `graph` through which a derivative with respect to `roots` runs."""
    found = set(roots)
    for value in graph.values[min((v.index for v in found), default=len(graph.values)) :]:
        if not found.isdisjoint(value.args) and carries_derivative(value):
            found.add(value)
    return found


def carries_derivative(value: Value) -> bool:
    """Whether a derivative can run through `value`: it has floating-point elements."""
    return value.type is F64 or any(t.dtype.kind == "f" for t in elements(value))


def active_params(loop: Loop, operands: Iterable[int]) -> set[Value]:
    """The parameters of the body that change when these operands of the loop do."""
    body = loop.body
    active = {body.params[i] for i in operands}
    while True:
        found = dependents(body.graph, active)
        fed = {body.params[i] for i in range(loop.carries) if body.outputs[i] in found}
        if fed <= active:
            return active
        active |= fed


# Values that a derivative has computed in another way, together with itself.

Replaced = dict[Value, "Value | Function"]
"""What takes the place of tuple values: a loop with more outputs after the old ones, or a function
of the same operands (and more) whose first outputs are the elements."""


def latest(replaced: Replaced, value: Value) -> Value:
    """The loop that has taken the place of `value`, or `value` itself."""
    while True:
        follower = replaced.get(value)
        if not isinstance(follower, Value):
            return value
        value = follower


def settled(fn: Function, replaced: Replaced) -> Function:
    """`fn` with the replacements made, so that value and derivative share one loop."""
    if not replaced:
        return fn
    graph = Graph()
    known = copy_params(graph, fn)
    params = tuple(known.values())
    results: dict[Value, tuple[Value, ...]] = {}
    for value in fn.live():
        if value in known:
            continue
        graph.location = value.location
        args = tuple([known[a] for a in value.args])
        follower = replaced.get(value)
        if value.op is ITEM and value.args[0] in results:
            known[value] = results[value.args[0]][value.attr("index")]
            continue
        if isinstance(follower, Function):
            first = follower.outputs[: len(elements(value))]
            part = Function(follower.name, follower.params[: len(args)], first)
            results[value] = inline(part, args)
        final = latest(replaced, value)
        known[value] = graph.add(value.op, args, final.attrs, final.type)
    graph.location = None
    return Function(fn.name, params, tuple(known[v] for v in fn.outputs), fn.result)
