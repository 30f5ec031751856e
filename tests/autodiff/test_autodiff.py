"""Derivatives of whole functions: products, matrices, kinks, and NaNs that must not get through."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from formulas import functions
from hypothesis import assume, given
from hypothesis import strategies as st

import symdiff as sd
from symdiff import autodiff
from symdiff.ir import Function, interpret

INF = math.inf
coordinates = st.floats(-2, 2).filter(lambda v: abs(v) > 1e-3)


@given(fn=functions(), at=st.tuples(coordinates, coordinates, coordinates))
def test_forward_and_reverse_agree(fn: Function, at: tuple[float, float, float]) -> None:
    reverse = interpret(autodiff.gradient(fn, [0, 1, 2], bare=False), at)
    forward = interpret(autodiff.jacobian(fn, [0, 1, 2], bare=False, mode="forward"), at)
    for r, f in zip(reverse, forward, strict=True):
        if np.isfinite(r) and np.isfinite(f):
            np.testing.assert_allclose(f, r, rtol=1e-9, atol=1e-9)


@given(fn=functions(), at=st.tuples(coordinates, coordinates, coordinates))
def test_hessian_modes_agree_and_are_symmetric(fn: Function, at: Any) -> None:
    forward = interpret(autodiff.hessian(fn, [0, 1, 2], False, "forward"), at)
    reverse = interpret(autodiff.hessian(fn, [0, 1, 2], False, "reverse"), at)
    assume(np.all(np.isfinite(forward)) and np.all(np.isfinite(reverse)))
    assume(np.max(np.abs(forward)) < 1e6)
    matrix = np.array(forward, float).reshape(3, 3)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_allclose(forward, reverse, rtol=1e-7, atol=1e-7)


def test_composition() -> None:
    """grad(grad(f)), and grad of grad of a component."""
    third = sd.grad(sd.grad(sd.grad("x**4")))
    assert third(2.0) == 48.0
    mixed = sd.grad(sd.grad("x**2*sin(y)", wrt="y"), wrt="x")
    assert mixed(3.0, 0.5) == pytest.approx(6.0 * math.cos(0.5), rel=1e-15)


def test_results_are_bare_for_one_parameter_and_named_for_several() -> None:
    assert sd.grad("x**2")(3.0) == 6.0
    assert sd.grad("x*y", wrt="x")(3.0, 4.0) == 4.0
    assert sd.grad("x*y", wrt=1)(3.0, 4.0) == 3.0
    assert sd.grad("x*y", wrt=-1)(3.0, 4.0) == 3.0
    several = sd.grad("x*y*z", wrt=["z", 0])(2.0, 3.0, 4.0)
    assert several._asdict() == {"z": 6.0, "x": 12.0}


@pytest.mark.parametrize("wrt", ["q", 3, -4, 1.0, [None], ["x", "x"], [], ["x", "q"]])
def test_unknown_parameters_are_refused(wrt: Any) -> None:
    with pytest.raises(sd.ArgumentError, match="wrt"):
        sd.grad("x*y*z", wrt=wrt)


def test_products() -> None:
    assert sd.jvp("x*y, x + y")(3.0, 5.0, 1.0, 2.0) == ((15.0, 8.0), (11.0, 3.0))
    value, bars = sd.vjp("x*y, x + y")(3.0, 5.0, 1.0, 10.0)
    assert value == (15.0, 8.0)
    assert bars == (15.0, 13.0)
    hessian = np.array(sd.hessian("x**3*y + sin(y)")(1.5, 0.5))
    for v in itertools.product((0.0, 1.0, -2.0), repeat=2):
        product = sd.hvp("x**3*y + sin(y)")(1.5, 0.5, *v)
        np.testing.assert_allclose(product, hessian @ v, rtol=1e-14)


def test_parameter_names_that_are_taken_get_underscores() -> None:
    assert sd.jvp("x*d_x").parameters == ("x", "d_x", "d_x_", "d_d_x")


def test_jacobian_of_several_outputs() -> None:
    for mode in ("auto", "forward", "reverse"):
        jacobian = sd.jacobian("a*b, a + c, a", mode=mode)(2.0, 3.0, 4.0)
        np.testing.assert_array_equal(jacobian, [[3, 2, 0], [1, 0, 1], [1, 0, 0]])
    value, jacobian = sd.value_and_jacobian("a*b, a + c")(2.0, 3.0, 4.0)
    assert value == (6.0, 6.0)
    assert jacobian[0].b == 2.0
    with pytest.raises(sd.ArgumentError, match="mode"):
        sd.jacobian("x", mode="sideways")


def test_gradient_needs_one_real_output() -> None:
    with pytest.raises(sd.DifferentiationError, match="jacobian"):
        sd.grad("x, y")
    with pytest.raises(sd.DifferentiationError, match="floating-point"):
        sd.grad("x < y")


@pytest.mark.parametrize(
    ("formula", "at", "value", "derivative"),
    [
        ("x**2", 0.0, 0.0, 0.0),
        ("x**3", 0.0, 0.0, 0.0),
        ("x**0", 0.0, 1.0, 0.0),
        ("x**1", 0.0, 0.0, 1.0),
        ("x**2.5", 0.0, 0.0, 0.0),
        ("sqrt(x)", 0.0, 0.0, INF),
        ("abs(x)", 0.0, 0.0, 0.0),
        ("sign(x)", 0.0, 0.0, 0.0),
        ("relu(x)", 0.0, 0.0, 0.0),
        ("max(x, 0)", 0.0, 0.0, 0.5),
        ("min(x, 0)", 0.0, 0.0, 0.5),
        ("sigmoid(x)", 800.0, 1.0, 0.0),
        ("sigmoid(x)", -800.0, 0.0, 0.0),
        ("softplus(x)", 800.0, 800.0, 1.0),
        ("softplus(x)", -800.0, 0.0, 0.0),
        ("logaddexp(x, 1000)", 1000.0, 1000.0 + math.log(2.0), 0.5),
        ("logaddexp(x, -1000)", 1000.0, 1000.0, 1.0),
        ("tanh(x)", 400.0, 1.0, 0.0),
        ("tanh(x)", -800.0, -1.0, 0.0),
        ("hypot(x, 0)", 0.0, 0.0, 0.0),
        ("log1p(x)", 1e-300, 1e-300, 1.0),
        ("expm1(x)", -800.0, -1.0, 0.0),
        ("where(x > 0, log(x), x)", 0.0, 0.0, 1.0),
        ("where(x > 0, sqrt(x), 0)", 0.0, 0.0, 0.0),
        ("where(x > 0, 1/x, 2*x)", 0.0, 0.0, 2.0),
        ("where(x > 0, sin(log(sqrt(x))), x*x)", 0.0, 0.0, 0.0),
        ("where(x > 0, exp(1/x), 0) + x", 0.0, 0.0, 1.0),
        ("where(x > 1, where(x > 2, log(x - 2), sqrt(x - 1)), x)", 1.0, 1.0, 1.0),
        ("max(log(x), -5)", 0.0, -5.0, 0.0),
        ("relu(log(x))", 0.0, 0.0, 0.0),
        ("log(x) if x > 0 else 3*x", 0.0, 0.0, 3.0),
        ("1/(1 + exp(-x))", -800.0, 0.0, 0.0),
        ("1/(1 + exp(-x))", 800.0, 1.0, 0.0),
        ("exp(x)/(1 + exp(x))", 800.0, 1.0, 0.0),
        ("log(1 + exp(x))", 800.0, 800.0, 1.0),
    ],
)
def test_conventions_at_kinks_and_poles(
    formula: str, at: float, value: float, derivative: float
) -> None:
    assert sd.value_and_grad(formula)(at) == (value, derivative)
    assert sd.jvp(formula)(at, 1.0)[1] == derivative


@pytest.mark.parametrize(
    ("x", "y", "dx", "dy"),
    [
        (0.0, 2.0, 0.0, 0.0),
        (0.0, 1.0, 1.0, 0.0),
        (0.0, 0.0, 0.0, 0.0),
        (0.0, 0.5, INF, 0.0),
        (2.0, 0.0, 0.0, math.log(2.0)),
        (0.0, -1.0, -INF, -INF),
    ],
)
def test_the_general_power_at_zero(x: float, y: float, dx: float, dy: float) -> None:
    assert sd.grad("x**y")(x, y) == (dx, dy)


def test_softmax_of_several_large_exponents() -> None:
    fn = "exp(a)/(exp(a) + exp(b) + exp(c))"
    value, gradient = sd.value_and_grad(fn)(1000.0, 1000.0, 1000.0)
    assert value == pytest.approx(1 / 3, rel=1e-15)
    assert gradient == pytest.approx((2 / 9, -1 / 9, -1 / 9), rel=1e-14)
    assert sd.value_and_grad("exp(x)/(exp(x) + exp(y))")(1e3, 1e3) == (0.5, (0.25, -0.25))
    value, gradient = sd.value_and_grad("log(exp(a) + exp(b) + exp(c))")(1e3, 1e3, -1e3)
    assert value == pytest.approx(1e3 + math.log(2.0), rel=1e-15)
    assert gradient == pytest.approx((0.5, 0.5, 0.0), rel=1e-14)


@pytest.mark.parametrize(
    ("formula", "at", "expected"),
    [
        ("log(exp(x) + exp(y) + exp(z))", (-INF, -INF, 3.0), (3.0, (0.0, 0.0, 1.0))),
        ("exp(z)/(exp(x) + exp(y) + exp(z))", (-INF, -INF, 3.0), (1.0, (0.0, 0.0, 0.0))),
        ("exp(y)/(1 + exp(x)) + 0*z", (720.0, 720.0, 0.0), (1.0, (-1.0, 1.0, 0.0))),
        ("x/(2 + exp(y)) + 0*z", (1.0, 800.0, 0.0), (0.0, (0.0, 0.0, 0.0))),
        ("1/(1 + 3*exp(-x)) + y*z", (-800.0, 0.0, 0.0), (0.0, (0.0, 0.0, 0.0))),
        ("1/(1 + exp(x) + exp(y)) + 0*z", (900.0, 0.0, 0.0), (0.0, (0.0, 0.0, 0.0))),
        ("log2(exp(x) + exp(y)) * log(2) + 0*z", (900.0, -900.0, 0.0), (900.0, (1.0, 0.0, 0.0))),
        ("log(0.5*exp(x) + exp(y)/2) + 0*z", (900.0, 900.0, 0.0), (900.0, (0.5, 0.5, 0.0))),
    ],
)
def test_stable_forms_at_extreme_points(formula: str, at: Any, expected: Any) -> None:
    value, gradient = sd.value_and_grad(formula, args=["x", "y", "z"])(*at)
    assert value == pytest.approx(expected[0], rel=1e-14)
    assert gradient == pytest.approx(expected[1], rel=1e-12, abs=1e-300)


def test_second_derivative_of_hypot_does_not_cancel() -> None:
    for y in (1e-3, 1e-5, 1e-8, 1e-30):
        assert sd.hessian("hypot(x, y)")(1.0, y).x.x == pytest.approx(y * y, rel=3e-6)


@pytest.mark.parametrize("fn", ["max", "min"])
def test_a_nan_among_the_operands_of_max_is_not_a_silent_zero(fn: str) -> None:
    value, gradient = sd.value_and_grad(f"{fn}(x, y)")(1.0, math.nan)
    assert math.isnan(value)
    assert gradient == (1.0, 1.0)
    value, derivative = sd.value_and_grad(f"{fn}(x, sqrt(-1 - x*x))")(1.0)
    assert math.isnan(value)
    assert math.isnan(derivative)


def test_second_derivatives_at_kinks_stay_finite() -> None:
    assert sd.hessian("x**2")(0.0) == 2.0
    assert sd.hessian("x**3")(0.0) == 0.0
    assert sd.hessian("sigmoid(x)")(0.0) == 0.0
    assert sd.grad(sd.hessian("sigmoid(x)"))(0.0) == -0.125
    assert sd.hessian("softplus(x)")(0.0) == 0.25
    assert sd.hessian("tanh(x)")(0.0) == 0.0
    assert sd.grad(sd.hessian("tanh(x)"))(0.0) == -2.0
    assert sd.hessian("where(x > 0, log(x), x**2)")(0.0) == 2.0
    assert np.all(np.isfinite(sd.hessian("hypot(x, y)")(0.0, 1.0)))
    assert sd.hessian("x**y", wrt="x")(0.0, 2.0) == 2.0


@pytest.mark.parametrize("x", [5.0, 10.0, 18.0, 30.0, -18.0])
def test_saturated_derivatives_keep_their_digits(x: float) -> None:
    """1 - tanh(x)**2 and s*(1 - s) would have 8 digits left at 10 and none at 30."""
    e = math.exp(-2 * abs(x))
    assert sd.grad("tanh(x)")(x) == pytest.approx(4 * e / (1 + e) ** 2, rel=4e-15)
    e = math.exp(-abs(x))
    assert sd.grad("sigmoid(x)")(x) == pytest.approx(e / (1 + e) ** 2, rel=4e-15)


def test_the_gradient_does_not_depend_on_unused_parameters() -> None:
    fn = sd.function("x*2", ["x", "y"])
    assert sd.grad(fn)(3.0, math.nan) == (2.0, 0.0)


def test_sparse_derivatives_are_announced() -> None:
    for transform in (sd.jacobian, sd.hessian):
        with pytest.raises(sd.UnsupportedError, match="sparse"):
            transform("x*y", sparse=True)


def test_masks_travel_through_sums_and_copies() -> None:
    """An infinity under a sum that a `where` leaves out makes no NaN of the gradient."""

    def forces(x: Any) -> Any:
        far = 1 / (x[:, None] - x[None, :])
        triples = np.sum(far[:, :, None] * np.ones(3), axis=2)
        return np.sum(np.where(np.eye(4) > 0, 0.0, triples**2))

    x = np.array([0.0, 1.0, 3.0, 7.0])
    gradient = sd.grad(forces)(x)
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    expected = np.zeros(4)
    for i, j in pairs:
        expected[i] += 9 * -2 / (x[i] - x[j]) ** 3
        expected[j] -= 9 * -2 / (x[i] - x[j]) ** 3
    np.testing.assert_allclose(gradient, expected, rtol=1e-13)
