"""Functions to functions: gradients, Jacobians, Hessians and the two products.

Every transformation copies its argument into a graph of its own and adds the derivatives there,
so that interning shares what value and derivative have in common. `rule` simplifies derivatives
while they are built (see `ir.Graph`); the function itself is copied as it is, since powers and the
like are to be differentiated before they are taken apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.autodiff.batching import spread, widened
from symdiff.autodiff.bodies import Replaced, settled
from symdiff.autodiff.forward import push_forward
from symdiff.autodiff.reverse import backpropagate
from symdiff.errors import DifferentiationError
from symdiff.ir import (
    Branch,
    Function,
    Graph,
    Leaf,
    Rule,
    Tree,
    Type,
    Value,
    copy_into,
    copy_params,
    i64,
    leaves,
)
from symdiff.ops import convert, eq, iota, like, reshape, transpose


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
    if fn.outputs[0].type.shape:
        raise DifferentiationError(
            f"grad needs a scalar output, {fn.name} gives {fn.outputs[0].type}; "
            "reduce it to one number, as by np.sum, or use jacobian"
        )
    _require_real(fn, wrt)
    graph, params, outputs = _copy(fn, rule)
    chosen = [params[i] for i in wrt]
    replaced: Replaced = {}
    bars = backpropagate(graph, outputs, [like(outputs[0], 1.0)], chosen, replaced)
    tree = _per_parameter(fn, wrt, bare, "Gradient", "d")
    if with_value:
        whole = Branch((fn.result, tree))
        both = Function(f"{fn.name}_value_and_grad", params, (*outputs, *bars), whole)
        return settled(both, replaced)
    return settled(Function(f"{fn.name}_grad", params, tuple(bars), tree), replaced)


def vjp(fn: Function, wrt: Sequence[int], bare: bool, rule: Rule | None = None) -> Function:
    """Value and vector-Jacobian product; after the parameters come the outputs' cotangents."""
    _require_real(fn, wrt)
    graph, params, outputs = _copy(fn, rule)
    names = [f"{leaf.name}_bar" for leaf in leaves(fn.result)]
    seeds = _more_params(graph, params, names, outputs)
    replaced: Replaced = {}
    bars = backpropagate(graph, outputs, seeds, [params[i] for i in wrt], replaced)
    tree = Branch((fn.result, _per_parameter(fn, wrt, bare, "Gradient", "d")))
    both = Function(f"{fn.name}_vjp", (*params, *seeds), (*outputs, *bars), tree)
    return settled(both, replaced)


def jvp(fn: Function, wrt: Sequence[int], rule: Rule | None = None) -> Function:
    """Value and Jacobian-vector product; after the parameters come their tangents."""
    _require_real(fn, wrt)
    graph, params, outputs = _copy(fn, rule)
    chosen = [params[i] for i in wrt]
    seeds = _more_params(graph, params, [f"d_{p.attr('name')}" for p in chosen], chosen)
    found, tangents = push_forward(graph, outputs, dict(zip(chosen, seeds, strict=True)))
    tree = Branch((fn.result, _renamed(fn.result, "d")))
    return Function(f"{fn.name}_jvp", (*params, *seeds), (*found, *tangents), tree)


def hvp(fn: Function, wrt: Sequence[int], bare: bool, rule: Rule | None = None) -> Function:
    """Hessian-vector product, forward over reverse; after the parameters comes the vector."""
    grad = gradient(fn, wrt, bare, rule=rule)
    graph, params, outputs = _copy(grad, rule)
    grad.graph.discard()
    chosen = [params[i] for i in wrt]
    seeds = _more_params(graph, params, [f"v_{p.attr('name')}" for p in chosen], chosen)
    _, products = push_forward(graph, outputs, dict(zip(chosen, seeds, strict=True)))
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

    The axes of an output come before those of the parameter. `mode` is "reverse" (a sweep per
    element of the outputs), "forward" (one per element of the parameters) or "auto" (fewer).
    """
    _require_real(fn, wrt)
    graph, params, outputs = _copy(fn, rule)
    chosen = [params[i] for i in wrt]
    if mode == "auto":
        fewer = sum(c.type.size for c in chosen) < sum(o.type.size for o in outputs)
        mode = "forward" if fewer else "reverse"
    replaced: Replaced = {}
    values = list(outputs)
    if mode == "reverse":
        rows = [_row(graph, params, o, chosen, replaced) for o in outputs]
    else:
        columns: list[list[Value]] = []
        for c in chosen:
            found, column = _column(graph, params, outputs, c)
            values = values if columns else found
            columns.append(column)
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
        both = Function(f"{fn.name}_value_and_jacobian", params, (*values, *entries), whole)
        return settled(both, replaced)
    return settled(Function(f"{fn.name}_jacobian", params, entries, tree), replaced)


def hessian(
    fn: Function, wrt: Sequence[int], bare: bool, mode: str, rule: Rule | None = None
) -> Function:
    """The second derivatives of a scalar function; by default forward over reverse.

    A block for two parameters is computed once; the other one of the two is its transpose, so for
    scalar parameters it is exactly symmetric.
    """
    grad = gradient(fn, wrt, bare, rule=rule)
    graph, params, rows = _copy(grad, rule)
    grad.graph.discard()
    chosen = [params[i] for i in wrt]
    n = len(chosen)
    entry: dict[tuple[int, int], Value] = {}
    replaced: Replaced = {}
    for i in range(n):
        if mode == "reverse":
            for j, block in enumerate(_row(graph, params, rows[i], chosen[i:], replaced), i):
                entry[j, i] = _swapped(block, chosen[i])
                entry[i, j] = block
        else:
            for j, block in enumerate(_column(graph, params, rows[i:], chosen[i])[1], i):
                entry[i, j] = _swapped(block, chosen[j])
                entry[j, i] = block
    outputs = tuple(entry[i, j] for i in range(n) for j in range(n))
    every = fn.param_names
    inner = [_per_parameter(fn, wrt, bare, "Gradient", f"d2_{every[i]}") for i in wrt]
    names = tuple(every[i] for i in wrt)
    tree = inner[0] if bare else Branch(tuple(inner), names, "Hessian")
    return settled(Function(f"{fn.name}_hessian", params, outputs, tree), replaced)


def _row(
    graph: Graph,
    params: tuple[Value, ...],
    output: Value,
    chosen: Sequence[Value],
    replaced: Replaced,
) -> list[Value]:
    """The derivatives of one output with respect to `chosen`, by reverse mode."""
    if not output.type.shape:
        return backpropagate(graph, [output], [like(output, 1.0)], chosen, replaced)
    (seed,) = _more_params(graph, params, ["seed"], [output])
    bars = backpropagate(graph, [output], [seed], chosen, replaced)
    size = output.type.size
    spreads = spread(graph, bars, {seed: (_identity(graph, output.type), True)}, size)
    return [
        _reshaped(widened(bar, has, size), (*output.type.shape, *c.type.shape))
        for (bar, has), c in zip(spreads, chosen, strict=True)
    ]


def _column(
    graph: Graph, params: tuple[Value, ...], outputs: Sequence[Value], chosen: Value
) -> tuple[list[Value], list[Value]]:
    """The outputs, and their derivatives with respect to `chosen`, by forward mode."""
    shape, size = chosen.type.shape, chosen.type.size
    if not shape:
        return push_forward(graph, outputs, {chosen: like(chosen, 1.0)})
    (seed,) = _more_params(graph, params, ["seed"], [chosen])
    found, tangents = push_forward(graph, outputs, {chosen: seed})
    known = {seed: (_identity(graph, chosen.type), True)}
    spreads = spread(graph, [*found, *tangents], known, size)
    values = [v for v, _ in spreads[: len(outputs)]]  # which do not depend on the seed
    column: list[Value] = []
    for output, (tangent, has) in zip(outputs, spreads[len(outputs) :], strict=True):
        block = _reshaped(widened(tangent, has, size), (*shape, *output.type.shape))
        column.append(_swapped(block, chosen))
    return values, column


def _identity(graph: Graph, type: Type) -> Value:
    """A tensor of `type` for each of its elements, which is 1 there and 0 elsewhere."""
    size = type.size
    square = (size, size)
    ones = eq(iota(graph, square, 0, i64), iota(graph, square, 1, i64))
    return _reshaped(convert(ones, dtype=type.dtype.name), (size, *type.shape))


def _reshaped(value: Value, shape: tuple[int, ...]) -> Value:
    return value if value.type.shape == shape else reshape(value, shape=shape)


def _swapped(block: Value, first: Value) -> Value:
    """`block` with the axes of `first`, with which it begins, behind the others."""
    count, rank = len(first.type.shape), len(block.type.shape)
    axes = (*range(count, rank), *range(count))
    return block if axes == tuple(range(rank)) else transpose(block, axes=axes)


def _copy(fn: Function, rule: Rule | None) -> tuple[Graph, tuple[Value, ...], tuple[Value, ...]]:
    """Graph, parameters and outputs of a copy of `fn`, to which derivatives can be added."""
    graph = Graph()
    known = copy_params(graph, fn)
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
    return tree.with_children([_graft(c, subtrees) for c in tree.children])
