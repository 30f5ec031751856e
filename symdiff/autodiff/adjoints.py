"""Everything that reverse mode finds on its way: the cotangent of every value, edge by edge."""

from __future__ import annotations

from dataclasses import dataclass

from symdiff.autodiff.bodies import Replaced, dependents, settled
from symdiff.autodiff.reverse import backpropagate, selected
from symdiff.ir import Function, Graph, Rule, TupleType, Value, copy_into, copy_params
from symdiff.ops import Masked
from symdiff.ops.bodies import flat_tree


@dataclass(frozen=True, slots=True)
class Adjoints:
    """A function with the cotangents of all its values.

    Attributes:
        function: the parameters, then a cotangent for each floating-point output of the original;
            its outputs are what the positions below refer to.
        values: where the values of the original are among the outputs; those of tuple type are
            not.
        cotangents: where the cotangents are of the values that the floating-point parameters
            have an influence on.
        shares: where that is which a value passes back to one of its operands, by its position.
    """

    function: Function
    values: dict[Value, int]
    cotangents: dict[Value, int]
    shares: dict[tuple[Value, int], int]


def real_outputs(fn: Function) -> list[Value]:
    """The outputs that have derivatives, in order."""
    return [o for o in fn.outputs if o.type.dtype.kind == "f"]


def active(fn: Function) -> set[Value]:
    """The values of `fn` through which a derivative with respect to a parameter runs."""
    return dependents(fn.graph, [p for p in fn.params if p.type.dtype.kind == "f"])


def adjoints(fn: Function, rule: Rule | None = None) -> Adjoints:
    """The values of `fn`, their cotangents, and what each passes back, in one function.

    They are what the gradient of `fn` is made of, with the same masks and the same order of sums.

    Raises:
        DifferentiationError: an operation has no derivative rule.
    """
    graph = Graph()
    known = copy_params(graph, fn)
    params = tuple(known.values())
    copies = copy_into(graph, fn.outputs, known)
    graph.rule = rule
    real = [o for o in copies if o.type.dtype.kind == "f"]
    seeds = [graph.param(f"cotangent {i}", o.type) for i, o in enumerate(real)]
    live = active(fn)
    plain = [v for v in known if not isinstance(v.type, TupleType)]
    wanted = [v for v in plain if v in live]
    passed: list[tuple[Value, int, Masked]] = []

    def watch(value: Value, operand: int, share: Masked) -> None:
        passed.append((value, operand, share))

    replaced: Replaced = {}
    bars = backpropagate(graph, real, seeds, [known[v] for v in wanted], replaced, watch)
    results = [*(known[v] for v in plain), *bars, *(selected(share) for _, _, share in passed)]
    tree = flat_tree(len(results))
    function = settled(Function(fn.name, (*params, *seeds), tuple(results), tree), replaced)
    original = {copy: value for value, copy in known.items()}
    first, second = len(plain), len(plain) + len(wanted)
    return Adjoints(
        function,
        {v: i for i, v in enumerate(plain)},
        {v: i for i, v in enumerate(wanted, first)},
        {(original[v], i): k for k, (v, i, _) in enumerate(passed, second)},
    )
