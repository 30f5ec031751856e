"""On random formulas, nodes agree with compiled gradients, each other and the debugger."""

from __future__ import annotations

from typing import Any

import numpy as np
from formulas import functions
from hypothesis import given, settings
from hypothesis import strategies as st

import symdiff as sd
from symdiff import autodiff, ir, passes

POINTS = st.tuples(*[st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.0, -3.0, 40.0])] * 3)


@settings(max_examples=150, deadline=None)
@given(functions(), POINTS)
def test_gradients_are_those_that_are_compiled(fn: ir.Function, at: tuple[float, ...]) -> None:
    graph = sd.ComputationGraph(sd.Function(fn))
    (value,) = ir.interpret(fn, at)
    np.testing.assert_array_equal(graph.forward(at), value)
    gradient = autodiff.gradient(fn, [0, 1, 2], bare=False, rule=passes.simplification)
    expected = [float(d) for d in ir.interpret(gradient, at)]
    # The seed is a number here and a constant there, with which products are simplified.
    np.testing.assert_allclose(list(graph.backward().values()), expected, rtol=1e-14)


@settings(max_examples=150, deadline=None)
@given(functions(), POINTS)
def test_what_comes_back_adds_up(fn: ir.Function, at: tuple[float, ...]) -> None:
    graph = sd.ComputationGraph(sd.Function(fn))
    graph.forward(at)
    graph.backward()
    nodes = graph.nodes_topologically_sorted()
    total: dict[sd.Node, Any] = {node: float(node.is_output) for node in nodes}
    size = dict(total)
    for node in nodes:
        for operand, share, local in zip(
            node.inputs, node.downstream, node.local_gradients, strict=True
        ):
            if share is None:
                continue
            total[operand] += share
            size[operand] += abs(share)
            product = node.gradient * local
            if node.gradient and np.isfinite(product):
                np.testing.assert_allclose(share, product, rtol=1e-12, atol=1e-300)
    for node in nodes:
        if node.gradient is not None and np.isfinite(total[node]):
            np.testing.assert_allclose(node.gradient, total[node], atol=1e-14 * size[node])


@settings(max_examples=150, deadline=None)
@given(functions(), POINTS)
def test_who_spoils_a_result_is_found(fn: ir.Function, at: tuple[float, ...]) -> None:
    report = sd.debug(sd.Function(fn))(*at)
    assert (report.forward is not None) == (not np.isfinite(report.value))
    assert report.gradient is not None
    spoiled = not np.isfinite(list(report.gradient.values())).all()
    assert report.finite == (np.isfinite(report.value) and not spoiled)
    assert str(report)
