"""Functions whose derivatives the user writes: sd.custom_vjp and sd.custom_jvp."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from derivatives import check_derivatives, verified
from numpy.testing import assert_allclose

import symdiff as sd
from symdiff import autodiff
from symdiff.ir import Function, interpret, parse_type, print_function, read_function
from symdiff.ops import OPS, custom
from symdiff.parser import trace
from symdiff.passes.loops import inline_custom


def traced(function: Any, **types: str) -> Function:
    return verified(trace(function, {name: parse_type(type) for name, type in types.items()}))


def make_scaled(forward: bool = False) -> Any:
    """x**2 * y with a derivative that is 10 times too large, so that one sees it used."""

    @sd.custom_vjp
    def scaled(x: Any, y: Any) -> Any:
        return x**2 * y

    def fwd(x: Any, y: Any) -> Any:
        return x**2 * y, (x, y)

    def bwd(residuals: Any, bar: Any) -> Any:
        x, y = residuals
        return 20 * x * y * bar, 10 * x**2 * bar

    scaled.defvjp(fwd, bwd)
    if forward:

        @scaled.defjvp
        def push(primals: Any, tangents: Any) -> Any:
            (x, y), (dx, dy) = primals, tangents
            return x**2 * y, 20 * x * y * dx + 10 * x**2 * dy

    return scaled


def test_the_rule_is_used_in_reverse_mode() -> None:
    scaled = make_scaled()
    fn = traced(lambda x, y: np.sin(scaled(x, y)), x="f64", y="f64")
    assert custom in {v.op for v in fn.live()}
    x, y = 0.7, 0.3
    gradient = autodiff.gradient(fn, [0, 1], bare=False, with_value=True)
    inner = np.cos(x**2 * y)
    expected = [np.sin(x**2 * y), 20 * x * y * inner, 10 * x**2 * inner]
    assert_allclose(interpret(verified(gradient), [x, y]), expected, rtol=1e-14)
    assert_allclose(interpret(inline_custom(fn), [x, y]), expected[:1], rtol=1e-15)
    assert scaled(x, y) == x**2 * y
    assert scaled(y=y, x=x) == x**2 * y


def test_a_second_derivative_is_that_of_the_rule() -> None:
    scaled = make_scaled()
    fn = traced(scaled, x="f64", y="f64")
    x, y = 0.7, 0.3
    expected = [20 * y, 20 * x, 20 * x, 0.0]
    for mode in ("forward", "reverse"):
        hessian = autodiff.hessian(fn, [0, 1], False, mode)
        assert_allclose(interpret(verified(hessian), [x, y]), expected, rtol=1e-14)


def test_the_rule_is_used_in_forward_mode() -> None:
    scaled = make_scaled(forward=True)
    fn = traced(lambda x, y: np.sin(scaled(x, y)), x="f64", y="f64")
    check = interpret(verified(autodiff.jvp(fn, [0, 1])), [0.7, 0.3, 1.0, 2.0])
    inner = np.cos(0.7**2 * 0.3)
    assert_allclose(check[1], inner * (20 * 0.7 * 0.3 + 2 * 10 * 0.7**2), rtol=1e-14)
    reverse = interpret(autodiff.gradient(fn, [0, 1], bare=False), [0.7, 0.3])
    assert_allclose(check[1], reverse[0] + 2 * reverse[1], rtol=1e-14)


def test_a_missing_rule_is_named() -> None:
    fn = traced(make_scaled(), x="f64", y="f64")
    with pytest.raises(sd.DifferentiationError, match="scaled has a rule for reverse mode only"):
        autodiff.jvp(fn, [0])

    @sd.custom_jvp
    def half(x: Any) -> Any:
        return x / 2

    with pytest.raises(sd.DifferentiationError, match="half has no rule for its derivative yet"):
        autodiff.gradient(traced(half, x="f64"), [0], bare=True)


def test_a_rule_for_forward_mode_is_used_in_reverse() -> None:
    @sd.custom_jvp
    def scaled(x: Any, y: Any, i: Any) -> Any:
        return x[i] * y, np.sum(x)

    @scaled.defjvp
    def scaled_jvp(primals: Any, tangents: Any) -> Any:
        (x, y, i), (dx, dy, _) = primals, tangents
        return scaled(x, y, i), (10 * (dx[i] * y + x[i] * dy), np.sum(np.where(x > 0, dx, 0.0)))

    def loss(x: Any, y: Any, i: Any) -> Any:
        rows, total = scaled(x, y, i)
        return np.sum(rows**2) * total

    fn = traced(loss, x="f64[3]", y="f64[2]", i="i64[2]")
    x, y, i = np.array([0.5, -1.0, 2.0]), np.array([1.5, -0.5]), np.array([2, 2])
    dx, dy = np.array([0.3, 0.7, -0.2]), np.array([1.0, 2.0])
    reverse = interpret(verified(autodiff.gradient(fn, [0, 1], bare=False)), [x, y, i])
    forward = interpret(autodiff.jvp(fn, [0, 1]), [x, y, i, dx, dy])
    assert_allclose(reverse[0] @ dx + reverse[1] @ dy, forward[1], rtol=1e-14)
    assert_allclose(reverse[1], 20 * (x[i] ** 2) * y * np.sum(x), rtol=1e-14)
    for mode in ("forward", "reverse"):  # within its rule, the function is one without it
        hessian = interpret(autodiff.hessian(fn, [1], True, mode), [x, y, i])
        assert_allclose(hessian[0], 20 * np.diag(x[i] ** 2) * np.sum(x), rtol=1e-14)


def test_mistakes_in_rules_without_names() -> None:
    same = sd.custom_vjp(lambda x: x * 1.0)
    same.defvjp(lambda x: (x * 1.0, None), lambda _, bar: np.sum(bar))
    with pytest.raises(sd.TraceError, match="function: bwd must return a tuple with 1 cotangents"):
        traced(lambda x: np.sum(same(x)), x="f64[3]")
    same.defvjp(lambda x: (x * 1.0, None), lambda _, bar: (np.sum(bar),))
    with pytest.raises(sd.ShapeError, match=r"^\S+, line \d+: bwd: the cotangent of argument 0"):
        traced(lambda x: np.sum(same(x)), x="f64[3]")


def test_structures_none_integers_and_calls_within_the_rules() -> None:
    @sd.custom_vjp
    def pick(params: Any, i: Any, scale: float = 2.0) -> Any:
        return {"row": params["table"][i] * scale, "i": i + 1}

    def fwd(params: Any, i: Any, scale: Any) -> Any:
        return pick(params, i, scale), (params["table"].shape, i)

    def bwd(residuals: Any, bar: Any) -> Any:
        shape, i = residuals
        assert isinstance(bar["i"], np.ndarray)
        row = np.zeros(shape)[:, :1] + bar["row"]
        here = np.expand_dims(np.arange(shape[0]) == i, 1)
        return {"table": np.where(here, row, 0.0), "bias": None}, None, None

    pick.defvjp(fwd, bwd)

    def f(table: Any, bias: Any, i: Any) -> Any:
        found = pick({"table": table, "bias": bias}, i)
        return np.sum(np.sin(found["row"])) + found["i"]

    fn = traced(f, table="f64[3,2]", bias="f64", i="i64")
    at = [np.arange(6.0).reshape(3, 2), 1.0, 1]
    table, bias = interpret(autodiff.gradient(fn, [0, 1], bare=False), at)
    assert_allclose(table[1], np.cos([4, 6]))
    assert_allclose(table[::2], 0.0)
    assert bias == 0.0


def test_structures_of_arguments_and_results() -> None:
    @sd.custom_vjp
    def move(state: Any, i: Any, step: float = 2.0) -> Any:
        return {"q": state["q"] + step * state["v"], "next": i + 1}

    def fwd(state: Any, i: Any, step: Any) -> Any:
        return move(state, i, step), (state, step)

    def bwd(residuals: Any, bar: Any) -> Any:
        _, step = residuals
        assert isinstance(bar["next"], np.ndarray)
        return {"q": bar["q"], "v": 3.0 * step * bar["q"]}, None, None

    move.defvjp(fwd, bwd)

    def f(q: Any, v: Any, i: Any) -> Any:
        moved = move({"q": q, "v": v}, i)
        return np.sum(moved["q"]) * moved["next"]

    fn = traced(f, q="f64[2]", v="f64[2]", i="i64")
    at = [np.array([1.0, 2.0]), np.array([3.0, 4.0]), 4]
    value, dq, dv = interpret(autodiff.gradient(fn, [0, 1], False, with_value=True), at)
    assert value == (1 + 2 + 6 + 8) * 5
    assert_allclose(dq, [5, 5])
    assert_allclose(dv, [30, 30])
    text = print_function(fn)
    assert "func @move" in text
    assert "vjp=@bwd" in text
    again = verified(read_function(text, OPS))
    assert print_function(again) == text
    assert_allclose(interpret(autodiff.gradient(again, [0, 1], False), at), [dq, dv])


def test_rules_within_loops_and_batches(rng: np.random.Generator) -> None:
    @sd.custom_vjp
    def root(x: Any) -> Any:
        return np.sqrt(x)

    root.defvjp(lambda x: (np.sqrt(x), np.sqrt(x)), lambda r, bar: (0.5 * bar / r,))
    root.defjvp(lambda x, dx: (np.sqrt(x[0]), 0.5 * dx[0] / np.sqrt(x[0])))

    def f(x: Any) -> Any:
        return sd.scan(lambda c, _: (root(c * c + x) * x, root(c + 2.0)), x, length=3)

    fn = traced(f, x="f64")
    check_derivatives(fn, [0.8])
    batched = verified(autodiff.batch(fn, [0], 4))
    xs = rng.uniform(0.5, 1.5, 4)
    carry, ys = interpret(batched, [xs])
    for k, x in enumerate(xs):
        last, steps = interpret(fn, [x])
        assert_allclose(carry[k], last, rtol=1e-14)
        assert_allclose(ys[k], steps, rtol=1e-14)
    check_derivatives(batched, [xs])


def rules(fwd: Any, bwd: Any) -> Any:
    @sd.custom_vjp
    def f(x: Any) -> Any:
        return 2.0 * x

    f.defvjp(fwd, bwd)
    return f


def good(x: Any) -> Any:
    return 2.0 * x, x


@pytest.mark.parametrize(
    ("fwd", "bwd", "error", "message"),
    [
        (good, lambda r, bar: bar, sd.TraceError, "tuple with 1 cotangents"),
        (good, lambda r, bar: (bar, bar), sd.TraceError, "tuple with 1 cotangents"),
        (
            good, lambda r, bar: (bar[0],), sd.ShapeError,
            r"cotangent of argument 0 of f is f64, expected f64\[3\]",
        ),
        (good, lambda r, bar: ((bar, bar),), sd.TraceError, r"structure \*, got \(\*, \*\)"),
        (lambda x: 2.0 * x, lambda r, bar: (bar,), sd.TraceError, r"must return \(output, resid"),
        (
            lambda x: (x[0], None), lambda r, bar: (bar,), sd.ShapeError,
            r"returns is f64, but f returns f64\[3\]",
        ),
    ],
)  # fmt: skip
def test_rules_that_do_not_fit_are_refused(fwd: Any, bwd: Any, error: Any, message: str) -> None:
    f = rules(fwd, bwd)
    with pytest.raises(error, match=message) as caught:
        traced(lambda x: f(x), x="f64[3]")
    assert "test_custom.py, line" in str(caught.value)


def test_what_a_function_with_rules_cannot_use() -> None:
    def f(x: Any, y: Any) -> Any:
        @sd.custom_vjp
        def inner(x: Any) -> Any:
            return x * y

        inner.defvjp(lambda x: (x * y, None), lambda r, bar: (bar,))
        return inner(x)

    with pytest.raises(
        sd.TraceError, match=r"inner uses a traced value .* not among its arguments"
    ):
        traced(f, x="f64", y="f64")
    with pytest.raises(sd.ArgumentError, match="scaled: missing"):
        make_scaled()(1.0)
