"""SymPy's matrices and sums over indices: values as SymPy has them, loops never written out."""

from __future__ import annotations

from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
import pytest

from symdiff.autodiff.transforms import gradient
from symdiff.errors import (
    IndexRangeError,
    NeedsShapes,
    ParseError,
    ShapeError,
    SymdiffError,
    UnsupportedError,
)
from symdiff.ir import F32, Function, Type, f32, f64, i64, interpret, parse_type, verify
from symdiff.ops import reduce_sum
from symdiff.parser.sympy import parameter_names, parse_sympy

S: Any = import_module("sympy")
k, n, m = S.symbols("k n m")
i, j, l = S.symbols("i j l", integer=True)  # noqa: E741
A, B, C, v = (S.MatrixSymbol(*a) for a in (("A", 3, 4), ("B", 4, 3), ("C", 3, 3), ("v", 4, 1)))
X = S.IndexedBase("X", shape=(4, 5))
x, y = S.IndexedBase("x", shape=(6,)), S.IndexedBase("y", shape=(5,))
BASES = {"X": X, "x": x, "y": y}
MATRICES = {"A": A, "B": B, "C": C, "v": v}
SHAPES: dict[str, tuple[int, ...]] = {
    "A": (3, 4), "B": (4, 3), "C": (3, 3), "v": (4, 1), "X": (4, 5), "x": (6,), "y": (5,), "k": (),
}  # fmt: skip


@pytest.fixture
def point(rng: np.random.Generator) -> dict[str, Any]:
    return {name: np.asarray(rng.uniform(0.3, 1.7, shape)) for name, shape in SHAPES.items()}


def read(expr: Any, **types: str) -> Function:
    fn = parse_sympy(expr, {name: parse_type(t) for name, t in types.items()} or None)
    verify(fn)
    return fn


def value(fn: Function, point: dict[str, Any]) -> Any:
    return interpret(fn, [point[name] for name in fn.param_names])[0]


def operations(fn: Function) -> list[str]:
    return [v.op.name for v in fn.live() if v.op.name not in ("param", "const")]


def unrolled(expr: Any) -> Any:
    """`expr` with the terms of sums and products, outer ones first: SymPy leaves inner bounds."""
    if isinstance(expr, (S.Sum, S.Product)):
        *inner, (index, low, high) = expr.limits
        rest = expr.func(expr.function, *inner) if inner else expr.function
        at = [S.Integer(number) for number in range(int(low), int(high) + 1)]
        terms = [unrolled(rest.xreplace({index: number})) for number in at]
        if terms and terms[0].is_Matrix:
            return S.MatAdd(*terms)
        return S.Add(*terms) if isinstance(expr, S.Sum) else S.Mul(*terms)
    return expr.func(*map(unrolled, expr.args)) if expr.has(S.Sum, S.Product) else expr


def by_sympy(expr: Any, point: dict[str, Any]) -> Any:
    """What SymPy makes of `expr` at `point`."""
    expr = expr if isinstance(expr, S.NDimArray) else unrolled(expr).doit()
    expr = expr.subs(k, S.Float(point["k"]))
    for name, base in BASES.items():
        places = product(*map(range, SHAPES[name]))
        expr = expr.xreplace({base[place]: S.Float(point[name][place]) for place in places})
    expr = expr.subs({s: S.Matrix(point[name]) for name, s in MATRICES.items()})
    expr = expr if isinstance(expr, S.NDimArray) else expr.doit()
    return np.array(expr.tolist() if hasattr(expr, "tolist") else expr, np.float64)


MATRIX_EXPRESSIONS = [
    A * B, A * B + C, A - 2 * A, C.T, (A * B).T * C, k * A, -A, k * A * v, C**3, C**0, C**1,
    C + S.Identity(3), C - S.ZeroMatrix(3, 3), S.OneMatrix(3, 4) + A, S.HadamardProduct(C, C, C.T),
    S.HadamardPower(C, 2), S.HadamardPower(C, k), C.applyfunc(S.sin), (A * v).applyfunc(S.exp),
    C.applyfunc(S.Lambda(m, m**2 + 1)), (A * B).applyfunc(S.Lambda(n, k * n)), S.Adjoint(C),
    S.Trace(C), S.Trace(A * B), S.Trace(k * A * B), S.Trace(C) * k, S.Trace(C + A * B), A[1, 2] * k,
    (A * B)[0, 1], S.DotProduct(v, v), S.DotProduct(v.T, v), A[0:2, 1:3], A[::2, 3:0:-1],
    S.Matrix([[k, k**2], [1, S.sin(k)]]), S.Matrix([k, 2]), S.Matrix([[1, 2]]) * k,
    S.ImmutableMatrix([[1, 2], [3, 4]]), S.SparseMatrix(2, 3, {(0, 1): k}), S.Matrix([[A[0, 1]]]),
    S.Array([[k, 1], [2, k**2]]), S.Array([k, 1]), S.Array([[[1, k]]]),
    S.BlockMatrix([[A, C], [B.T, C.T]]), S.BlockMatrix([[C], [C * k]]), S.BlockMatrix([[A, C]]),
    A * S.Matrix([[k], [1], [2], [3]]), v.T * v + S.Matrix([[k]]), (v.T * v)[0, 0] ** 2,
]  # fmt: skip

INDEX_SUMS = [
    S.Sum(x[i] ** 2, (i, 0, 5)), S.Sum(k * x[i] * i, (i, 1, 4)), S.Sum(x[2], (i, 0, 5)),
    S.Sum(100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2, (i, 0, 4)),
    S.Sum(X[i, j] * y[j], (j, 0, 4), (i, 0, 3)), S.Sum(X[i, j] * y[j], (i, 0, 3), (j, 0, 4)),
    S.Sum(1 / (1 + (x[i] - x[j]) ** 2), (j, 0, i - 1), (i, 0, 5)),
    S.Sum(1 / (x[i] - x[j]) ** 2, (j, i + 1, 5), (i, 0, 4)),
    S.Sum(x[i] * x[j] * y[l], (l, 0, j), (j, 0, i - 1), (i, 0, 4)),
    S.Sum(S.Sum(x[i] * y[j], (j, 0, i)), (i, 0, 4)), S.Sum(x[2 * i], (i, 0, 2)),
    S.Sum(x[i] * S.Sum(y[j], (j, 0, 4)), (i, 0, 5)), S.Sum(x[5 - i] * i, (i, 0, 5)),
    S.Sum(x[i + j], (j, 0, 2), (i, 0, 3)), S.Sum(x[i - 1] * y[j], (j, 0, i - 1), (i, 0, 5)),
    S.Sum(x[i - j], (j, 0, i), (i, 0, 5)), S.Sum(X[i, i], (i, 0, 3)),
    S.Sum(X[i, 2] * X[3, i], (i, 0, 3)), S.Sum(X[3 - i, i + 1], (i, 0, 3)),
    S.Sum(x[S.Mod(i + 1, 6)] * x[i], (i, 0, 5)), S.Sum(x[S.floor(i / 2)], (i, 0, 5)),
    S.Sum(S.Piecewise((x[i], i < 3), (x[i] ** 2, True)), (i, 0, 5)),
    S.Sum(A[i, j] * B[j, i], (i, 0, 2), (j, 0, 3)), S.Sum(A[i, 0] * A, (i, 0, 2)),
    S.Sum(S.Sum(x[i], (i, 0, 5)) * k**j, (j, 0, 3)),
    S.Sum(x[i] * S.Sum(k * j, (j, 0, i)), (i, 0, 5)),
    S.Sum(x[i], (i, 0, 5)) + S.Sum(x[i], (i, 2, 3)), S.log(S.Sum(S.exp(x[i]), (i, 0, 5))),
    S.Sum(x[i], (i, 3, 2)), S.Sum(k, (j, 0, i), (i, 0, 30)), S.Sum(k * A, (j, 1, 3)),
    S.Sum(A * B * j, (j, 1, 3)), S.Product(x[i], (i, 1, 5)),
    S.Product(x[i] + j, (j, 0, i), (i, 0, 3)), S.Product(x[2], (i, 0, 3)),
    S.Product(x[i], (i, 3, 2)), S.Sum(x[S.Idx(i, 6)], (S.Idx(i, 6), 0, 5)),
    S.Sum(S.Product(X[i, j], (j, 0, 4)), (i, 0, 3)), x[2] * x[3] + x[0],
    S.Sum(x[i] * S.KroneckerDelta(i, 2), (i, 0, 5)), S.Sum(x[i] ** 2, (i, 0, 5)).diff(x[3]),
]  # fmt: skip


@pytest.mark.parametrize("expr", [*MATRIX_EXPRESSIONS, *INDEX_SUMS], ids=str)
def test_values_agree_with_sympy(expr: Any, point: dict[str, Any]) -> None:
    got, expected = value(read(expr), point), by_sympy(expr, point)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize(
    "expr",
    [
        S.Trace(A * B * C), S.Trace(C**3), S.Sum(C.applyfunc(S.tanh)[i, j], (i, 0, 2), (j, 0, 2)),
        (v.T * B * A * v)[0, 0], S.DotProduct(v, v), *INDEX_SUMS[:21], *INDEX_SUMS[-9:-4],
    ],
    ids=str,
)  # fmt: skip
def test_gradients_agree_with_differences(expr: Any, point: dict[str, Any]) -> None:
    fn = read(expr)
    total = fn.outputs[0]
    total = reduce_sum(total, shape=()) if total.type.shape else total
    fn = Function(fn.name, fn.params, (total,))
    wrt = list(range(len(fn.params)))
    args = [point[name] for name in fn.param_names]
    step = 1e-5
    for at, found in enumerate(interpret(gradient(fn, wrt, False), args)):
        assert found.shape == args[at].shape
        for place in np.ndindex(args[at].shape):
            ends: list[float] = []
            for h in (step, -step):
                moved = args[at].copy()
                moved[place] += h
                ends.append(float(interpret(fn, [*args[:at], moved, *args[at + 1 :]])[0]))
            slope = (ends[0] - ends[1]) / (2 * step)
            np.testing.assert_allclose(found[place], slope, rtol=1e-6, atol=1e-7)


# Loops.


def test_sums_are_loops_however_long() -> None:
    long = S.IndexedBase("x", shape=(1_000_000,))
    expr = S.Sum(100 * (long[i + 1] - long[i] ** 2) ** 2 + (1 - long[i]) ** 2, (i, 0, 999_998))
    fn = read(expr)
    assert len(fn.live()) < 25
    at = np.linspace(0, 1, 1_000_000)
    expected = np.sum(100 * (at[1:] - at[:-1] ** 2) ** 2 + (1 - at[:-1]) ** 2)
    np.testing.assert_allclose(interpret(fn, [at])[0], expected, rtol=1e-12)


def test_long_sums_of_numbers_are_loops() -> None:
    fn = read(S.Sum(1 / (k + i) ** 2, (i, 1, 20_000)))
    assert len(fn.live()) < 15
    expected = np.sum(1 / (0.5 + np.arange(1, 20_001)) ** 2)
    np.testing.assert_allclose(interpret(fn, [0.5])[0], expected, rtol=1e-12)


def test_neighbours_are_slices() -> None:
    assert "gather" not in operations(read(S.Sum(x[i + 1] * x[5 - i] * X[2, i], (i, 0, 4))))
    assert "slice" not in operations(read(S.Sum(x[i], (i, 0, 5))))


def test_a_factor_without_the_index_is_not_repeated() -> None:
    fn = read(S.Sum(S.sin(x[i]) * S.cos(y[j]), (j, 0, 4), (i, 0, 5)))
    shapes = {v.op.name: v.type.shape for v in fn.live() if v.op.name in ("sin", "cos")}
    assert shapes == {"sin": (6,), "cos": (5,)}
    assert [v.type.shape for v in read(S.Sum(S.exp(k) * x[i], (i, 0, 5))).live()
            if v.op.name == "exp"] == [()]  # fmt: skip


def test_what_lies_beyond_the_bounds_is_never_felt() -> None:
    """The summand is infinite on the diagonal, which the sum leaves out."""
    fn = read(S.Sum(1 / (x[i] - x[j]) ** 2 + S.log(x[i] - x[j]), (j, 0, i - 1), (i, 0, 5)))
    at = np.arange(1.0, 7.0)
    assert np.isfinite(interpret(fn, [at])[0])
    assert np.isfinite(interpret(gradient(fn, [0], True), [at])[0]).all()


def test_indices_may_come_from_arrays() -> None:
    index = S.IndexedBase("index", shape=(3,))
    expr = S.Sum(x[index[i]] * x[index[i] + 1], (i, 0, 2))
    fn = read(expr)
    assert [str(p.type) for p in fn.params] == ["i64[3]", "f64[6]"]
    at = np.arange(1.0, 7.0)
    assert interpret(fn, [[0, 4, 4], at])[0] == 1 * 2 + 5 * 6 + 5 * 6
    (slope,) = interpret(gradient(fn, [1], True), [[0, 4, 4], at])
    np.testing.assert_array_equal(slope, [2, 1, 0, 0, 12, 10])
    narrow = read(expr, index="i32[3]", x="f32[6]")
    assert str(narrow.outputs[0].type) == "f32"
    assert interpret(narrow, [[0, 4, 4], at])[0] == 62


def test_an_index_may_be_a_whole_parameter() -> None:
    fn = parse_sympy(x[i] * 2, {"i": Type(i64), "x": Type(f64, (6,))})
    assert interpret(fn, [3, np.arange(6.0)]) == [6.0]


# Products of matrices.


def test_products_are_associated_the_cheap_way() -> None:
    fn = read(A * B * A * v)
    shapes = [v.type.shape for v in fn.live() if v.op.name == "contract"]
    assert shapes == [(3, 1), (4, 1), (3, 1)]


def test_a_trace_does_not_form_the_product() -> None:
    assert operations(read(S.Trace(A * B))) == ["contract"]


# Shapes and types.

M, w = S.MatrixSymbol("M", m, n), S.MatrixSymbol("w", n, 1)


def test_extents_come_from_args() -> None:
    assert [p.type.shape for p in read(M * w, M="f64[2,3]", w="f64[3,1]").params] == [
        (2, 3),
        (3, 1),
    ]
    vector = read(M * w, w="f64[3]", M="f64[2,3]")
    assert vector.param_names == ("w", "M")
    got = interpret(vector, [[1.0, 2, 3], np.ones((2, 3))])[0]
    np.testing.assert_array_equal(got, [[6], [6]])
    mean = S.Sum(w[i, 0], (i, 0, n - 1)) / n
    assert interpret(read(mean, w="f64[4]"), [[1.0, 2, 3, 6]]) == [3.0]


def test_indexed_shapes_come_from_args() -> None:
    free, sized = S.IndexedBase("u"), S.IndexedBase("u", shape=(n,))
    assert interpret(read(S.Sum(free[i], (i, 0, 2)), u="f64[3]"), [[1.0, 2, 4]]) == [7.0]
    assert interpret(read(S.Sum(sized[i], (i, 0, n - 1)), u="f64[3]"), [[1.0, 2, 4]]) == [7.0]
    assert interpret(read(S.Sum(sized[i], (i, 0, n - 1)), u="f64[0]"), [[]]) == [0.0]


@pytest.mark.parametrize(
    ("expr", "names"),
    [
        (M * w, ["M", "w"]),
        (k * S.Trace(M * M.T) + n, ["M", "k"]),
        (S.Sum(S.IndexedBase("u")[i] * k, (i, 0, 2)), ["k", "u"]),
        (S.Lambda((w, M), M * w), ["w", "M"]),
        (M.applyfunc(S.sin), ["M"]),
        ((w.T * M.T * M * w)[0, 0], ["M", "w"]),
    ],
)  # fmt: skip
def test_unknown_shapes_are_asked_for(expr: Any, names: list[str]) -> None:
    assert parameter_names(expr) == names
    with pytest.raises(NeedsShapes, match="is not known"):
        parse_sympy(expr)


def test_types_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="n is 4 in one array and 3 in M"):
        read(M * w, M="f64[2,3]", w="f64[4,1]")
    with pytest.raises(ShapeError, match=r"A has the shape \(3, 4\), not that of f64\[4,3\]"):
        read(S.Trace(A * B), A="f64[4,3]", B="f64[4,3]")
    with pytest.raises(ShapeError, match=r"x has the shape \(6,\), not that of f64\[6,1\]"):
        read(x[0], x="f64[6,1]")
    with pytest.raises(ShapeError, match="1 indices for an array of shape"):
        read(S.IndexedBase("u")[0], u="f64[2,3]")


def test_precision() -> None:
    fn = read(S.Trace(C) + k * S.Sum(x[i], (i, 0, 5)), C="f32[3,3]", k="f32", x="f32[6]")
    assert fn.outputs[0].type == F32
    assert {v.type.dtype for v in fn.live() if v.type.dtype.kind == "f"} == {f32}


def test_args_may_give_the_order_alone() -> None:
    fn = parse_sympy(k * S.Trace(C), dict.fromkeys(("k", "C"), Type(f64)))
    assert [str(p.type) for p in fn.params] == ["f64", "f64[3,3]"]


def test_symbols_may_be_declared_as_arrays() -> None:
    """Formulas of numbers work on arrays element by element."""
    fn = read(S.Piecewise((k * m, k > 1), (S.sin(m), True)), k="f64[2,1]", m="f64[3]")
    a, b = np.array([[0.5], [2.0]]), np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(interpret(fn, [a, b])[0], np.where(a > 1, a * b, np.sin(b)))


def test_several_outputs_and_lambdas() -> None:
    fn = read([C * C.T, S.Trace(C), k])
    assert [o.type.shape for o in fn.outputs] == [(3, 3), (), ()]
    assert parse_sympy(S.Lambda((k, C), k * C)).param_names == ("k", "C")


# Refusals.


@pytest.mark.parametrize(
    ("expr", "error", "message"),
    [
        (C.I, UnsupportedError, "linear algebra"),
        (S.Determinant(C), UnsupportedError, "linear algebra"),
        (C**-2, UnsupportedError, "linear algebra"),
        (S.MatPow(C, 100), UnsupportedError, "whole numbers from 0 to 64"),
        (S.MatPow(C, k), UnsupportedError, "powers of matrices"),
        (S.Sum(x[i], (i, 0, 6)), IndexRangeError, r"x\[i\]: index 0 runs from 0 to 6, .* 6 el"),
        (S.Sum(x[i - 1], (i, 0, 5)), IndexRangeError, r"runs from -1 to 4"),
        (S.Sum(x[j + 1], (j, 0, i), (i, 0, 5)), IndexRangeError, r"x\[j \+ 1\]: .* 1 to 6"),
        (x[-1], IndexRangeError, "-1"),
        (S.Sum(x[i], (i, 0, n)), UnsupportedError, r"range 0\.\.n .*extents of arrays"),
        (S.Sum(x[i], (i, 0, S.oo)), UnsupportedError, r"range 0\.\.oo"),
        (S.Sum(x[i], (i, 4, 1)), UnsupportedError, "ends before it begins"),
        (x[k], UnsupportedError, "k is no whole number"),
        (x[i / 2], UnsupportedError, "no whole number"),
        (x[S.Idx(i, 6)], UnsupportedError, "no whole number, index of a sum"),
        (x[0] + S.Symbol("x"), UnsupportedError, "both a symbol and an array"),
        (S.Sum(S.Trace((x[i] * C) ** 2), (i, 0, 5)), UnsupportedError, "index of a sum"),
        (x[0] + S.IndexedBase("x", shape=(7,))[1], UnsupportedError, "two different arrays"),
        (S.MatrixSymbol("Z", 2, 2).applyfunc(S.Function("f")), UnsupportedError, "definition"),
        (S.KroneckerProduct(C, C), UnsupportedError, "KroneckerProduct"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_refused(expr: Any, error: type[SymdiffError], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_sympy(expr)


def test_an_array_that_is_not_among_args_is_named() -> None:
    with pytest.raises(ParseError, match="'C' is not among the parameters: k"):
        parse_sympy(k * S.Trace(C), {"k": Type(f64)})


def test_depth_is_limited_by_memory_alone() -> None:
    deep = x[2]
    for at in range(20_000):
        deep = S.sin(deep, evaluate=False) if at % 2 else S.Add(deep, k, evaluate=False)
    assert operations(read(deep)).count("sin") == 10_000
