"""What `symdiff check --trace` writes: where NaNs and infinities come from, and how large gradients
are."""

from __future__ import annotations

from typing import Any

import symdiff as sd
from symdiff.debugging import Finding, Magnitude


def trace_facts(report: sd.DebugReport) -> dict[str, Any]:
    """A report for programs."""
    return {
        "finite": report.finite,
        "value": report.value,
        "gradient": report.gradient,
        "findings": [_finding(found) for found in report.findings],
        "nodes": [_node(magnitude) for magnitude in report.magnitudes],
        "relus": [
            {
                "node": relu.node.name,
                **_place(relu.node),
                "elements": relu.elements,
                "dead": relu.dead,
                "units": relu.units,
                "dead_units": relu.dead_units,
            }
            for relu in report.relus
        ],
        "notes": list(report.notes),
    }


def _finding(found: Finding) -> dict[str, Any]:
    maker = found.inside or found.node
    return {
        "phase": found.phase,
        "kind": found.kind,
        "node": found.node.name,
        "operation": maker.formula,
        **_place(maker),
        "step": found.step,
        "index": found.index,
        "count": found.count,
        "operands": {operand.node.name: operand.value for operand in found.operands},
        "towards": found.towards and found.towards.name,
        "upstream": found.upstream,
        "local": found.local,
        "reaches": found.reaches,
    }


def _node(magnitude: Magnitude) -> dict[str, Any]:
    return {
        "node": magnitude.node.name,
        "operation": magnitude.node.formula,
        **_place(magnitude.node),
        "value_norm": magnitude.value,
        "gradient_norm": magnitude.gradient,
        "ratio": magnitude.ratio,
        "verdict": magnitude.verdict,
    }


def _place(node: sd.Node) -> dict[str, Any]:
    place = node.place
    if place is None:
        return {"line": None, "column": None}
    return {"line": place.line, "column": place.column}
