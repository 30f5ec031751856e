"""Formulas are short, have the parentheses they need, and parse back to what they print."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from op_functions import ELEMENTWISE, ULPS, of_op, samples

from symdiff import ops
from symdiff.autodiff.transforms import gradient, hessian
from symdiff.codegen.formula import assignments, formula
from symdiff.ir import (
    BOOL,
    F64,
    Branch,
    Function,
    Graph,
    Leaf,
    Op,
    Type,
    Value,
    f32,
    interpret,
)
from symdiff.parser.text import parse_text
from symdiff.passes import PIPELINE, run

Build = Callable[[Value, Value, Value], Value]


def of(build: Build, *names: str) -> Function:
    """The function with the parameters `names` that returns what `build` makes of them."""
    graph = Graph()
    params = tuple(graph.param(name, F64) for name in names)
    return Function("f", params, (build(*params),))


def assert_reads_back(fn: Function, args: list[Any], ulps: int = 2) -> None:
    types = {p.attr("name"): p.type for p in fn.params}
    back = parse_text(formula(fn), types)
    for got, wanted in zip(interpret(back, args), interpret(fn, args), strict=True):
        if fn.outputs[0].type == F64:
            np.testing.assert_array_max_ulp(*np.broadcast_arrays(got, wanted), maxulp=ulps)
        else:
            np.testing.assert_array_equal(got, wanted)


add, sub, mul, div, pow, neg = ops.add, ops.sub, ops.mul, ops.div, ops.pow, ops.neg

PRINTED: list[tuple[str, Build]] = [
    ("x - (y - z)", lambda x, y, z: sub(x, sub(y, z))),
    ("x - y - z", lambda x, y, z: sub(sub(x, y), z)),
    ("x + y + z", lambda x, y, z: add(add(x, y), z)),
    ("x + (y + z)", lambda x, y, z: add(x, add(y, z))),
    ("x / (y * z)", lambda x, y, z: div(x, mul(y, z))),
    ("x * y / z", lambda x, y, z: div(mul(x, y), z)),
    ("x * (y / z)", lambda x, y, z: mul(x, div(y, z))),
    ("(x + y) * z", lambda x, y, z: mul(add(x, y), z)),
    ("-x**y", lambda x, y, z: neg(pow(x, y))),
    ("(-x)**y", lambda x, y, z: pow(neg(x), y)),
    ("x**-y", lambda x, y, z: pow(x, neg(y))),
    ("x**-2", lambda x, y, z: pow(x, -2.0)),
    ("(-2)**x", lambda x, y, z: pow(-2.0, x)),
    ("x**y**z", lambda x, y, z: pow(x, pow(y, z))),
    ("(x**y)**z", lambda x, y, z: pow(pow(x, y), z)),
    ("x**(y * z)", lambda x, y, z: pow(x, mul(y, z))),
    ("x**(-y * z)", lambda x, y, z: pow(x, neg(mul(y, z)))),
    ("(x / y)**z", lambda x, y, z: pow(div(x, y), z)),
    ("x * -2", lambda x, y, z: mul(x, -2.0)),
    ("x - -2", lambda x, y, z: sub(x, -2.0)),
    ("-x * y", lambda x, y, z: neg(mul(x, y))),
    ("x * (-y * z)", lambda x, y, z: mul(x, neg(mul(y, z)))),
    ("x * -y", lambda x, y, z: mul(x, neg(y))),
    ("-(x + y)", lambda x, y, z: neg(add(x, y))),
    ("-(x % y)", lambda x, y, z: neg(ops.mod(x, y))),
    ("(x % y) * z", lambda x, y, z: mul(ops.mod(x, y), z)),
    ("x * y // z", lambda x, y, z: ops.floor_div(mul(x, y), z)),
    ("x // (y % z)", lambda x, y, z: ops.floor_div(x, ops.mod(y, z))),
    ("x**2", lambda x, y, z: mul(x, x)),
    ("(x + y)**3", lambda x, y, z: mul(mul(add(x, y), add(x, y)), add(x, y))),
    ("x < y", lambda x, y, z: ops.lt(x, y)),
    ("(x < y) == (y < z)", lambda x, y, z: ops.eq(ops.lt(x, y), ops.lt(y, z))),
    ("not x < y and y <= z", lambda x, y, z: ops.and_(ops.not_(ops.lt(x, y)), ops.le(y, z))),
    ("not (x < y and y < z)", lambda x, y, z: ops.not_(ops.and_(ops.lt(x, y), ops.lt(y, z)))),
    (
        "(x < y or y < z) and x < z",
        lambda x, y, z: ops.and_(ops.or_(ops.lt(x, y), ops.lt(y, z)), ops.lt(x, z)),
    ),
    ("where(x < 0, y, 1e-5 * z)", lambda x, y, z: ops.where(ops.lt(x, 0.0), y, mul(1e-5, z))),
    ("pi * x + 3", lambda x, y, z: add(mul(np.pi, x), 3.0)),
    ("-0.0 + 1e22 * x", lambda x, y, z: add(-0.0, mul(1e22, x))),
    ("max(x, y)", lambda x, y, z: ops.max(x, y)),
    ("hypot(x, y)", lambda x, y, z: ops.hypot(x, y)),
    ("polygamma(2, x)", lambda x, y, z: ops.polygamma(x, n=2)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "build"), PRINTED, ids=[text for text, _ in PRINTED])
def test_parentheses(text: str, build: Build) -> None:
    fn = of(build, "x", "y", "z")
    assert formula(fn) == text
    rng = np.random.default_rng(0)
    assert_reads_back(fn, [rng.uniform(0.5, 3, 20) for _ in range(3)])


@pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)
def test_every_operation_reads_back(op: Op) -> None:
    if op is ops.convert or BOOL in [p.type for p in of_op(op).params]:
        pytest.skip("text has neither conversions nor Boolean parameters")
    assert_reads_back(of_op(op), samples(op), ULPS.get(op.name, 2))


BINARY = [add, sub, mul, div, pow, ops.mod, ops.floor_div, ops.lt, ops.min]


@pytest.mark.parametrize(("outer", "inner"), list(product(BINARY, BINARY)), ids=lambda op: op.name)
def test_every_nesting_reads_back(outer: Op, inner: Op) -> None:
    def number(v: Value) -> Value:
        return (
            ops.where(v, v.graph.const(2.0, F64), v.graph.const(3.0, F64)) if v.type == BOOL else v
        )

    rng = np.random.default_rng(0)
    args = [rng.uniform(0.5, 3, 20) for _ in range(3)]
    builds: list[Build] = [
        lambda x, y, z: outer(number(inner(x, y)), z),
        lambda x, y, z: outer(x, number(inner(y, z))),
        lambda x, y, z: outer(neg(number(inner(x, y))), neg(z)),
        lambda x, y, z: neg(number(outer(neg(x), neg(number(inner(neg(y), z)))))),
        lambda x, y, z: outer(x, number(inner(-2.0, y))),
        lambda x, y, z: outer(-2.0, number(inner(y, -3.0))),
    ]
    for build in builds:
        assert_reads_back(of(build, "x", "y", "z"), args)


def test_what_is_shared_has_a_name() -> None:
    graph = Graph()
    x, y = graph.param("x", F64), graph.param("t1", F64)
    e = ops.exp(mul(neg(x), y))
    tree = Branch((Leaf("value"), Branch((Leaf("d_x"), Leaf("x")))))
    fn = Function("f", (x, y), (mul(e, ops.sin(e)), neg(x), ops.cos(neg(x))), tree)
    assert assignments(fn) == [
        ("t2", "exp(-x * t1)"),
        ("value", "t2 * sin(t2)"),
        ("d_x", "-x"),
        ("x_", "cos(-x)"),
    ]
    assert formula(fn).splitlines()[-1] == "value, d_x, x_"
    assert_reads_back(fn, [0.3, 0.7])


def test_gradients_and_hessians_read_back() -> None:
    graph = Graph()
    x, y = graph.param("x", F64), graph.param("lambda", F64)
    f = Function("f", (x, y), (mul(ops.max(ops.exp(x), y), add(ops.sin(y), ops.cos(y))),))
    for fn in (gradient(f, [0, 1], False, True), hessian(f, [0, 1], False, "auto")):
        assert_reads_back(run(PIPELINE, fn), [0.3, 0.7])


def test_long_expressions_are_split() -> None:
    graph = Graph()
    x = graph.param("x", F64)
    total = x
    for i in range(200):
        total = add(total, ops.sin(mul(float(i), x)))
    fn = Function("f", (x,), (total,))
    assert max(len(text) for _, text in assignments(fn)) <= 110
    assert_reads_back(fn, [0.3])


@pytest.mark.parametrize("kind", ["chain", "nested", "shared"])
def test_large_graphs_become_short_lines(kind: str) -> None:
    graph = Graph()
    x = graph.param("x", F64)
    value = add(x, 1.0)
    for i in range(50_000):
        if kind == "chain":
            value = add(value, mul(x, float(i)))
        else:
            value = ops.sin(value) if kind == "nested" else mul(value, ops.cos(value))
    text = formula(Function("f", (x,), (value,)))
    assert max(map(len, text.splitlines())) <= 120
    assert len(text) < 10_000_000


def test_names_that_text_cannot_spell() -> None:
    graph = Graph()
    a, b, c, d = (graph.param(name, F64) for name in ("pi", "and", "a b", "x_{1}"))
    value = add(add(a, b), add(c, mul(d, float("-inf"))))
    assert (
        formula(Function("f", (a, b, c, d), (value,)))
        == "<pi> + <and> + (<a b> + <x_{1}> * -<inf>)"
    )


def test_single_precision_constants_are_short() -> None:
    graph = Graph()
    x = graph.param("x", Type(f32))
    assert formula(Function("f", (x,), (mul(0.1, mul(np.pi, x)),))) == "0.1 * (pi * x)"
