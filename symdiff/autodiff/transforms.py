"""Functions to functions: gradients, Jacobians, Hessians and the two products.

Every transformation copies its argument into a graph of its own and adds the derivatives there,
so that interning shares what value and derivative have in common. `rule` simplifies derivatives
while they are built (see `ir.Graph`); the function itself is copied as it is, since powers and the
like are to be differentiated before they are taken apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.autodiff.forward import push_forward
from symdiff.autodiff.reverse import backpropagate
from symdiff.errors import DifferentiationError
from symdiff.ir import Branch, Function, Graph, Leaf, Rule, Tree, Value, copy_into, leaves
from symdiff.ops import like


def gradient(
    fn: Function,
    wrt: Sequence[int],
    bare: bool,
    with_value: bool = False,
    rule: Rule | None = None,
) -> Function:
    """The gradient of a scalar function with respect to the parameters at positions `wrt`.

    Raises:
        DifferentiationError: `fn` does not have one real scalar output.
    """
    if len(fn.outputs) != 1:
        raise DifferentiationError(
            f"grad needs one output, {fn.name} has {len(fn.outputs)}; use jacobian"
        )
    _require_real(fn, wrt)
    graph, params, outputs = _copy(fn, rule)
    chosen = [params[i] for i in wrt]
    bars = backpropagate(graph, outputs, [like(outputs[0], 1.0)], chosen)
    tree = _per_parameter(fn, wrt, bare, "Gradient", "d")
    if with_value:
        whole = Branch((fn.result, tree))
        return Function(f"{fn.name}_value_and_grad", params, (*outputs, *bars), whole)
    return Function(f"{fn.name}_grad", params, tuple(bars), tree)


def vjp(fn: Function, wrt: Sequence[int], bare: bool, rule: Rule | None = None) -> Function:
    """Value and vector-Jacobian product; after the parameters come the outputs' cotangents."""
    _require_real(fn, wrt)
    graph, params, outputs = _copy(fn, rule)
    names = [f"{leaf.name}_bar" for leaf in leaves(fn.result)]
    seeds = _more_params(graph, params, names, outputs)
    bars = backpropagate(graph, outputs, seeds, [params[i] for i in wrt])
    tree = Branch((fn.result, _per_parameter(fn, wrt, bare, "Gradient", "d")))
    return Function(f"{fn.name}_vjp", (*params, *seeds), (*outputs, *bars), tree)


def jvp(fn: Function, wrt: Sequence[int], rule: Rule | None = None) -> Function:
    """Value and Jacobian-vector product; after the parameters come their tangents."""
    _require_real(fn, wrt)
    graph, params, outputs = _copy(fn, rule)
    chosen = [params[i] for i in wrt]
    seeds = _more_params(graph, params, [f"d_{p.attr('name')}" for p in chosen], chosen)
    tangents = push_forward(graph, outputs, dict(zip(chosen, seeds, strict=True)))
    tree = Branch((fn.result, _renamed(fn.result, "d")))
    return Function(f"{fn.name}_jvp", (*params, *seeds), (*outputs, *tangents), tree)


def hvp(fn: Function, wrt: Sequence[int], bare: bool, rule: Rule | None = None) -> Function:
    """Hessian-vector product, forward over reverse; after the parameters comes the vector."""
    grad = gradient(fn, wrt, bare, rule=rule)
    graph, params, outputs = _copy(grad, rule)
    chosen = [params[i] for i in wrt]
    seeds = _more_params(graph, params, [f"v_{p.attr('name')}" for p in chosen], chosen)
    products = push_forward(graph, outputs, dict(zip(chosen, seeds, strict=True)))
    tree = _per_parameter(fn, wrt, bare, "HessianProduct", "hv")
    return Function(f"{fn.name}_hvp", (*params, *seeds), tuple(products), tree)


def jacobian(
    fn: Function,
    wrt: Sequence[int],
    bare: bool,
    mode: str,
    with_value: bool = False,
    rule: Rule | None = None,
) -> Function:
    """The derivative of every output with respect to every chosen parameter.

    `mode` is "reverse" (a sweep per output), "forward" (one per parameter) or "auto" (fewer).
    """
    _require_real(fn, wrt)
    graph, params, outputs = _copy(fn, rule)
    chosen = [params[i] for i in wrt]
    if mode == "auto":
        mode = "forward" if len(chosen) < len(outputs) else "reverse"
    if mode == "reverse":
        rows = [backpropagate(graph, [o], [like(o, 1.0)], chosen) for o in outputs]
    else:
        columns = [push_forward(graph, outputs, {c: like(c, 1.0)}) for c in chosen]
        rows = [list(row) for row in zip(*columns, strict=True)]
    many = len(outputs) > 1
    subtrees = iter(
        _per_parameter(fn, wrt, bare, "Gradient", f"d_{leaf.name}" if many else "d")
        for leaf in leaves(fn.result)
    )
    tree = _graft(fn.result, list(subtrees))
    entries = tuple(entry for row in rows for entry in row)
    if with_value:
        whole = Branch((fn.result, tree))
        return Function(f"{fn.name}_value_and_jacobian", params, (*outputs, *entries), whole)
    return Function(f"{fn.name}_jacobian", params, entries, tree)


def hessian(
    fn: Function, wrt: Sequence[int], bare: bool, mode: str, rule: Rule | None = None
) -> Function:
    """The second derivatives of a scalar function; by default forward over reverse.

    Only one triangle is computed; the other one is the same values, so it is exactly symmetric.
    """
    grad = gradient(fn, wrt, bare, rule=rule)
    graph, params, rows = _copy(grad, rule)
    chosen = [params[i] for i in wrt]
    n = len(chosen)
    entry: dict[tuple[int, int], Value] = {}
    for i in range(n):
        if mode == "reverse":
            upper = backpropagate(graph, [rows[i]], [like(rows[i], 1.0)], chosen[i:])
        else:
            upper = push_forward(graph, rows[i:], {chosen[i]: like(chosen[i], 1.0)})
        for j, second in enumerate(upper, i):
            entry[i, j] = entry[j, i] = second
    outputs = tuple(entry[i, j] for i in range(n) for j in range(n))
    every = fn.param_names
    inner = [_per_parameter(fn, wrt, bare, "Gradient", f"d2_{every[i]}") for i in wrt]
    names = tuple(every[i] for i in wrt)
    tree = inner[0] if bare else Branch(tuple(inner), names, "Hessian")
    return Function(f"{fn.name}_hessian", params, outputs, tree)


def _copy(fn: Function, rule: Rule | None) -> tuple[Graph, tuple[Value, ...], tuple[Value, ...]]:
    """Graph, parameters and outputs of a copy of `fn`, to which derivatives can be added."""
    graph = Graph()
    known = {p: graph.add(p.op, (), p.attrs) for p in fn.params}
    params = tuple(known.values())
    outputs = copy_into(graph, fn.outputs, known)
    graph.rule = rule
    return graph, params, outputs


def _require_real(fn: Function, wrt: Sequence[int]) -> None:
    for value in (*fn.outputs, *(fn.params[i] for i in wrt)):
        if value.type.dtype.kind != "f":
            raise DifferentiationError(
                f"{fn.name}: cannot differentiate a {value.type} value; only floating-point ones"
            )


def _more_params(
    graph: Graph, params: tuple[Value, ...], names: Sequence[str], models: Sequence[Value]
) -> list[Value]:
    """New parameters typed like `models`; a name that is taken gets underscores."""
    taken = {p.attr("name") for p in params}
    added: list[Value] = []
    for name, model in zip(names, models, strict=True):
        while name in taken:
            name += "_"
        taken.add(name)
        added.append(graph.param(name, model.type))
    return added


def _per_parameter(fn: Function, wrt: Sequence[int], bare: bool, label: str, prefix: str) -> Tree:
    """A bare leaf for one parameter, a named tuple over several."""
    every = fn.param_names
    names = [every[i] for i in wrt]
    children = tuple(Leaf(f"{prefix}_{name}") for name in names)
    return children[0] if bare else Branch(children, tuple(names), label)


def _renamed(tree: Tree, prefix: str) -> Tree:
    return _graft(tree, [Leaf(f"{prefix}_{leaf.name}") for leaf in leaves(tree)])


def _graft(tree: Tree, subtrees: list[Tree]) -> Tree:
    """`tree` with its leaves replaced, left to right, by `subtrees` (which is emptied)."""
    if isinstance(tree, Leaf):
        return subtrees.pop(0)
    return Branch(tuple(_graft(c, subtrees) for c in tree.children), tree.fields, tree.label)
