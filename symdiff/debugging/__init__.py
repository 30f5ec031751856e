"""Debugging gradients: where NaNs and infinities come from, what vanishes, explodes or is dead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symdiff import api, ir, passes
from symdiff.debugging.findings import Finding, Operand, backward_findings, forward_findings
from symdiff.debugging.loops import followed
from symdiff.debugging.magnitudes import EXPLODING, VANISHING, Magnitude, magnitudes
from symdiff.debugging.relus import Relu, relus
from symdiff.debugging.report import DebugReport
from symdiff.errors import DifferentiationError
from symdiff.functions import Function
from symdiff.graph import ComputationGraph
from symdiff.points import typed
from symdiff.runtime import bind

__all__ = [
    "EXPLODING", "VANISHING", "DebugReport", "Finding", "Magnitude", "Operand", "Relu", "debug",
]  # fmt: skip


def debug(
    source: api.Source, args: api.Args | None = None, gates: api.Gates | None = None
) -> Callable[..., DebugReport]:
    """What takes the arguments of the function, and tells what goes wrong at them.

    The function and its gradient are evaluated node by node, in the form in which they are
    compiled: with the stable forms of log-sum-exp and the like. The report says which operation
    first made a NaN or an infinity, forward or backward, with its operands and its place in the
    source; how large the gradients are; and how much of each ReLU is dead.

    Args:
        source: text, SymPy, a Python function, or a Function.
        args, gates: see `symdiff.function`.

    Raises:
        ArgumentError: the arguments of the call do not fit.

        >>> import symdiff as sd
        >>> report = sd.debug("y = x**2\\nz = sqrt(y - x)\\nreturn x*log(1 + z)")(0.5)
        >>> print(report)
        f at x=0.5
        forward: NaN first made by sqrt(y - x), line 2, column 5
          z = sqrt(y - x)
              ^
          operands: y - x = -0.25
        parameter: norm of the value, norm of the gradient
          x: 0.5, nan
        >>> report.forward.place.column
        5
    """
    open_function = api.function(source, args, gates)

    def call(*args: Any, **kwargs: Any) -> DebugReport:
        given = bind(open_function.name, open_function.parameters, args, kwargs)
        function = _stable(typed(open_function, given, open_function.name))
        graph = ComputationGraph(function)
        value = graph.forward(given)
        nodes = graph.nodes_topologically_sorted()
        found = [followed(finding, function.text) for finding in forward_findings(nodes)]
        gradient, notes = None, list[str]()
        if any(output.type.dtype.kind == "f" for output in function.ir.outputs):
            try:
                gradient = graph.backward()
            except DifferentiationError as error:
                notes.append(f"no gradients: {error}")
        spoiled = any(finding.reaches for finding in found)
        found += [f for f in backward_findings(nodes) if not (spoiled and f.follows)]
        leaves = iter([node.value for node in nodes if node.kind == "input"])
        return DebugReport(
            graph,
            {name: ir.build(tree, leaves) for name, tree in function.arguments},
            value,
            gradient,
            tuple(found),
            tuple(magnitudes(nodes)),
            tuple(relus(nodes)),
            tuple(notes),
        )

    return call


def _stable(function: Function) -> Function:
    """The function in the form that is differentiated and compiled, with the names it had."""
    fn = function.ir
    stable = passes.stabilize(fn)
    if stable is fn:
        return function
    # Names that a text has; those of Python programs are found by places, which values keep.
    names = {(v.op, v.location, v.type): name for v, name in fn.graph.names.items()}
    for value in stable.live():
        name = names.pop((value.op, value.location, value.type), None)
        if name is not None:
            stable.graph.names[value] = name
    made = Function(stable, arguments=function.arguments)
    made.text = function.text
    return made
