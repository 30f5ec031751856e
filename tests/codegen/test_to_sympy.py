"""Functions as SymPy expressions: equal in value, for every operation, and there and back."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any, cast

import numpy as np
import pytest

from symdiff.codegen.sympy import to_sympy
from symdiff.errors import UnsupportedError
from symdiff.ir import (
    BOOL,
    F64,
    Branch,
    Function,
    Graph,
    Leaf,
    Op,
    Type,
    f64,
    interpret,
)
from symdiff.ops import OPS, broadcast, convert, sin
from symdiff.parser.sympy import parse_sympy

approx = cast("Any", pytest.approx)  # pyright: ignore[reportUnknownMemberType]
S: Any = import_module("sympy")
x, y = S.symbols("x y")

SAMPLED = [op for op in OPS.values() if op.samples and op.elementwise and op.name != "convert"]


def numbers(expr: Any, point: dict[str, Any]) -> complex:
    """`expr` with its symbols replaced, as a number."""
    values = {S.Symbol(k): S.true if v is True else S.false if v is False else v
              for k, v in point.items()}  # fmt: skip
    result = expr.subs(values)
    if result in (S.true, S.false):
        return complex(result is S.true)
    return complex(S.N(result, 30))


@pytest.mark.parametrize("op", SAMPLED, ids=lambda op: op.name)
def test_every_operation_has_its_formula(op: Op, rng: np.random.Generator) -> None:
    assert op.samples is not None
    operands = op.samples(rng, 5)
    graph = Graph()
    params = tuple(
        graph.param(f"x{k}", BOOL if a.dtype == bool else F64) for k, a in enumerate(operands)
    )
    fn = Function("f", params, (op(*params, **dict(op.attr_samples)),))
    expr = to_sympy(fn)
    (expected,) = interpret(fn, operands)
    for k in range(5):
        point = {f"x{n}": a[k].item() for n, a in enumerate(operands)}
        got = numbers(expr, point)
        assert got.imag == approx(0, abs=1e-20)
        assert got.real == approx(float(expected[k]), rel=1e-11)


@pytest.mark.parametrize(
    "expr",
    [
        x + 2 * y - 3, x * y / 7, S.sin(x) ** 2 + S.cos(x) ** 2,
        S.exp(-(x**2) / 2) / S.sqrt(2 * S.pi),
        S.Piecewise((x, x < y), (y**2, True)), S.atan2(y, x) * S.Abs(x - y), S.log(x) - S.gamma(y),
        S.Max(x, y, 1) + S.floor(3 * x), S.besselj(0, 1).evalf() * x, x**y - y**x,
    ],
    ids=str,
)  # fmt: skip
def test_there_and_back(expr: Any) -> None:
    point = {"x": 0.734375, "y": 1.359375}
    back = to_sympy(parse_sympy(expr))
    assert numbers(back, point) == approx(numbers(expr, point), rel=1e-14)


def test_expressions_look_as_they_were_written() -> None:
    for expr in (x + 2 * y - 3, x * S.sin(y) / 7, S.pi * x**2, S.sqrt(x), S.exp(-x), x < y, -x / y):
        assert to_sympy(parse_sympy(expr)) == expr


def test_numbers() -> None:
    graph = Graph()
    numbers = [2.0, -0.0, 0.1, math.pi, -math.pi, 1e300, math.inf, -math.inf]
    outputs = tuple(graph.const(n, F64) for n in numbers)
    tree = Branch(tuple(Leaf(f"value_{k}") for k in range(len(outputs))))
    result = to_sympy(Function("f", (), outputs, tree))
    expected = (S.Integer(2), S.Integer(0), S.Float(0.1), S.pi, -S.pi, S.Float(1e300), S.oo, -S.oo)
    assert result == expected
    assert to_sympy(Function("f", (), (graph.const(math.nan, F64),))) is S.nan
    assert to_sympy(Function("f", (), (graph.const(True, BOOL),))) is S.true


def test_results_keep_their_structure() -> None:
    graph = Graph()
    a, b = graph.param("a", F64), graph.param("b", F64)
    named = Branch((Leaf("d_a"), Leaf("d_b")), ("a", "b"), "Gradient")
    result = to_sympy(Function("f", (a, b), (sin(a), a, b), Branch((Leaf("value"), named))))
    assert result[0] == S.sin(S.Symbol("a"))
    assert result[1].b == S.Symbol("b")


def test_conversions() -> None:
    graph = Graph()
    a, c = graph.param("a", F64), graph.param("c", BOOL)

    def export(value: Any) -> Any:
        return to_sympy(Function("f", (a, c), (value,)))

    assert export(convert(a, dtype="f32")) == S.Symbol("a")
    assert export(convert(a, dtype="bool")) == S.Ne(S.Symbol("a"), 0)
    assert export(convert(a, dtype="i64")).subs("a", -2.5) == -2
    assert export(convert(convert(a, dtype="i64"), dtype="f64")).subs("a", 2.5) == 2
    assert export(convert(c, dtype="f64")).subs("c", S.true) == 1


def test_sums_and_products_of_a_thousand_terms() -> None:
    terms = [S.Symbol(f"x{k}") for k in range(3000)]
    for expr in (
        S.Add(*terms),
        S.Mul(*terms),
        S.Add(*(S.Mul(*terms[k : k + 3]) for k in range(2000))),
    ):
        assert to_sympy(parse_sympy(expr)) == expr


def test_a_sum_that_is_used_twice_stays_whole() -> None:
    expr = (x + y) * S.exp(x + y) - (x + y)
    assert S.simplify(to_sympy(parse_sympy(expr)) - expr) == 0


def test_what_cannot_be_exported_is_named() -> None:
    graph = Graph()
    a = graph.param("a", Type(f64, (1,)))
    with pytest.raises(UnsupportedError, match="param with the type"):
        to_sympy(Function("f", (a,), (broadcast(a, shape=(3,)),)))
    b = graph.param("b", F64)
    with pytest.raises(UnsupportedError, match="no equivalent of the operation broadcast"):
        to_sympy(Function("f", (b,), (broadcast(b, shape=()),)))


def test_depth_ends_in_a_clear_error() -> None:
    graph = Graph()
    value = param = graph.param("x", F64)
    for _ in range(5000):
        value = sin(value)
    with pytest.raises(UnsupportedError, match="nested too deeply"):
        to_sympy(Function("f", (param,), (value,)))
