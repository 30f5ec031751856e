"""What a check looks at: a function whose results are numbers, and its derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symdiff import api, ir
from symdiff.errors import ArgumentError
from symdiff.ops import mul, reduce_sum, stop_gradient
from symdiff.ops.bodies import extract
from symdiff.points import Array


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be checked of a function.

    Attributes:
        outputs: the real outputs, by name.
        params: the real parameters, with their positions.
        function: the function of these outputs. Those that are arrays are multiplied with their
            cotangents, which are further parameters, and added up.
        jacobian: its derivatives with respect to the real parameters.
        cotangents: random numbers for the further parameters.
        skipped: what has no derivatives, with its type.
    """

    outputs: tuple[tuple[str, ir.Type], ...]
    params: tuple[tuple[int, ir.Value], ...]
    function: api.Function
    jacobian: api.Function
    cotangents: list[Array]
    skipped: tuple[str, ...]

    def results(self, point: list[Array]) -> list[Any]:
        """The values of the outputs at a point that has cotangents."""
        return ir.flatten(self.function.ir.result, self.function(*arguments(point)))

    def gradients(self, point: list[Array]) -> list[Any]:
        """The derivatives of the first output by parameter, then those of the next."""
        return ir.flatten(self.jacobian.ir.result, self.jacobian(*arguments(point)))


def arguments(point: Sequence[Array]) -> list[Any]:
    """Arrays, and numbers in place of those without axes, to call a function with."""
    return [p if p.ndim else p.item() for p in point]


def is_real(value: ir.Value) -> bool:
    """Whether a value can have derivatives."""
    return value.type.dtype.kind == "f"


def pose(fn: api.Function) -> Problem:
    """The problem of a function whose types are known.

    Raises:
        ArgumentError: there is nothing to differentiate with respect to.
        DifferentiationError: no output is real.
    """
    params = [(i, p) for i, p in enumerate(fn.ir.params) if is_real(p)]
    skipped = [f"{p.attr('name')}: {p.type}" for p in fn.ir.params if not is_real(p)]
    if not params:
        raise ArgumentError(
            f"nothing to check: {fn.name} has no floating-point parameters: {', '.join(skipped)}"
        )
    named = [
        (leaf.name, output)
        for leaf, output in zip(ir.leaves(fn.ir.result), fn.ir.outputs, strict=True)
    ]
    real = [(name, output) for name, output in named if is_real(output)] or named
    skipped += [f"{name}: {output.type}" for name, output in named if (name, output) not in real]
    structured = any(not isinstance(tree, ir.Leaf) for _, tree in fn.arguments)
    tensors = any(v.type.shape for v in (*fn.ir.params, *fn.ir.outputs))
    function, cotangents = fn, []
    if structured or tensors or len(real) < len(named):
        flat, cotangents = _with_numbers_as_results(fn.ir, real)
        function = api.Function(flat)
    mode = "reverse" if tensors else "auto"
    jacobian = api.jacobian(function, wrt=[p.attr("name") for _, p in params], mode=mode)
    outputs = tuple((name, output.type) for name, output in real)
    return Problem(outputs, tuple(params), function, jacobian, cotangents, tuple(skipped))


def _with_numbers_as_results(
    fn: ir.Function, outputs: list[tuple[str, ir.Value]]
) -> tuple[ir.Function, list[Array]]:
    """The function of `outputs`, arrays times cotangents, and these cotangents."""
    graph = ir.Graph()
    known = ir.copy_params(graph, fn)
    params = list(known.values())
    copies = ir.copy_into(graph, [output for _, output in outputs], known)
    taken = set(fn.param_names)
    rng = np.random.default_rng(1)
    results: list[ir.Value] = []
    cotangents: list[Array] = []
    for (name, _), value in zip(outputs, copies, strict=True):
        if value.type.shape and is_real(value):
            params.append(graph.param(_free(f"c_{name}", taken), value.type))
            numbers = rng.standard_normal(value.type.shape)
            cotangents.append(numbers.astype(value.type.dtype.numpy))
            results.append(reduce_sum(mul(params[-1], value), shape=()))
        else:
            results.append(value)
    tree = ir.Branch(tuple(ir.Leaf(name) for name, _ in outputs))
    return ir.Function(fn.name, tuple(params), tuple(results), tree), cotangents


def hold(fn: ir.Function, point: Sequence[Array]) -> tuple[ir.Function, list[Array]]:
    """`fn` with further parameters for what `stop_gradient` holds, and their values at `point`.

    Loops are not looked into.
    """
    stopped = [v for v in fn.live() if v.op is stop_gradient]
    if not stopped:
        return fn, []
    tree = ir.Branch(tuple(ir.Leaf(f"held_{i}") for i in range(len(stopped))))
    held = ir.Function(fn.name, fn.params, tuple(v.args[0] for v in stopped), tree)
    graph = ir.Graph()
    known = ir.copy_params(graph, fn)
    taken = set(fn.param_names)
    for i, value in enumerate(stopped):
        known[value] = graph.param(_free(f"held_{i}", taken), value.type)
    params = tuple(known.values())
    outputs = tuple(extract(graph, fn.outputs, known))
    values = [np.asarray(v) for v in ir.interpret(held, arguments(point))]
    return ir.Function(fn.name, params, outputs, fn.result), values


def _free(name: str, taken: set[str]) -> str:
    """`name`, with underscores where it is taken."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name
