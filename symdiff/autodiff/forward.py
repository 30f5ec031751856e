"""Forward mode: tangents from the parameters to the outputs, operation by operation.

Griewank and Walther, "Evaluating Derivatives" (2008), chapter 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symdiff.autodiff.bodies import carries_derivative
from symdiff.autodiff.custom import push_custom, without_rule
from symdiff.autodiff.scan_forward import push_scan
from symdiff.ir import ITEM, Graph, Value, live
from symdiff.ops import custom, like, scan


def push_forward(
    graph: Graph, outputs: Sequence[Value], tangents: Mapping[Value, Value]
) -> tuple[list[Value], list[Value]]:
    """The outputs and the tangent of each, given those of some values, built in `graph`.

    The outputs are handed back because loops are run once for value and tangent: what depends
    on a loop is built again on the results of the loop that computes both.

    Raises:
        DifferentiationError: an operation on the way has no derivative rule.
    """
    found, pushed = push(graph, outputs, tangents)
    return found, [like(v, 0.0) if t is None else t for v, t in zip(found, pushed, strict=True)]


def push(
    graph: Graph, outputs: Sequence[Value], tangents: Mapping[Value, Value]
) -> tuple[list[Value], list[Value | None]]:
    """As `push_forward`; None stands for a tangent that is zero."""
    known: dict[Value, Value | None] = dict(tangents)
    moved: dict[Value, Value] = {}  # values that are computed together with their tangents
    bundles: dict[Value, tuple[list[Value], list[Value | None]]] = {}
    for value in live(outputs):
        if value in known or not value.args:
            continue
        graph.location = value.location
        if value.op is ITEM and value.args[0] in bundles:
            results, pushed = bundles[value.args[0]]
            index = value.attr("index")
            moved[value], known[value] = results[index], pushed[index]
            continue
        args = tuple([moved.get(a, a) for a in value.args])
        again = value if args == value.args else _again(graph, value, args)
        if again is not value:
            moved[value] = again
        incoming = tuple([known.get(a) for a in value.args])
        if all(t is None for t in incoming) or not carries_derivative(value):
            continue
        if value.op is scan:
            bundles[value] = push_scan(graph, value, args, incoming, push)
        elif value.op is custom:
            bundles[value] = push_custom(value, args, incoming)
        elif value.op.jvp is None:
            raise without_rule(value, "forward")
        else:
            known[value] = value.op.jvp(incoming, again, args)
    graph.location = None
    return [moved.get(v, v) for v in outputs], [known.get(v) for v in outputs]


def _again(graph: Graph, value: Value, args: tuple[Value, ...]) -> Value:
    """`value` with other operands, and else as it is: derivatives come before simplification."""
    rule, graph.rule = graph.rule, None
    made = graph.add(value.op, args, value.attrs, value.type)
    graph.rule = rule
    return made
