"""Where in the body of a loop a NaN or an infinity is first made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from symdiff import ir
from symdiff.debugging.findings import Finding, forward_findings, rank
from symdiff.functions import Function
from symdiff.graph import ComputationGraph
from symdiff.ops import scan
from symdiff.ops.bodies import Loop


def followed(finding: Finding, text: str | None) -> Finding:
    """The finding, of a loop with the step and the operation in which it came about."""
    node = finding.node
    if finding.phase != "forward" or node.core.op is not scan:
        return finding
    loop = Loop.of(node.core)
    operands = [np.asarray(n.value) for n in node.inputs]
    carry, split = operands[: loop.carries], loop.carries + loop.inputs
    inputs, fixed = operands[loop.carries : split], operands[split:]
    steps = range(loop.length)
    for step in reversed(steps) if loop.reverse else steps:
        at = [*carry, *(x[step] for x in inputs), *fixed]
        results = ir.interpret(loop.body, at)
        if any(map(rank, results)):
            return _in_step(finding, loop.body, at, step, text)
        carry = results[: loop.carries]
    return finding


def _in_step(
    finding: Finding, body: ir.Function, at: list[Any], step: int, text: str | None
) -> Finding:
    """The finding, in the step of its loop that takes `at`."""
    function = Function(body)
    function.text = text
    graph = ComputationGraph(function)
    graph.forward(at)
    for inner in forward_findings(graph.nodes_topologically_sorted()):
        if inner.phase == "forward" and inner.reaches:
            inner = followed(inner, text)  # loops within loops, as deep as people nest them
            made = inner.inside or inner.node
            return replace(finding, step=step, inside=made, operands=inner.operands)
    return replace(finding, step=step)
