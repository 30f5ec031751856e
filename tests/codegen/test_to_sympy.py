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
from symdiff.ops import (
    OPS,
    broadcast,
    concatenate,
    contract,
    convert,
    cumsum,
    lt,
    mul,
    reduce_sum,
    reshape,
    sin,
    slice_,
    where,
)
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
    a, cube = graph.param("a", Type(f64, (3,))), graph.param("cube", Type(f64, (2, 2, 2)))
    with pytest.raises(UnsupportedError, match=r"no equivalent of cumsum of type f64\[3\]"):
        to_sympy(Function("f", (a,), (cumsum(a, axis=0, reverse=False),)))
    with pytest.raises(UnsupportedError, match=r"no equivalent of param of type f64\[2,2,2\]"):
        to_sympy(Function("f", (cube,), (cube,)))
    with pytest.raises(UnsupportedError, match=r"no equivalent of where of type f64\[3\]"):
        to_sympy(Function("f", (a,), (where(lt(a, 0.0), a, mul(a, 2.0)),)))
    b = graph.param("b", F64)
    with pytest.raises(UnsupportedError, match="no equivalent of the operation broadcast"):
        to_sympy(Function("f", (b,), (broadcast(b, shape=()),)))


A, B, C, v = (S.MatrixSymbol(*a) for a in (("A", 3, 4), ("B", 4, 3), ("C", 3, 3), ("v", 4, 1)))
i, j = S.symbols("i j", integer=True)
u = S.IndexedBase("u", shape=(6,))


@pytest.mark.parametrize(
    "expr",
    [
        A * B + C.T, x * A, S.Trace(A * B) * x, S.HadamardProduct(C, C.T), S.HadamardPower(C, x),
        (A * v).applyfunc(S.tanh), S.Matrix([[x, 1], [x**2, y]]), C - S.Identity(3).as_explicit(),
        A[1, 2] * x, A[0:2, 1:3], S.OneMatrix(2, 3) * x, (v.T * v)[0, 0] / x, S.DotProduct(v, v),
        S.Sum(100 * (u[i + 1] - u[i] ** 2) ** 2 + (1 - u[i]) ** 2, (i, 0, 4)),
        S.Sum(C[i, j] * v[j, 0] * A[i, 0], (i, 0, 2), (j, 0, 2)), C.applyfunc(S.Lambda(x, 1 / x)),
        S.Sum(S.exp(-(C[i, j] ** 2)), (i, 0, 2), (j, 0, 2)), S.BlockMatrix([[A, C]]),
    ],
    ids=str,
)  # fmt: skip
def test_matrices_go_there_and_back(expr: Any, rng: np.random.Generator) -> None:
    fn = parse_sympy(expr)
    point = {p.attr("name"): rng.uniform(0.5, 2, p.type.shape) for p in fn.params}
    (expected,) = interpret(fn, [point[name] for name in fn.param_names])
    back = parse_sympy(to_sympy(fn))
    columns = {p.attr("name"): np.reshape(point[p.attr("name")], p.type.shape) for p in back.params}
    (got,) = interpret(back, [columns[name] for name in back.param_names])
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_matrices_look_as_they_were_written() -> None:
    for expr in (A * B + C.T, x * A, S.Trace(A * B), S.HadamardProduct(C, C.T), 2 * A[1, 2]):
        assert to_sympy(parse_sympy(expr)) == expr


def test_reductions_and_repetitions_of_vectors(rng: np.random.Generator) -> None:
    graph = Graph()
    a, m = graph.param("a", Type(f64, (3,))), graph.param("m", Type(f64, (2, 3)))
    values = {"a": rng.normal(size=3), "m": rng.normal(size=(2, 3))}
    matrices = {
        S.MatrixSymbol("a", 3, 1): S.Matrix(values["a"]),
        S.MatrixSymbol("m", 2, 3): S.Matrix(values["m"]),
    }
    row = broadcast(a, shape=(2, 3))
    for output in (
        row,
        mul(row, m),
        reduce_sum(m, shape=(3,)),
        reduce_sum(m, shape=(2, 1)),
        reduce_sum(m, shape=()),
        reshape(a, shape=(1, 3)),
        contract(a, m, spec="j,ij->i"),
        contract(a, a, spec="i,i->"),
        contract(a, a, spec="i,j->ji"),
        contract(m, m, spec="ij,ij->"),
        contract(m, m, spec="ij,kj->ik"),
        slice_(m, start=(1, 0), step=(1, 2), shape=(1, 1)),
        slice_(m, start=(0, 1), step=(1, 1), shape=(2, 2)),
        concatenate(row, m, axis=0),
    ):
        fn = Function("f", (a, m), (output,))
        (expected,) = interpret(fn, list(values.values()))
        got = np.array(to_sympy(fn).subs(matrices).doit(), np.float64)
        np.testing.assert_allclose(got.reshape(expected.shape), expected, rtol=1e-12)


def test_depth_ends_in_a_clear_error() -> None:
    graph = Graph()
    value = param = graph.param("x", F64)
    for _ in range(5000):
        value = sin(value)
    with pytest.raises(UnsupportedError, match="nested too deeply"):
        to_sympy(Function("f", (param,), (value,)))
