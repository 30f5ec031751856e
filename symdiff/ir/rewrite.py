"""The one walker that copies and rewrites functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from symdiff.ir.graph import Function, Graph, Rule, Value, Visit, live
from symdiff.ir.op import Op


def copy_params(graph: Graph, fn: Function) -> dict[Value, Value]:
    """The parameters of `fn`, each with its copy in `graph`, in order."""
    copies: dict[Value, Value] = {}
    for param in fn.params:
        graph.location = param.location
        copies[param] = graph.add(param.op, (), param.attrs)
    graph.location = None
    return copies


def copy_into(
    graph: Graph,
    outputs: Iterable[Value],
    known: dict[Value, Value],
    visit: Visit | None = None,
    ops: Collection[Op] | None = None,
) -> tuple[Value, ...]:
    """Copies of `outputs` in `graph`; values in `known` are replaced by what they map to.

    `visit(value, args)`, where given, sees each value with its operands already copied and may
    return what takes its place; with `ops`, only the values of these operations. `known` grows by
    every value copied.
    """
    outputs = tuple(outputs)
    _copy(graph, live(outputs), known, visit, ops)
    return tuple([known[v] for v in outputs])


def _copy(
    graph: Graph,
    values: Iterable[Value],
    known: dict[Value, Value],
    visit: Visit | None,
    ops: Collection[Op] | None,
) -> None:
    if graph.rule is None:
        graph.take(values, known, visit, ops)
        return
    for value in values:
        if value not in known:
            graph.location = value.location
            args = tuple([known[a] for a in value.args])
            copy = visit(value, args) if visit and (ops is None or value.op in ops) else None
            known[value] = copy or graph.add(value.op, args, value.attrs, value.type)
    graph.location = None


def rewrite(
    fn: Function,
    rule: Rule | None = None,
    visit: Visit | None = None,
    ops: Collection[Op] | None = None,
) -> Function:
    """`fn` rebuilt in a graph of its own, operands first; dead values go, parameters stay.

    `rule(op, args, attrs)` is applied to every operation before it is added, those that the rule
    itself builds included, so a chain of simplifications is done in one walk. `visit` is for
    decisions that need the value of the old graph, `ops` says which (see `copy_into`). Both return
    None to leave things as they are.
    """
    graph = Graph(rule)
    known = copy_params(graph, fn)
    params = tuple(known.values())
    _copy(graph, fn.live(), known, visit, ops)
    return Function(fn.name, params, tuple([known[v] for v in fn.outputs]), fn.result)
