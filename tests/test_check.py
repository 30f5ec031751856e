"""Derivatives against their references, and where there are none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
from mpmath.libmp import ComplexResult

import symdiff as sd
from symdiff import ir
from symdiff.check import Row


def only(source: str, at: Mapping[str, float]) -> Row:
    (row,) = sd.check(source, at).rows
    return row


@pytest.mark.parametrize(
    ("source", "at"),
    [
        ("x**3", 0.0),  # the difference is the square of its step, not 0
        ("x**5", 0.0),
        ("sin(x)", math.pi / 2),
        ("log(x)", 1e-60),  # the step must not cross 0
        ("exp(-x**2)", 12.0),
        ("where(x == 0, 1, sin(x)/x)", 0.0),
        ("abs(x)", 0.0),
        ("log(x) + 1e10", 3.0),
    ],
)
def test_references_with_50_digits(source: str, at: float) -> None:
    row = only(source, {"x": at})
    assert row.exact is not None
    assert row.reference == row.exact
    assert row.verdict == "ok"
    assert row.error < 1e-13


@pytest.mark.parametrize(
    ("source", "at"),
    [
        ("sqrt(x)", 0.0),
        ("cbrt(x)", 0.0),
        ("asin(x)", 1.0),
        ("1/x", 0.0),
        ("1/x**2", 0.0),  # differences agree on 0, by symmetry
        ("log(x)", 0.0),
        ("log(x)", -1.0),
        ("gamma(x)", -1.0),
        ("lgamma(x)", 0.0),
        ("exp(x)", 800.0),
        ("exp(exp(x))", 1e300),
        ("floor(x)*x", 1.0),  # a jump
        ("floor(x)", 1.0),
        ("sign(x)", 0.0),
        ("x*x", math.inf),
        ("x", math.nan),
    ],
)
def test_no_reference_is_no_failure(source: str, at: float) -> None:
    report = sd.check(source, {"x": at})
    (row,) = report.rows
    assert report.passed
    assert row.exact is None
    assert row.reference is None
    assert math.isnan(row.difference)
    assert math.isnan(row.error)
    assert row.verdict == "no reference"
    assert str(row) == f"d value / d x = {row.gradient!r}  (no reference)"
    assert str(row) in str(report)


def test_a_reference_for_one_parameter_and_not_for_the_other() -> None:
    x, y = sd.check("sqrt(x) + y", {"x": 0, "y": 1}).rows
    assert (x.verdict, y.verdict) == ("no reference", "ok")
    assert y.exact == 1.0


def test_a_convention_at_a_kink_is_reported() -> None:
    report = sd.check("relu(x)", {"x": 0})
    assert not report.passed
    assert str(report).endswith("(reference 0.5, relative error 1.0e+00)  FAILED")


@pytest.mark.parametrize("gradient", [math.nan, math.inf, 2.0, 1.001])
def test_a_wrong_gradient_fails(gradient: float, monkeypatch: pytest.MonkeyPatch) -> None:
    right = sd.jacobian("x", wrt=["x"])
    wrong = ir_returning(right, gradient)
    monkeypatch.setattr("symdiff.api.jacobian", lambda *_args, **_options: wrong)
    assert only("x", {"x": 1.0}).verdict == "FAILED"


def ir_returning(fn: sd.Function, number: float) -> Any:
    """A stand-in for `fn` that is `number` everywhere."""

    class Constant:
        ir = fn.ir

        def __call__(self, *_: float) -> Any:
            return ir.build(fn.ir.result, iter([number]))

    return Constant()


@pytest.mark.parametrize(
    "error", [AttributeError("_mpf_"), ComplexResult("negative"), OverflowError(), KeyError(1)]
)
def test_what_mpmath_raises_is_no_error(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(ir, "evaluate_exactly", fail)
    row = only("x*x", {"x": 3.0})
    assert row.exact is None
    assert row.reference == row.difference == pytest.approx(6.0, rel=1e-10)
    assert row.verdict == "ok"
    assert only("floor(x)*x", {"x": 1.0}).verdict == "no reference"
    assert only("relu(x)", {"x": 0.0}).verdict == "FAILED"
    assert only("cos(x) + 1e6", {"x": math.pi}).verdict == "ok"  # 0, give or take rounding


@pytest.mark.parametrize(
    "at",
    [
        {"x": "a"}, {"x": "1"}, {"x": None}, {"x": 1j}, {"x": 10**400}, {"x": 10**9999},
        {"x": [1, 2]}, {1: 2}, {"x": 1, 2: 3}, {}, 1.0, "1", b"1", {1.0}, [None], [], [1, 2],
    ],
)  # fmt: skip
def test_points_that_are_none(at: Any) -> None:
    with pytest.raises(sd.ArgumentError, match=r"^at"):
        sd.check("x*x", at)


@pytest.mark.parametrize("at", [{"x": 2}, [2], (2.0,), np.array([2.0]), {"x": np.float32(2)}])
def test_points(at: Any) -> None:
    assert sd.check("x*x", at).at == {"x": 2.0}


def test_boolean_outputs_have_no_derivative() -> None:
    with pytest.raises(sd.DifferentiationError):
        sd.check("x < y")


# Arrays.

RNG = np.random.default_rng(5)


def loss(params: Any, x: Any) -> Any:
    return np.sum(np.tanh(params["W"] @ x + params["b"]) ** 2)


def test_arrays() -> None:
    text = "u @ tanh(W @ x + b)"
    args = {"W": "f64[8,4]", "x": "f64[4]", "b": "f64[8]", "u": "f64[8]"}
    report = sd.check(text, args=args)
    assert report.passed
    assert [(row.parameter, row.shape) for row in report.rows] == [
        ("W", (8, 4)), ("x", (4,)), ("b", (8,)), ("u", (8,)),
    ]  # fmt: skip
    large, small = report.rows[:2]
    assert (large.entries, large.directions) == (8, 4)
    assert (small.entries, small.directions) == (4, 0)
    assert large.extent == "8 of 32 entries, 4 directions"
    assert small.extent == "all 4 entries"
    for row in report.rows:
        assert row.exact is not None
        assert row.error < 1e-14
        assert row.absolute < 1e-14
    assert "d value / d W[8,4]" in str(report)
    assert str(report) == str(sd.check(text, args=args))


@pytest.mark.parametrize(
    "source",
    [
        "def f(W: f64[2,3], x: f64[3]): return sum(W @ x)",
        "def f(W: f64[m,n], x: f64[n]): return tanh(W @ x)",
        lambda W, x: W @ x,
        lambda W, x: W**2 * x,
        lambda W, x: (np.max(W), {"y": np.cumsum(x), "z": np.exp(W)}),
        lambda W, x: sd.scan(lambda c, t: (c * t + 1.0, np.sin(c)), 0.5, x),
        lambda W, x: np.sum(np.linalg.norm(W, axis=1)) + np.mean(x[::-1] * x),
        lambda W, x: np.where(x > 0, np.sqrt(np.abs(x)), x) @ W.T,
    ],
)
def test_functions_of_arrays_at_a_point(source: Any) -> None:
    at = {"W": RNG.normal(size=(2, 3)), "x": RNG.normal(size=3)}
    report = sd.check(source, at)
    assert report.passed, str(report)
    assert all(row.exact is not None or row.verdict == "no reference" for row in report.rows)
    np.testing.assert_array_equal(report.at["W"], at["W"])
    assert str(sd.check(source, list(at.values()))) == str(report)


def test_outputs_that_are_arrays_get_random_cotangents() -> None:
    report = sd.check("tanh(W @ x)", args={"W": "f64[2,2]", "x": "f64[2]"})
    assert [row.output_shape for row in report.rows] == [(2,), (2,)]
    assert "d sum(c * value) / d W[2,2]" in str(report)
    assert "c: random cotangents" in str(report)


def test_structures() -> None:
    at = {"params": {"W": RNG.normal(size=(3, 2)), "b": 0.5}, "x": np.array([1.0, -2.0])}
    report = sd.check(loss, at)
    assert report.passed
    assert [row.parameter for row in report.rows] == ["params_W", "params_b", "x"]
    assert report.at["params"].keys() == {"W", "b"}
    with pytest.raises(sd.ArgumentError, match="params"):
        sd.check(
            sd.function(loss, {"params": {"W": "f64[3,2]", "b": "f64"}, "x": "f64[2]"}), [1.0, 2.0]
        )


class Line(NamedTuple):
    slope: float
    offset: float


def test_structures_of_numbers() -> None:
    report = sd.check(lambda line, x: line.slope * x + line.offset, [Line(2.0, 1.0), 3.0])
    assert [(row.parameter, row.gradient) for row in report.rows] == [
        ("line_slope", 3.0), ("line_offset", 1.0), ("x", 2.0),
    ]  # fmt: skip
    assert report.at["line"] == Line(2.0, 1.0)


def test_integers_are_skipped() -> None:
    def pick(x: Any, i: Any) -> Any:
        return np.sum(x[i] ** 2), np.argmax(x)

    report = sd.check(pick, [np.array([1.0, 2.0, 3.0]), np.array([0, 0, 2])])
    assert [(row.output, row.parameter) for row in report.rows] == [("value_0", "x")]
    assert report.skipped == ("i: i64[3]", "value_1: i64")
    assert "not differentiated: i: i64[3], value_1: i64" in str(report)
    drawn = sd.check("sum(w[k[i]] for i in range(4))", args={"w": "f64[3]", "k": "i64[4]"})
    assert drawn.passed
    assert drawn.at["k"].dtype == np.int64
    with pytest.raises(sd.ArgumentError, match="no floating-point parameters"):
        sd.check("k", args={"k": "i64"})


def test_large_arrays_are_sampled() -> None:
    text = "sum(100*(x[i+1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(len(x) - 1))"
    (row,) = sd.check(text, {"x": RNG.normal(size=100_000)}, args={"x": "f64[n]"}).rows
    assert row.passed
    assert row.exact is None  # 50 digits would take minutes
    assert row.reference == row.difference
    assert (row.entries, row.directions) == (8, 4)


def test_a_wrong_rule_for_arrays_fails() -> None:
    @sd.custom_vjp
    def double(x: Any) -> Any:
        return 2.0 * x

    double.defvjp(lambda x: (2.0 * x, None), lambda _, bar: (np.array([2.0, 2.0, 3.0]) * bar,))
    report = sd.check(lambda x: np.sum(double(x) * x), [np.array([1.0, 2.0, 3.0])])
    (row,) = report.rows
    assert not report.passed
    assert row.index == (2,)
    assert row.absolute == pytest.approx(3.0)
    assert " at [2] = " in str(row)
    assert str(row).endswith("FAILED")


def test_what_is_held_is_no_failure() -> None:
    report = sd.check(lambda x: np.sum(sd.stop_gradient(np.sin(x)) * x), [np.array([1.0, 2.0])])
    assert report.passed
    assert report.rows[0].exact is not None


def test_arrays_without_elements() -> None:
    report = sd.check("sum(x)", args={"x": "f64[0,3]"})
    (row,) = report.rows
    assert report.passed
    assert row.verdict == "empty"
    assert str(row) == "d value / d x[0,3]: no entries"


@pytest.mark.parametrize("types", [{"x": "f32"}, {"x": "f32[3]"}, {"x": "f32[40]"}])
def test_single_precision(types: dict[str, str]) -> None:
    (row,) = sd.check("sum(exp(x)*x)" if "[" in types["x"] else "exp(x)*x", args=types).rows
    assert row.passed
    assert row.error < 1e-5


def test_a_kink_in_an_array() -> None:
    report = sd.check("sum(relu(x))", {"x": [1.0, 0.0, -1.0]}, args={"x": "f64[3]"})
    assert not report.passed
    assert report.rows[0].index == (1,)
    assert sd.check("max(x)", {"x": [1.0, 1.0, 0.0]}, args={"x": "f64[3]"}).passed


def test_outputs_that_are_not_finite_have_no_reference() -> None:
    report = sd.check("sqrt(x)", {"x": [1.0, -1.0]}, args={"x": "f64[2]"})
    assert report.passed
    assert report.rows[0].verdict == "no reference"


@pytest.mark.parametrize(
    "at",
    [
        {"x": [1.0, 2.0]}, {"x": 1.0}, {"x": [[1.0, 2.0, 3.0]]}, {"x": ["a", "b", "c"]},
        {"x": [1.0, 2.0, [3.0]]}, {"x": [1j, 2.0, 3.0]}, {"y": [1.0, 2.0, 3.0]}, {}, [], 1.0, "x",
    ],
)  # fmt: skip
def test_points_that_do_not_fit_an_array(at: Any) -> None:
    with pytest.raises(sd.ArgumentError, match=r"^at"):
        sd.check("sum(x)", at, args={"x": "f64[3]"})


def test_open_shapes_need_a_point() -> None:
    for source in (lambda x: np.sum(x), "def f(x: f64[n]): return sum(x)"):
        with pytest.raises(sd.NeedsShapes, match="depends on the shapes of x"):
            sd.check(source)
        with pytest.raises(sd.ArgumentError, match=r"^at: missing x; unknown y"):
            sd.check(source, {"y": [1.0]})
        with pytest.raises(sd.ArgumentError, match=r"^at: 2 values"):
            sd.check(source, [[1.0], [2.0]])


def test_derivatives_of_open_functions() -> None:
    x = np.array([1.0, 2.0])
    assert sd.check(sd.grad(lambda x: np.sum(x**3)), [x]).passed
    report = sd.check(sd.vjp(lambda x: np.cumsum(x**3)), [x, np.array([1.0, -1.0])])
    assert report.passed
    assert {row.parameter for row in report.rows} == {"x", "value_bar"}
