"""Debugging: what is planted in a formula is found, at its line and column."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
import sympy

import symdiff as sd
from symdiff.debugging import Finding
from symdiff.graph import Place


def program(planted: str, count: int = 200, at: int = 100) -> str:
    """A formula of some 200 operations, on several lines, with `planted` in the middle."""
    terms = [f"sin({i}.5*x)*y" for i in range(count // 4)]
    terms.insert(at // 4, planted)
    lines = [" + ".join(terms[k : k + 7]) for k in range(0, len(terms), 7)]
    named = [f"s{k} = {line}" for k, line in enumerate(lines)]
    return "\n".join([*named, " + ".join(f"s{k}" for k in range(len(lines)))])


def located(source: str, part: str) -> tuple[int, int]:
    """The line and the column of `part`, both counted from 1."""
    (line,) = [k for k, text in enumerate(source.split("\n"), 1) if part in text]
    return line, source.split("\n")[line - 1].index(part) + 1


def spot(found: Finding) -> Place:
    assert found.place is not None
    return found.place


def test_a_nan_in_the_middle_forward() -> None:
    source = program("cos(log(x - y))")
    assert sd.function(source).cost().value.total >= 200
    report = sd.debug(source)(1.0, 2.0)
    found = report.forward
    assert found is not None
    assert (found.phase, found.kind, found.node.op) == ("forward", "NaN", "log")
    assert (spot(found).line, spot(found).column) == located(source, "log(x - y)")
    assert spot(found).text == "log(x - y)"
    assert [(o.node.op, o.value) for o in found.operands] == [("sub", -1.0)]
    assert math.isnan(report.value)
    assert not report
    lines = str(report).split("\n")
    line, column = located(source, "log(x - y)")
    assert lines[1] == f"forward: NaN first made by log(x - y), line {line}, column {column}"
    assert lines[2][lines[3].index("^") :].startswith("log(x - y)")
    assert lines[4] == "  operands: x - y = -1"
    assert report.backward is None  # that gradients are spoiled, too, is no news


def test_another_one_only_backward() -> None:
    source = program("sqrt((x - y)**2)")
    report = sd.debug(source)(2.0, 2.0)
    assert np.isfinite(report.value)
    assert report.forward is None
    first, second = report.findings
    assert report.backward is first
    assert (first.phase, first.kind, first.node.op) == ("backward", "infinity", "sqrt")
    assert (spot(first).line, spot(first).column) == located(source, "sqrt((x - y)**2)")
    assert (first.upstream, first.local) == (1.0, math.inf)
    assert [o.value for o in first.operands] == [0.0]
    line, column = located(source, "(x - y)**2")
    assert (second.kind, spot(second).line, spot(second).column) == ("NaN", line, column)
    assert (second.upstream, second.local) == (math.inf, 0.0)
    assert report.gradient is not None
    assert math.isnan(report.gradient["x"])
    text = str(report)
    assert "upstream gradient 1, local gradient inf" in text
    assert "sqrt: derivative inf at 0" in text


def test_what_the_arguments_have_is_told_as_such() -> None:
    report = sd.debug("x*y + z")(1.0, math.nan, 2.0)
    (found,) = report.findings
    assert (found.phase, found.kind, found.node.name, found.place) == ("input", "NaN", "y", None)
    assert report.forward is found
    assert "NaN among the arguments: y" in str(report)
    array = sd.debug(lambda x: np.sum(x * x))(np.array([1.0, math.inf, math.inf]))
    assert "infinity among the arguments: x (element [1], the first of 2)" in str(array)


@pytest.mark.parametrize("factor", [1e-200, 1e200, 5e-324, 1e307])
def test_norms_of_what_is_very_small_or_large(factor: float) -> None:
    report = sd.debug(lambda x: np.sum(x * factor))(np.ones(4))  # pyright: ignore
    (x,) = [m for m in report.magnitudes if m.node.name == "x"]
    assert (x.value, x.gradient) == (2.0, 2 * factor)


def test_constants() -> None:
    report = sd.debug(lambda x: x - np.inf)(1.0)
    assert report.forward is not None
    assert (report.forward.phase, report.finite) == ("constant", False)
    assert f"infinity among the constants, {__file__}, line " in str(report)
    masked = sd.debug(lambda x: np.exp(np.where(x > 0, x, -np.inf)))
    assert not masked(-1.0).findings


def test_what_is_selected_away_is_no_trouble() -> None:
    report = sd.debug("where(x > 0, 1/x, 2*x)")(0.0)
    assert report
    (found,) = report.findings
    assert (found.kind, found.reaches, found.node.op) == ("infinity", False, "div")
    assert report.forward is report.backward is None
    assert "it does not get any further: the outputs are finite" in str(report)


def test_stable_forms_are_what_counts() -> None:
    report = sd.debug("a = exp(x)\nlog(1 + a)")(1000.0)
    assert report
    assert report.value == 1000.0
    assert report.gradient == {"x": 1.0}


def test_elements_of_arrays() -> None:
    def f(x: Any) -> Any:
        y = np.sqrt(x)
        return np.sum(y)

    report = sd.debug(f)(np.array([[4.0, 1.0], [1.0, -3.0]]))
    found = report.forward
    assert found is not None
    assert (found.index, found.count, found.operands[0].value) == ((1, 1), 1, -3.0)
    assert spot(found).line == inspect.getsourcelines(f)[1] + 1
    assert spot(found).text == "np.sqrt(x)"
    back = sd.debug(f)(np.array([4.0, 0.0])).backward
    assert back is not None
    assert (back.index, back.upstream, back.local) == ((1,), 1.0, math.inf)


def test_what_is_broadcast_is_called_what_it_was() -> None:
    report = sd.debug(lambda x: np.sum(x / np.sum(x)))([0.0, 0.0])
    assert "  operands: x = 0, np.sum(x) = 0\n" in str(report)
    assert str(report).startswith("f at x=[0.0, 0.0]\n")


def test_loops_tell_step_and_operation() -> None:
    def f(x: Any) -> Any:
        def step(c: Any, a: Any) -> Any:
            d = c - a
            return np.sqrt(d), c

        return sd.scan(step, 2.0, x)[0]

    report = sd.debug(f)(np.array([0.5, 0.6, 0.7, 0.9]))
    found = report.forward
    assert found is not None
    assert (found.node.op, found.step) == ("scan", 3)
    assert found.inside is not None
    assert found.inside.op == "sqrt"
    assert spot(found).line == inspect.getsourcelines(f)[1] + 3
    assert found.operands[0].value == pytest.approx(-0.5993, abs=1e-4)
    assert "in step 3 of the loop" in str(report)
    backwards = sd.debug(lambda x: sd.scan(lambda c, a: (np.sqrt(c - a), c), 2.0, x, reverse=True))
    found = backwards(np.array([9.0, 0.5])).forward
    assert found is not None
    assert found.step == 0


def test_custom_derivatives_and_gates_that_fail_backward() -> None:
    class Inverse:
        def forward(self, x: Any) -> Any:
            self.x = x
            return 1.0 if x == 0 else x  # needs numbers

        def backward(self, dz: Any) -> Any:
            return [dz * math.inf]

    report = sd.debug("x + inverse(x*y)", gates={"inverse": Inverse})(0.0, 1.0)
    found = report.backward
    assert found is not None
    assert (found.node.label, found.kind, spot(found).column) == ("Inverse", "infinity", 5)

    @sd.custom_vjp
    def f(x: Any) -> Any:
        return x * 1.0

    f.defvjp(lambda x: (f(x), None), lambda _, bar: (bar * np.nan,))
    found = sd.debug(lambda x: 2.0 * f(x))(1.0).backward
    assert found is not None
    assert (found.node.op, found.node.label, found.kind) == ("custom", "f", "NaN")


def test_sums_of_gradients_may_overflow() -> None:
    report = sd.debug("1.1e308*x + 1.2e308*x")(0.5)
    found = report.backward
    assert found is not None
    assert (found.kind, found.node.name, found.towards) == ("infinity", "x", None)
    assert "infinity first made in the sum of what comes back to x" in str(report)


# Sizes.


def test_vanishing_gradients() -> None:
    def deep(x: Any) -> Any:
        for _ in range(30):
            x = 1.0 / (1.0 + np.exp(-x))
        return x

    report = sd.debug(deep)(0.3)
    assert report
    assert not report.exploding
    sizes = {m.node.name: m for m in report.magnitudes}
    slope = sd.grad(deep)(0.3)
    assert 0 < slope < 1e-6
    assert sizes["x"].verdict == "vanishing"
    assert sizes["x"].gradient == pytest.approx(slope, rel=1e-12)
    for m in report.magnitudes:
        assert (m.verdict == "vanishing") == (abs(m.node.gradient) < 1e-6)
    assert "x: 0.3, " in str(report)
    assert "vanishing gradients (below 1e-06 of those at the outputs)" in str(report)


def test_exploding_and_missing_gradients() -> None:
    report = sd.debug("exp(20*x) + floor(y)")(1.0, 2.0)
    sizes = {m.node.name: (m.gradient, m.verdict) for m in report.magnitudes}
    assert sizes["x"] == (pytest.approx(20 * math.exp(20)), "exploding")
    assert sizes["y"] == (0.0, "zero")
    norm = sd.debug(lambda x: np.sum(x * x))(np.array([3.0, 4.0])).magnitudes[0]
    assert (norm.value, norm.gradient) == (5.0, 10.0)


# ReLUs.


@pytest.mark.parametrize(
    "rectified",
    [
        "max(x, 0)", "max(0, x)", "relu(x)", "where(x > 0, x, 0)", "where(x <= 0, 0, x)",
        "where(0 < x, x, 0)", "where(x >= 0, x, 0)", "x if x > 0 else 0",
    ],
)  # fmt: skip
def test_dead_relus_however_written(rectified: str) -> None:
    report = sd.debug(rectified)
    for at in (-2.0, 3.0):
        (relu,) = report(at).relus
        assert relu.fraction == (sd.grad(rectified)(at) == 0.0)


@pytest.mark.parametrize(
    "other", ["min(x, 0)", "where(x > 0, 0, x)", "max(x, 1)", "where(y > 0, x, 0)"]
)
def test_what_is_no_relu(other: str) -> None:
    names = sd.function(other).parameters
    assert not sd.debug(other)(*[1.0] * len(names)).relus


def test_dead_units_of_a_batch() -> None:
    def layer(W: Any, x: Any) -> Any:
        return np.sum(np.maximum(x @ W - 1.0, 0))

    rng = np.random.default_rng(0)
    W, x = rng.normal(size=(3, 5)), rng.normal(size=(8, 3))
    (relu,) = sd.debug(layer)(W, x).relus
    flat = x @ W - 1.0 < 0
    assert (relu.elements, relu.dead, relu.units) == (40, flat.sum(), 5)
    assert relu.dead_units == flat.all(axis=0).sum()
    assert f"{flat.sum()} of 40 elements are flat" in str(relu)


# Sources and errors.


def test_sympy_and_structures() -> None:
    x, y = sympy.symbols("x y")
    found = sd.debug(sympy.log(x - y) * y)(1.0, 2.0).forward
    assert found is not None
    assert (found.node.op, found.place) == ("log", None)
    report = sd.debug(lambda p: np.log(p["a"]) + p["b"])({"a": -1.0, "b": 2.0})
    assert report.forward is not None
    assert report.forward.operands[0].node.name == "p_a"
    assert report.at == {"p": {"a": -1.0, "b": 2.0}}


def test_gradients_of_gradients_have_places() -> None:
    report = sd.debug(sd.grad("y*sqrt(x)"))(1.0, 0.0)
    found = report.forward
    assert found is not None
    assert spot(found).text == "sqrt(x)"


def test_what_has_no_gradient() -> None:
    report = sd.debug("x > y")(1.0, 2.0)
    assert (report.value, report.gradient, report.finite) == (False, None, True)
    assert "the value is finite" in str(report)


def test_arguments_that_do_not_fit() -> None:
    with pytest.raises(sd.ArgumentError, match="missing y"):
        sd.debug("x*y")(1.0)
    with pytest.raises(sd.ArgumentError, match="x is 'a', expected a number"):
        sd.debug("x*y")("a", 1.0)
