"""Where in the body of a loop a NaN or an infinity is first made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from symdiff.debug.findings import Finding, forward_findings
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
    body = Function(loop.body)
    body.text = text
    graph = ComputationGraph(body)
    operands = [np.asarray(n.value) for n in node.inputs]
    carry = operands[: loop.carries]
    split = loop.carries + loop.inputs
    inputs, fixed = operands[loop.carries : split], operands[split:]
    steps = range(loop.length)
    for step in reversed(steps) if loop.reverse else steps:
        graph.forward([*carry, *(x[step] for x in inputs), *fixed])
        for inner in forward_findings(graph.nodes_topologically_sorted()):
            if inner.phase == "forward" and inner.kind == finding.kind:
                inner = followed(inner, text)
                made = inner.inside or inner.node
                return replace(finding, step=step, inside=made, operands=inner.operands)
        carry = [n.value for n in graph.outputs[: loop.carries]]
    return finding
