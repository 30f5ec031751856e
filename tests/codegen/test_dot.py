"""Graphs in Graphviz's language: every value a node, every operand an edge, labels escaped."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from symdiff import ops
from symdiff.autodiff.transforms import gradient
from symdiff.codegen.dot import dot
from symdiff.ir import F64, ITEM, Branch, Function, Graph, Leaf, Type, f64
from symdiff.passes import PIPELINE, run


def test_sources_operations_and_outputs() -> None:
    graph = Graph()
    x, unused = graph.param("x", F64), graph.param("unused", F64)
    fn = Function("f", (x, unused), (ops.sub(2.0, ops.exp(x)),))
    assert dot(fn).splitlines() == [
        'digraph "f" {',
        "  ordering=in;",
        '  node [fontname="Helvetica", shape=ellipse];',
        '  v0 [label="x", shape=box, style=filled, fillcolor="#d7e8f7"];',
        '  v1 [label="unused", shape=box, style=filled, fillcolor="#d7e8f7"];',
        '  v2 [label="exp"];',
        "  v0 -> v2;",
        '  v3 [label="2", shape=plaintext];',
        '  v4 [label="-"];',
        "  v3 -> v4;",
        "  v2 -> v4;",
        '  out0 [label="value", shape=box, style="rounded,filled", fillcolor="#fde3cf"];',
        "  v4 -> out0;",
        "}",
    ]


def test_sine_and_cosine_are_one_node() -> None:
    graph = Graph()
    x = graph.param("x", F64)
    fn = Function("f", (x,), (ops.mul(x, ops.sin(x)),))
    text = dot(run(PIPELINE, gradient(fn, [0], True, True)))
    assert text.count('label="sincos"') == 1
    assert "[label=sin];" in text
    assert "[label=cos];" in text


@pytest.mark.parametrize("name", ['say "x"', "back\\slash", "line\nbreak", "α", "{x|y}", "<b>", ""])
def test_labels_are_escaped(name: str) -> None:
    graph = Graph()
    x = graph.param(name, F64)
    text = dot(Function(name, (x,), (ops.polygamma(x, n=2),), Leaf(name)))
    assert r'label="polygamma\nn=2"' in text
    assert len(text.splitlines()) == 9
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tsvg"], input=text.encode(), capture_output=True, check=True)


def test_arrays_are_drawn_with_their_types() -> None:
    graph = Graph()
    w, x = graph.param("W", Type(f64, (2, 3))), graph.param("x", Type(f64, (3,)))
    y = ops.add(ops.contract(w, x, spec="ij,j->i"), graph.const([0.5, 2.0], Type(f64, (2,))))
    longer = graph.const(range(100), Type(f64, (100,)))
    total = ops.add(ops.reduce_sum(y, shape=()), ops.reduce_sum(longer, shape=()))
    text = dot(Function("f", (w, x), (total,)))
    for label in (
        r"W\nf64[2,3]",
        r"contract\nspec=ij,j->i\nf64[2]",
        r"[0.5, 2.0]\nf64[2]",
        r"const\nf64[100]",
        r"+\nf64[2]",
        "reduce_sum",
    ):
        assert f'label="{label}"' in text


def test_a_loop_is_one_node() -> None:
    inner = Graph()
    c, t = inner.param("c", F64), inner.param("t", F64)
    body = Function("step", (c, t), (ops.sin(ops.mul(c, t)), c), Branch((Leaf("c"), Leaf("y"))))
    graph = Graph()
    x, xs = graph.param("x", F64), graph.param("xs", Type(f64, (9,)))
    attrs = {"body": body, "carries": 1, "inputs": 1, "length": 9, "reverse": False}
    loop = ops.scan(x, xs, **attrs)
    carry, ys = (graph.add(ITEM, (loop,), (("index", i),)) for i in range(2))
    result = Branch((Leaf("carry"), Leaf("ys")))
    text = dot(Function("f", (x, xs), (carry, ys), result))
    assert r'label="scan\nbody=step, carries=1, inputs=1, length=9, reverse=False\n' in text
    assert "sin" not in text
    assert text.count(" -> ") == 4
    assert "-> out1 [label=1]" in text
