"""Graphs in Graphviz's language: every value a node, every operand an edge, labels escaped."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from symdiff import ops
from symdiff.autodiff.transforms import gradient
from symdiff.codegen.dot import dot
from symdiff.errors import UnsupportedError
from symdiff.ir import F64, Function, Graph, Leaf, Type, f64
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


def test_tensors_are_refused_by_name() -> None:
    graph = Graph()
    x = graph.param("x", Type(f64, (2,)))
    with pytest.raises(UnsupportedError, match=r"parameter x: a graph takes scalars, not f64\[2\]"):
        dot(Function("f", (x,), (x,)))
