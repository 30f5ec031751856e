"""Derivatives against their references, and where there are none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

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
