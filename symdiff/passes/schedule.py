"""The order of evaluation: values close to their users, so that few are alive at a time."""

from __future__ import annotations

from symdiff.ir import Function, Graph, Value, Visit, copy_params
from symdiff.passes.loops import inside
from symdiff.passes.sincos import PAIRED, pairing


@inside
def schedule(fn: Function) -> Function:
    """`fn` with its values in an order that keeps live ranges short.

    Depth first from each output in turn, the operand that needs more registers before the other
    (Sethi and Ullman 1970, taken as a heuristic on shared graphs). Constants and parameters cost
    nothing.
    """
    return _scheduled(fn, None)


@inside
def pair_and_schedule(fn: Function) -> Function:
    """What `schedule` makes of `pair_sincos(fn)`, in one copy instead of two.

    A sincos has the one operand of its elements and needs as many registers as they do, so it does
    not change the order of anything else: it comes right before the first of its elements.
    """
    return _scheduled(fn, pairing(fn))


def _scheduled(fn: Function, visit: Visit | None) -> Function:
    """`fn` in order; `visit` sees the values of `PAIRED` while they are copied."""
    need = _register_need(fn)
    done = bytearray(len(need))
    order: list[Value] = []
    for param in fn.params:
        done[param.index] = 1
    for output in fn.outputs:
        stack = [output]
        while stack:
            value = stack[-1]
            if done[value.index]:
                stack.pop()
                continue
            args = value.args
            if len(args) == 2:  # the common case, written out
                x, y = args
                if done[x.index]:
                    waiting = () if done[y.index] else (y,)
                elif done[y.index]:
                    waiting = (x,)
                else:
                    waiting = (x, y) if need[x.index] < need[y.index] else (y, x)
            else:
                # The last one pushed is evaluated first; ties keep the order of the operands.
                waiting = [a for a in reversed(args) if not done[a.index]]
                if len(waiting) > 1:
                    waiting.sort(key=lambda a: need[a.index])
            if waiting:
                stack += waiting
            else:
                stack.pop()
                done[value.index] = 1
                order.append(value)
    graph = Graph()
    known = copy_params(graph, fn)
    params = tuple(known.values())
    graph.take(order, known, visit, PAIRED)
    made = Function(fn.name, params, tuple([known[v] for v in fn.outputs]), fn.result)
    # All that is in the new graph is needed, except for parameters that were not before.
    used = set(fn.live())
    computed = graph.values[len(params) :]
    return made.knowing_live([*(known[p] for p in fn.params if p in used), *computed])


def _register_need(fn: Function) -> list[int]:
    """The Sethi-Ullman number of each live value, by its index: the registers to evaluate it."""
    values = fn.live()
    need = [0] * (len(fn.graph.values))
    for value in values:
        args = value.args
        if len(args) == 2 and args[0] is not args[1]:
            n, m = need[args[0].index], need[args[1].index]
            need[value.index] = max(1, n, m) if n != m else n + 1
        elif len(args) <= 2:
            need[value.index] = max(1, need[args[0].index]) if args else 0
        else:
            needs = sorted([need[a.index] for a in set(args)], reverse=True)
            need[value.index] = max(1, *[n + i for i, n in enumerate(needs)])
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
