"""The order of evaluation: values close to their users, so that few are alive at a time."""

from __future__ import annotations

from symdiff.ir import Function, Graph, Value
from symdiff.passes.loops import inside


@inside
def schedule(fn: Function) -> Function:
    """`fn` with its values in an order that keeps live ranges short.

    Depth first from each output in turn, the operand that needs more registers before the other
    (Sethi and Ullman 1970, taken as a heuristic on shared graphs). Constants and parameters cost
    nothing.
    """
    need = _register_need(fn.live())
    graph = Graph()
    known: dict[Value, Value] = {p: graph.add(p.op, (), p.attrs) for p in fn.params}
    params = tuple(known.values())
    for output in fn.outputs:
        stack = [output]
        while stack:
            value = stack[-1]
            if value in known:
                stack.pop()
                continue
            waiting = [a for a in value.args if a not in known]
            if waiting:
                # The last one pushed is evaluated first; ties keep the order of the operands.
                waiting.reverse()
                if len(waiting) > 1:
                    waiting.sort(key=need.__getitem__)
                stack += waiting
                continue
            stack.pop()
            graph.location = value.location
            args = tuple([known[a] for a in value.args])
            known[value] = graph.add(value.op, args, value.attrs, value.type)
    graph.location = None
    return Function(fn.name, params, tuple(known[v] for v in fn.outputs), fn.result)


def _register_need(values: list[Value]) -> dict[Value, int]:
    """The Sethi-Ullman number of each value: the registers that it takes to evaluate it."""
    need: dict[Value, int] = {}
    for value in values:
        if not value.args:
            need[value] = 0
            continue
        if len(value.args) == 1:
            need[value] = max(1, need[value.args[0]])
            continue
        needs = sorted([need[a] for a in set(value.args)], reverse=True)
        need[value] = max(1, *[n + i for i, n in enumerate(needs)])
    return need


def peak_live(fn: Function) -> int:
    """The largest number of computed values alive at one time, in the order of `fn`."""
    values = [v for v in fn.live() if v.args]
    last = {a: i for i, v in enumerate(values) for a in v.args}
    last.update((v, len(values)) for v in fn.outputs)
    alive, peak = 0, 0
    ends: dict[int, int] = {}
    for i, value in enumerate(values):
        alive += 1
        ends[last[value]] = ends.get(last[value], 0) + 1
        peak = max(peak, alive)
        alive -= ends.pop(i, 0)
    return peak
