"""From a formula to numbers, on real input, against 50-digit arithmetic."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import mpmath
import numpy as np
import pytest
from formulas import Equation, physics

import symdiff as sd
from symdiff import ir
from symdiff.runtime import engine

sympy: Any = import_module("sympy")
every_equation = pytest.mark.parametrize("equation", physics(), ids=lambda e: e.name)
POINTS = 20


def from_text(equation: Equation) -> sd.Function:
    return sd.function(equation.formula, list(equation.ranges))


def from_sympy(equation: Equation) -> sd.Function:
    symbols = {name: sympy.Symbol(name) for name in equation.ranges}
    return sd.function(sympy.sympify(equation.formula, symbols), list(equation.ranges))


def from_python(equation: Equation) -> sd.Function:
    scope: dict[str, Any] = {n: getattr(np, n) for n in ("sin", "cos", "exp", "sqrt")}
    scope |= {"asin": np.arcsin, "pi": math.pi}
    names = ", ".join(equation.ranges)
    exec(f"def f({names}):\n    return {equation.formula}", scope)
    return sd.function(scope["f"])


@pytest.mark.parametrize("front", [from_text, from_sympy, from_python])
@every_equation
def test_equations_of_physics(equation: Equation, front: Any, rng: np.random.Generator) -> None:
    """Value, gradient and Hessian agree with 50 digits to 1e-12.

    Each derivative is compared on the scale of its formula: times the variables that it was
    taken by, relative to the largest of itself and the value. A second derivative that is a small
    difference of large terms has no more digits than that in float64.
    """
    fn = front(equation)
    names = list(equation.ranges)
    value_and_grad = sd.compile(sd.value_and_grad(fn, wrt=names))
    hessian = sd.compile(sd.hessian(fn, wrt=names))
    reference = from_text(equation).ir
    for _ in range(POINTS):
        at = [float(rng.uniform(*limits)) for limits in equation.ranges.values()]
        value, gradient = value_and_grad(*at)
        exact, first, second = exact_derivatives(reference, at)
        if exact is None:
            assert math.isnan(value)
            continue
        assert value == pytest.approx(exact, rel=1e-12)
        x = np.array(at)
        scale = np.maximum(abs(exact), np.abs(first * x))
        np.testing.assert_array_less(np.abs(np.array(gradient) - first) * x, 1e-12 * scale + 1e-300)
        outer = np.outer(x, x)
        scale = np.maximum(np.maximum.outer(scale, scale), np.abs(second) * outer)
        error = np.abs(np.array(hessian(*at)) - second) * outer
        np.testing.assert_array_less(error, 1e-12 * scale + 1e-300)


def exact_derivatives(fn: ir.Function, at: list[float]) -> tuple[Any, Any, Any]:
    """Value, gradient and Hessian, by differences in so many digits that they are exact to 50."""
    n = len(at)
    with mpmath.workdps(250):
        h = mpmath.mpf(10) ** -60

        def f(*shifts: tuple[int, int]) -> Any:
            point = [mpmath.mpf(v) for v in at]
            for i, sign in shifts:
                point[i] += sign * h
            return ir.evaluate_exactly(fn, point, mpmath.mp)[0]

        value = f()
        if isinstance(value, mpmath.mpc):
            return None, None, None  # off the domain of the formula
        first = np.array([float((f((i, 1)) - f((i, -1))) / (2 * h)) for i in range(n)])
        second = np.empty((n, n))
        for i in range(n):
            for j in range(i + 1):
                mixed = f((i, 1), (j, 1)) - f((i, 1), (j, -1)) - f((i, -1), (j, 1))
                total = mixed + f((i, -1), (j, -1))
                second[i, j] = second[j, i] = float(total / (4 * h * h))
    return float(value), first, second


def test_the_lecture() -> None:
    """(x + y) max(y, z) at (1, 2, 0): 6 and (2, 5, 0)."""
    value, gradient = sd.value_and_grad("(x + y) * max(y, z)")(1.0, 2.0, 0.0)
    assert value == 6.0
    assert gradient == (2.0, 5.0, 0.0)
    assert gradient._fields == ("x", "y", "z")
    assert gradient.y == 5.0


@pytest.mark.parametrize(
    ("formula", "names"),
    [
        ("(h/(2*pi))*omega**3/(pi**2*c**2*(exp((h/(2*pi))*omega/(kb*T))-1))", "h omega c kb T"),
        ("beta*(1+alpha*cos(theta))", "beta alpha theta"),
        ("n_rho*mom*tanh(mom*B/(kb*T))", "n_rho mom B kb T"),
        ("lambda*E_n + I*S - N/Q + gamma*gamma(2.5) - E", "lambda E_n I S N Q gamma E"),
        ("arcsin(lambd/(n*d)) + ln(V2/V1)", "lambd n d V2 V1"),
        ("-rho_c_0*q*A_vec/m", "rho_c_0 q A_vec m"),
    ],
)
def test_odd_names_of_physics(formula: str, names: str) -> None:
    fn = sd.function(formula)
    assert fn.parameters == tuple(names.split())
    at = {name: 1.0 + 0.125 * i for i, name in enumerate(fn.parameters)}
    value, gradient = sd.value_and_grad(fn)(**at)
    assert math.isfinite(value)
    assert all(math.isfinite(g) for g in gradient)
    assert sd.check(fn, at).passed
    assert sd.compile(sd.value_and_grad(fn)).numpy_source


@pytest.mark.parametrize("levels", [50, 100, 200, 400])
def test_levels_grow_linearly(levels: int) -> None:
    """x_{k+1} = x_k (1 + sin x_k): 3 operations a level, 7 with the gradient."""
    program = "x = x*(1 + sin(x))\n" * levels + "x"
    fn = sd.function(program)
    cost = fn.cost()
    assert cost.value.total == 3 * levels
    assert cost.value_and_grad.total <= 7 * levels
    value, derivative = sd.value_and_grad(fn)(1e-3)
    x, slope = 1e-3, 1.0
    for _ in range(levels):
        slope *= 1 + math.sin(x) + x * math.cos(x)
        x *= 1 + math.sin(x)
    assert value == pytest.approx(x, rel=1e-9)
    assert derivative == pytest.approx(slope, rel=1e-9)


def test_product_of_5000_variables() -> None:
    """The gradient costs under 4 operations a variable, the value included."""
    n = 5000
    fn = sd.function("*".join(f"x{i}" for i in range(n)))
    assert fn.cost().value_and_grad.total < 4 * n
    at = np.random.default_rng(0).uniform(0.9, 1.1, n).tolist()
    value, gradient = sd.value_and_grad(fn)(*at)
    assert value == pytest.approx(math.prod(at), rel=1e-12)
    np.testing.assert_allclose(gradient, [value / x for x in at], rtol=1e-11)


def test_derivation_lists_the_parameters_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lists: list[int] = []

    def counted(fn: ir.Function) -> tuple[str, ...]:
        lists.append(len(fn.params))
        return tuple([p.attr("name") for p in fn.params])

    fn = sd.function("*".join(f"x{i}" for i in range(200)))
    monkeypatch.setattr(ir.Function, "param_names", property(counted))
    sd.value_and_grad(fn)
    assert len(lists) < 20


def test_long_code_is_not_optimised(monkeypatch: pytest.MonkeyPatch) -> None:
    """LLVM's optimisation takes many times longer than all else; batches of it are plain loops."""
    optimised: list[bool] = []
    assemble = engine.assemble

    def recorded(text: str, *options: Any) -> engine.Image:
        if options:  # not the helpers that all kernels share
            optimised.append(options[-1])
        return assemble(text, *options)

    monkeypatch.setattr(engine, "assemble", recorded)
    products = ("*".join(f"x{i}" for i in range(n)) for n in (3000, 3))
    long, short = (sd.compile(product, cache=False) for product in products)
    assert long(*[1.0] * 3000) == short(1.0, 1.0, 1.0) == 1.0
    np.testing.assert_array_equal(short(np.full(9, 2.0), 1.0, 1.0), np.full(9, 2.0))
    assert optimised == [False, False, True]


def test_10000_nested_sines() -> None:
    fn = sd.function("sin(" * 10_000 + "x" + ")" * 10_000)
    value, derivative = sd.value_and_grad(fn)(0.5)
    x, slope = 0.5, 1.0
    for _ in range(10_000):
        slope, x = slope * math.cos(x), math.sin(x)
    assert value == pytest.approx(x, rel=1e-12)
    assert derivative == pytest.approx(slope, rel=1e-9)


@pytest.mark.slow
def test_sum_of_100000_terms() -> None:
    n = 100_000
    fn = sd.function("+".join(f"{i}*sin(x)" for i in range(n)))
    value, derivative = sd.value_and_grad(fn)(0.5)
    assert value == pytest.approx(math.sin(0.5) * n * (n - 1) / 2, rel=1e-9)
    assert derivative == pytest.approx(math.cos(0.5) * n * (n - 1) / 2, rel=1e-9)


def test_100000_nested_parentheses() -> None:
    assert sd.function("(" * 100_000 + "x" + ")" * 100_000)(2.0) == 2.0
