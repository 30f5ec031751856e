"""Loops in Python sources: sd.scan and sd.fori_loop, traced and carried out by Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from derivatives import check_derivatives, verified
from numpy.testing import assert_allclose

import symdiff as sd
from symdiff import autodiff
from symdiff.ir import Function, build, interpret, parse_type
from symdiff.ops import scan
from symdiff.ops.bodies import Loop
from symdiff.parser import trace
from symdiff.parser.structures import taken_apart
from symdiff.passes.loops import trim_scans


def traced(function: Callable[..., Any], **types: str) -> Function:
    fn = trace(function, {name: parse_type(type) for name, type in types.items()})
    return verified(fn)


def loops(fn: Function) -> list[Loop]:
    return [Loop.of(v) for v in fn.live() if v.op is scan]


def results(fn: Function, *args: Any) -> Any:
    return build(fn.result, iter(interpret(fn, args)))


def check(function: Callable[..., Any], rng: np.random.Generator, **types: str) -> Function:
    """The traced function, which gives what Python does and has right derivatives."""
    fn = traced(function, **types)
    at = [0.6 * rng.normal(size=p.type.shape) for p in fn.params]
    expected: Any = function(*at)
    flat = taken_apart(expected, "e").leaves
    for found, wanted in zip(interpret(fn, at), flat, strict=True):
        assert_allclose(found, wanted, rtol=1e-13, atol=1e-13)
    check_derivatives(fn, at)
    return fn


def rnn(h: Any, xs: Any, w: Any, u: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = np.tanh(w @ h + u @ x)
        return h, np.sum(h * h)

    last, losses = sd.scan(step, h, xs)
    return np.sum(losses) + last[0]


RNN = {"h": "f64[3]", "xs": "f64[6,2]", "w": "f64[3,3]", "u": "f64[3,2]"}


def test_a_recurrent_network(rng: np.random.Generator) -> None:
    fn = check(rnn, rng, **RNN)
    (loop,) = loops(fn)
    assert (loop.carries, loop.inputs, loop.length) == (1, 1, 6)
    assert [p.attr("name") for p in loop.body.params] == ["carry", "x", "w", "u"]


@pytest.mark.parametrize("length", [0, 1, 2, 5])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("checkpoint", [None, 1, 2, 3, 9])
def test_lengths_directions_and_checkpoints(
    length: int, reverse: bool, checkpoint: int | None, rng: np.random.Generator
) -> None:
    def f(a: Any, xs: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            s, t = carry
            return (np.sin(s * a) + x[0], t * x[1]), (s, x)

        return sd.scan(step, (a, 1.5), xs, reverse=reverse, checkpoint=checkpoint)

    check(f, rng, a="f64", xs=f"f64[{length},2]")


@dataclass
class State:
    position: Any
    velocity: Any


def test_structures(rng: np.random.Generator) -> None:
    def f(q: Any, v: Any, forces: Any) -> Any:
        def step(state: State, x: Any) -> Any:
            v = state.velocity + 0.1 * (x["force"] - state.position)
            after = State(state.position + 0.1 * v, v)
            return after, {"energy": np.sum(v * v), "none": None, "both": [v, after.position]}

        state, ys = sd.scan(step, State(q, v), {"force": forces})
        assert isinstance(state, State)
        assert list(ys) == ["energy", "none", "both"]
        return state.position, ys["energy"], ys["both"]

    check(f, rng, q="f64[2]", v="f64[2]", forces="f64[4,2]")


def test_values_from_outside_reach_in_at_any_depth(rng: np.random.Generator) -> None:
    def f(x: Any, w: Any) -> Any:
        twice = 2.0 * w
        table = np.arange(4.0)

        def outer(total: Any, i: Any) -> Any:
            here = np.exp(total) + i

            def inner(c: Any, j: Any) -> Any:
                return c * x + here * twice[j] + table @ w, here * 1.0

            last, _ = sd.scan(inner, total, np.arange(3))
            return np.tanh(last), last

        total, ys = sd.scan(outer, x * 0.1, length=2, xs=np.arange(2.0))
        return total, ys, twice

    fn = check(f, rng, x="f64", w="f64[4]")
    (loop,) = loops(trim_scans(fn))
    assert {v.op.name for v in loop.body.live()} >= {"scan", "exp"}
    assert "mul" not in {v.op.name for v in loop.body.live()}  # 2*w is computed outside, once


def test_a_carry_that_stays_is_an_operand(rng: np.random.Generator) -> None:
    def f(w: Any, x: Any) -> Any:
        def step(carry: Any, _: Any) -> Any:
            w, h = carry
            return (w, np.tanh(w @ h)), None

        return sd.scan(step, (w, x), length=3)[0]

    fn = check(f, rng, w="f64[2,2]", x="f64[2]")
    assert [loop.carries for loop in loops(fn)] == [1]


def test_numbers_take_the_dtype_of_the_step() -> None:
    def total(xs: Any) -> Any:
        return sd.scan(lambda c, x: (c + x, c > 1), 0, xs)

    for dtype in ("f64", "f32", "i64"):
        fn = traced(total, xs=f"{dtype}[3]")
        assert [str(o.type) for o in fn.outputs] == [dtype, "bool[3]"]

    fn = traced(
        lambda xs: sd.scan(lambda c, x: ((c[0] + 1, False), c[0]), (0, True), xs), xs="f64[2]"
    )
    (count, flag), _ = results(fn, [1.0, 2.0])
    assert (count.dtype, count, flag) == (np.int64, 2, False)


def test_fori_loop(rng: np.random.Generator) -> None:
    def power(x: Any, table: Any) -> Any:
        return sd.fori_loop(1, 4, lambda i, c: c * x + table[i], 1.0)

    fn = check(power, rng, x="f64", table="f64[5]")
    at = [2.0, np.arange(5.0)]
    assert interpret(fn, at)[0] == power(*at) == ((1 * 2 + 1) * 2 + 2) * 2 + 3
    assert sd.fori_loop(5, 2, lambda i, c: c / 0, 3.0) == 3.0
    assert results(traced(lambda x: sd.fori_loop(5, 2, lambda i, c: c + 1, x), x="f64"), 7.0) == 7.0


def test_an_element_a_step_is_put_into_the_gradient_at_once() -> None:
    """The gradient of x[i] is not an array of zeros per step."""
    fn = traced(lambda x: sd.fori_loop(0, 9, lambda i, c: c + x[i] ** 2, 0.0), x="f64[9]")
    gradient = autodiff.gradient(fn, [0], bare=True)
    assert_allclose(interpret(gradient, [np.arange(9.0)])[0], 2 * np.arange(9.0))
    for loop in loops(gradient):
        assert all(p.type.size <= 1 or p.attr("name") == "x_1" for p in loop.body.params)
        assert "scatter_add" not in {v.op.name for v in loop.body.live()}


@pytest.mark.parametrize(("steps", "every"), [(24, 6), (25, 5), (23, 5)])
def test_checkpoints_bound_what_is_kept(steps: int, every: int) -> None:
    def f(h: Any, w: Any) -> Any:
        def step(h: Any, _: Any) -> Any:
            return np.tanh(w @ h) + np.exp(-h), None

        return np.sum(sd.scan(step, h, length=steps, checkpoint=every)[0])

    fn = traced(f, h="f64[3]", w="f64[3,3]")
    at = [np.array([0.1, 0.2, -0.3]), np.eye(3) * 0.4 + 0.1]
    gradient = verified(trim_scans(autodiff.gradient(fn, [0, 1], bare=False)))
    plain = traced(lambda h, w: f(h, w), h="f64[3]", w="f64[3,3]")
    for found, expected in zip(
        interpret(gradient, at), interpret(autodiff.gradient(plain, [0, 1], False), at), strict=True
    ):
        assert_allclose(found, expected, rtol=1e-13)
    kept = 0
    for loop in loops(gradient):
        outputs = loop.body.outputs[loop.carries :]
        kept = max(kept, sum(loop.length * o.type.size // 3 for o in outputs))
        for inner in loops(loop.body):
            assert inner.length == every
    assert kept <= steps // every + 4 * (steps % every)


def test_jacobians_hessians_and_batches_of_loops(rng: np.random.Generator) -> None:
    fn = traced(rnn, **RNN)
    at = [0.5 * rng.normal(size=p.type.shape) for p in fn.params]
    wrt = [0, 2]
    blocks = interpret(verified(autodiff.hessian(fn, wrt, False, "forward")), at)
    again = interpret(verified(autodiff.hessian(fn, wrt, False, "reverse")), at)
    v = [rng.normal(size=at[i].shape) for i in wrt]
    products = interpret(verified(autodiff.hvp(fn, wrt, False)), [*at, *v])
    for i, k in enumerate(wrt):
        row = [np.tensordot(blocks[2 * i + j], v[j], axes=np.ndim(v[j])) for j in range(len(wrt))]
        assert_allclose(sum(row), products[i], rtol=1e-11, atol=1e-12)
        assert_allclose(blocks[2 * i], again[2 * i], rtol=1e-11, atol=1e-12)
        assert blocks[2 * i].shape == (*at[k].shape, 3)
    batched = verified(autodiff.batch(fn, [0, 2, None, None], 3))
    many = [np.stack([at[0]] * 3), rng.normal(size=(6, 2, 3)), at[2], at[3]]
    (found,) = interpret(batched, many)
    for k in range(3):
        assert_allclose(found[k], interpret(fn, [at[0], many[1][:, :, k], *at[2:]])[0])


def test_without_a_trace_python_runs_the_loop() -> None:
    carry, ys = sd.scan(lambda c, x: (c + x, (c, None)), 0.0, np.arange(4.0), reverse=True)
    assert carry == 6.0
    assert_allclose(ys[0], [6.0, 5.0, 3.0, 0.0])
    carry, ys = sd.scan(lambda c, x: (c * x, np.ones(2) * c), 1.0, np.zeros(0))
    assert carry == 1.0
    assert ys.shape == (0, 2)
    with pytest.raises(sd.TraceError, match="tuple"):
        sd.scan(lambda c, x: c, 0.0, [1.0])


def refused(step: Any, init: Any = 0.0, **options: Any) -> Callable[[Any], Any]:
    return lambda x: sd.scan(step, init if init is not None else x, **{"xs": x, **options})


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (refused(lambda c, x: c), sd.TraceError, r"must return a tuple \(carry, output\)"),
        (refused(lambda c, x: (c, x, x)), sd.TraceError, r"must return a tuple"),
        (refused(lambda c, x: ((c, c), x)), sd.TraceError, r"structure \*, got \(\*, "),
        (refused(lambda c, x: (np.stack([c, x]), x)), sd.ShapeError, r"carry goes .*f64 and .*\[2"),
        (refused(lambda c, x: (c * 1.5, x), np.int64(3)), sd.ShapeError, "carry .* i64 .* f64"),
        (
            refused(lambda c, x: ({"a": c["a"], "b": x > 0}, x), {"a": 1.0, "b": np.ones(2)}),
            sd.ShapeError, r"carry_b goes into <lambda>|carry_b goes into step as f64\[2\]",
        ),
        (refused(lambda c, x: (c, "y")), sd.TraceError, "output is 'y'"),
        (refused(lambda c, x: (c, x), length=4), sd.ShapeError, "3 elements .* expected 4"),
        (refused(lambda c, x: (c, x), xs=2.0), sd.ShapeError, "scalar; it needs an axis"),
        (refused(lambda c, x: (c, x), xs=None), sd.ArgumentError, "length="),
        (refused(lambda c, x: (c, x), xs=None, length=-1), sd.ArgumentError, "at least 0"),
        (refused(lambda c, x: (c, x), checkpoint=0), sd.ArgumentError, "checkpoint=0"),
        (refused(lambda c, x: (c, x), length=2.5), sd.ArgumentError, "whole number"),
        (lambda x: sd.fori_loop(0, x, lambda i, c: c, 0.0), sd.TraceError, "upper is a traced"),
    ],
)  # fmt: skip
def test_refusals_name_what_and_where(function: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        traced(function, x="f64[3]")
    assert "test_traced_loops.py, line" in str(caught.value)


def test_values_do_not_leave_a_step_but_as_results() -> None:
    def f(x: Any) -> Any:
        kept: list[Any] = []

        def step(c: Any, x: Any) -> Any:
            kept.append(c * x)
            return c + x, None

        total, _ = sd.scan(step, 0.0, x)
        return total + kept[0]

    with pytest.raises(sd.TraceError, match="leave the step of a loop"):
        traced(f, x="f64[3]")
