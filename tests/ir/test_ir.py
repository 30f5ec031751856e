"""Graphs, their text, and the rules that the verifier checks."""

from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pytest
from formulas import functions
from hypothesis import given
from hypothesis import strategies as st

from symdiff import ops
from symdiff.errors import IRError, ShapeError
from symdiff.ir import (
    F64,
    Branch,
    Function,
    Graph,
    Leaf,
    Literal,
    Type,
    build,
    f32,
    f64,
    flatten,
    interpret,
    parse_type,
    print_function,
    read_function,
    record,
    verify,
)
from symdiff.ops import OPS


def test_the_same_thing_built_twice_is_one_value() -> None:
    graph = Graph()
    x = graph.param("x", F64)
    assert ops.mul(ops.sin(x), 2.0) is ops.mul(ops.sin(x), 2.0)
    assert len(graph.values) == 4


def test_constants_are_interned_by_bytes() -> None:
    graph = Graph()
    assert graph.const(0.0, F64) is not graph.const(-0.0, F64)
    assert graph.const(math.nan, F64) is graph.const(math.nan, F64)
    assert graph.const(1.0, F64) is not graph.const(1.0, Type(f32))


def test_one_number_stands_for_every_element() -> None:
    literal = Literal.of(2.0, Type(f64, (1000, 1000)))
    assert len(literal.data) == 8
    assert literal.array.shape == (1000, 1000)
    assert literal.scalar == 2.0
    assert Literal.of([1.0, 2.0], Type(f64, (2,))).scalar is None


@given(fn=functions())
def test_text_round_trip(fn: Function) -> None:
    text = print_function(fn)
    again = read_function(text, OPS)
    verify(again)
    assert print_function(again) == text
    at = [0.5, -1.5, 2.0]
    np.testing.assert_array_equal(interpret(again, at), interpret(fn, at))


def test_structure_and_odd_names_survive_the_text() -> None:
    graph = Graph()
    params = tuple(graph.param(name, F64) for name in ("lambda", "θ", "_x"))
    tree = Branch((Leaf("value"), Branch((Leaf("a"), Leaf("b")), ("lambda", "θ"), "Gradient")))
    fn = Function("f", params, (params[0], params[2], params[1]), tree)
    again = read_function(print_function(fn), OPS)
    assert again.result == tree
    assert again.param_names == fn.param_names


ODD = [
    "x y", r"\theta_{1}", r"\theta_{1,2}", "x}", "a{b}", "a\tb", " x ", "a\u2028b", "a\nb", '"',
    "'", '"x"', "%x", ") -> (", "0", "12", "", "x: f64", "a, b", "a\\", "x\u0302", "\u2118",
    "func @f(", "=",
]  # fmt: skip
PIECES = [*'"\\%(){},:= 0[]\n', "null", "sin", "f32", "1e999"]


def named(names: list[str]) -> Function:
    """A function in all of whose places for names `names` stand."""
    graph = Graph()
    params = tuple([graph.param(name, F64) for name in names])
    value = graph.const(2.0, F64)
    for param in params:
        value = ops.add(ops.mul(value, param), ops.sin(param))
    fields = Branch(tuple([Leaf(name) for name in names]), tuple(names), names[0])
    tree = Branch((Leaf(names[-1]), fields, Branch(()), Branch((), (), names[0])))
    return Function(names[-1], params, (value, *params), tree)


def assert_same(again: Function, fn: Function) -> None:
    verify(again)
    assert print_function(again) == print_function(fn)
    assert (again.name, again.param_names) == (fn.name, fn.param_names)
    assert again.result == fn.result
    at = [0.5 + i for i in range(len(fn.params))]
    np.testing.assert_array_equal(interpret(again, at), interpret(fn, at))


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_odd_names_survive_the_text(name: str) -> None:
    fn = named([name])
    text = print_function(fn)
    assert len(text.splitlines()) == 7
    assert json.dumps(name) in text
    assert_same(read_function(text, OPS), fn)


@given(names=st.lists(st.text() | st.sampled_from([*ODD, "x", "lambda"]), min_size=1, unique=True))
def test_all_names_survive_the_text(names: list[str]) -> None:
    fn = named(names)
    assert_same(read_function(print_function(fn), OPS), fn)


def test_ordinary_names_are_printed_bare() -> None:
    text = print_function(named(["x_1", "θ", "1x", "lambda"]))
    assert text.startswith(
        "func @lambda(%x_1: f64, %θ: f64, %1x: f64, %lambda: f64) -> (lambda, x_1"
    )
    assert text.count('"') == 0


@given(data=st.data(), fn=functions())
def test_garbage_is_an_ir_error(data: st.DataObject, fn: Function) -> None:
    """Characters of a printed function replaced, doubled or dropped: read, or refused by line."""
    text = print_function(data.draw(st.sampled_from([fn, named(["x y", "z}"])])))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        piece = data.draw(st.sampled_from(PIECES))
        text = text[:at] + piece + text[at + data.draw(st.integers(0, 3)) :]
    try:
        read_function(text, OPS)
    except IRError as error:
        assert str(error).startswith("line ")  # noqa: PT017


@pytest.mark.parametrize("bracket", ["(", "((a, ", 'G{"x y": ', "[", "{"])
def test_deep_and_long_garbage_is_refused_quickly(bracket: str) -> None:
    text = f"func @f(%x: f64) -> {bracket * 100_000} {{\n  return %x\n}}"
    with pytest.raises(IRError, match="line 1"):
        read_function(text, OPS)
    attrs = "[" * 100_000
    with pytest.raises(IRError, match="line 2"):
        read_function(f"func @f() {{\n  %0: f64 = const {{value={attrs}}}\n  return %0\n}}", OPS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1"),
        ("func @f(%x: f64, ) {\n  %0: f64 = sin %x\n  return %0\n}", "line 1"),
        ("func @f(x: f64) {\n  %0: f64 = sin %x\n  return %0\n}", "line 1"),
        ("func @f(%x: f65) {\n  %0: f64 = sin %x\n  return %0\n}", "line 1: .*f65"),
        ('func @f(%"x: f64) {\n  %0: f64 = sin %x\n  return %0\n}', "line 1"),
        ("func @f(%x: f64, %x: f32) {\n  %0: f64 = sin %x\n  return %0\n}", "two parameters"),
        ("func @f(%x: f64) -> a b {\n  %0: f64 = sin %x\n  return %0\n}", "line 1: .*unexpected"),
        ("func @f(%x: f64) -> (a {\n  %0: f64 = sin %x\n  return %0\n}", "line 1: .*too early"),
        ("func @f(%x: f64) -> G{a b} {\n  %0: f64 = sin %x\n  return %0\n}", "line 1: .*':'"),
        ("func @f(%x: f64) {\n  %0: f64 = sin %x\n  %0: f64 = cos %x\n  return %0\n}", "line 3"),
        ("func @f(%x: f64) {\n  %0: f64 = const {value={}}\n  return %0\n}", "line 2"),
        ("func @f(%x: f64) {\n  %0: f64[2] = const {value=[1]}\n  return %0\n}", "line 2"),
        ('func @f() {\n  %0: f64 = param {name="x", type="f64"}\n  return %0\n}', "line 2"),
        ("func @f(%x: f64) {\n  %0: f64 = sin %x\n  yield %0\n}", "line 3: .*`return"),
        ("func @f(%x: f64) {\n  return %x", "line 1"),
        ("func @f(%x: f64) {\n  %0: f64 = sine %x\n  return %0\n}", "line 2"),
        ("func @f(%x: f64) {\n  %0: f64 = sin %y\n  return %0\n}", "line 2"),
        ("func @f(%x: f64) {\n  %0: f32 = sin %x\n  return %0\n}", "line 2"),
        ("func @f(%x: f64) {\n  %0 = sin %x\n  return %0\n}", "line 2"),
        ("func @f(%x: f64) {\n  %0: f64 = sin %x\n  return %1\n}", "line 3"),
        ("func @f(%x: f64) -> (a, b) {\n  %0: f64 = sin %x\n  return %0\n}", "outputs"),
    ],
)
def test_reader_names_the_line(text: str, message: str) -> None:
    with pytest.raises(IRError, match=message):
        read_function(text, OPS)


def test_verifier() -> None:
    graph, other = Graph(), Graph()
    x, y = graph.param("x", F64), other.param("y", F64)
    verify(Function("f", (x,), (ops.sin(x),)))
    with pytest.raises(IRError, match="another graph"):
        verify(Function("f", (x, y), (ops.sin(x),)))
    with pytest.raises(IRError, match="not among the parameters"):
        verify(Function("f", (), (ops.sin(x),)))
    with pytest.raises(IRError, match="leaves"):
        verify(Function("f", (x,), (x, x)))


@pytest.mark.parametrize(
    ("text", "type"),
    [
        ("f64", F64),
        ("float32", Type(f32)),
        ("f64[3,4]", Type(f64, (3, 4))),
        ("f64[0]", Type(f64, (0,))),
    ],
)
def test_types(text: str, type: Type) -> None:
    assert parse_type(text) == type


@pytest.mark.parametrize("text", ["f65", "", "f64[", "f64[a]", "f64[-1]", "complex128", "f64]3["])
def test_bad_types(text: str) -> None:
    with pytest.raises(ShapeError):
        parse_type(text)


def test_records() -> None:
    kind = record("Gradient", ("lambda", "count", "x"))
    assert record("Gradient", ("lambda", "count", "x")) is kind
    r = kind((1.0, 2.0, 3.0))
    assert r == (1.0, 2.0, 3.0)
    assert (r.x, r["lambda"], getattr(r, "lambda"), r["count"]) == (3.0, 1.0, 1.0, 2.0)
    assert repr(r) == "Gradient(lambda=1.0, count=2.0, x=3.0)"
    assert r._asdict() == {"lambda": 1.0, "count": 2.0, "x": 3.0}
    assert r._replace(x=5.0) == (1.0, 2.0, 5.0)
    with pytest.raises(ValueError, match="no field y"):
        r._replace(y=5.0)
    assert pickle.loads(pickle.dumps(r)) == r
    assert type(pickle.loads(pickle.dumps(r))) is kind


def test_flatten_is_the_inverse_of_build() -> None:
    tree = Branch((Leaf("v"), Branch((Leaf("a"), Leaf("b")), ("a", "b"), "G")))
    assert flatten(tree, build(tree, iter([1, 2, 3]))) == [1, 2, 3]
    with pytest.raises(ValueError, match="tuple of 2"):
        flatten(tree, (1, 2, 3))


def test_deep_graphs_are_walked_without_recursion() -> None:
    graph = Graph()
    x = value = graph.param("x", F64)
    for _ in range(50_000):
        value = ops.neg(value)
    fn = Function("f", (x,), (value,))
    again = read_function(print_function(fn), OPS)
    assert interpret(again, [2.0]) == [2.0]
