"""What must hold of every operation in the table, tested at its own sample points."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from opcases import (
    ELEMENTWISE,
    SAMPLED,
    attributes,
    differentiable,
    real_positions,
    samples,
    single,
)

import symdiff as sd
from symdiff import autodiff, passes
from symdiff.errors import ShapeError
from symdiff.ir import (
    DTYPES,
    Function,
    Graph,
    Op,
    Type,
    interpret,
    print_function,
    read_function,
    verify,
)
from symdiff.ops import OPS

every_op = pytest.mark.parametrize("op", SAMPLED, ids=lambda op: op.name)
every_elementwise_op = pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)
RNG = np.random.default_rng(1)
SMOOTH = [op for op in SAMPLED if differentiable(op, RNG)]
every_smooth_op = pytest.mark.parametrize("op", SMOOTH, ids=lambda op: op.name)


@every_op
def test_type_rule_predicts_the_value(op: Op, rng: np.random.Generator) -> None:
    fn = single(op, rng)
    (result,) = interpret(fn, samples(op, rng))
    type = fn.outputs[0].type
    assert np.asarray(result).dtype == type.dtype.numpy
    if not op.elementwise:
        assert result.shape == type.shape


@every_op
def test_print_and_read_round_trip(op: Op, rng: np.random.Generator) -> None:
    text = print_function(single(op, rng))
    again = read_function(text, OPS)
    verify(again)
    assert print_function(again) == text


@every_smooth_op
def test_vjp_is_the_adjoint_of_jvp(op: Op, rng: np.random.Generator) -> None:
    """<ybar, dy> == <xbar, dx>: linear algebra, so the tolerance is tight."""
    fn = single(op, rng)
    at = samples(op, rng)
    wrt = real_positions(fn)
    dx = [rng.normal(size=at[i].shape) for i in wrt]
    value, dy = interpret(autodiff.jvp(fn, wrt), [*at, *dx])
    ybar = rng.normal(size=np.shape(value))
    _, *xbar = interpret(autodiff.vjp(fn, wrt, bare=False), [*at, ybar])
    axis = None if not op.elementwise else ()
    left = np.sum(ybar * dy, axis=axis)
    terms = [np.sum(a * b, axis=axis) for a, b in zip(xbar, dx, strict=True)]
    scale = np.sum(np.abs(terms), axis=0)
    tight = 1e-12 if value.dtype == np.float64 else 1e-6
    assert_allclose(left, np.sum(terms, axis=0), rtol=tight, atol=float(np.max(scale)) * tight / 99)


@every_smooth_op
def test_jvp_matches_central_differences(op: Op, rng: np.random.Generator) -> None:
    fn = single(op, rng)
    at = samples(op, rng)
    wrt = real_positions(fn)
    dx = {i: rng.normal(size=at[i].shape) for i in wrt}
    _, dy = interpret(autodiff.jvp(fn, wrt), [*at, *dx.values()])
    tolerance = 2e-7 if dy.dtype == np.float64 else 2e-3
    assert_allclose(dy, _difference(fn, at, dx), rtol=tolerance, atol=tolerance)


@every_smooth_op
def test_second_derivative_matches_central_differences(op: Op, rng: np.random.Generator) -> None:
    """Forward over reverse: the jvp of the vjp."""
    fn = single(op, rng)
    at = samples(op, rng)
    wrt = real_positions(fn)
    pulled = autodiff.vjp(fn, wrt, bare=False)
    gradient = Function("g", pulled.params, pulled.outputs[1:], pulled.result.children[1])  # type: ignore[union-attr]
    ybar = rng.normal(size=np.shape(interpret(fn, at)[0]))
    dx = {i: rng.normal(size=at[i].shape) for i in wrt}
    results = interpret(autodiff.jvp(gradient, wrt), [*at, ybar, *dx.values()])
    for k, second in enumerate(results[len(wrt) :]):
        row = Function("row", gradient.params, (gradient.outputs[k],))
        expected = _difference(row, [*at, ybar], dx)
        tolerance = 2e-6 if expected.dtype == np.float64 else 2e-3
        assert_allclose(second + 0 * expected, expected, rtol=tolerance, atol=tolerance)


def _difference(fn: Function, at: list[Any], dx: dict[int, Any], h: float = 1e-3) -> Any:
    """The derivative along dx by central differences, extrapolated once (Richardson)."""

    def shifted(step: float) -> Any:
        moved = [a + step * dx[i] if i in dx else a for i, a in enumerate(at)]
        return interpret(fn, moved)[0]

    def central(step: float) -> Any:
        return (shifted(step) - shifted(-step)) / (2 * step)

    steps = [central(h / 2**k) for k in range(3)]
    first = [(4 * b - a) / 3 for a, b in pairwise(steps)]
    return (16 * first[1] - first[0]) / 15


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@every_elementwise_op
def test_kernel_matches_interpreter(op: Op, dtype: str, rng: np.random.Generator) -> None:
    precision = DTYPES[{"float64": "f64", "float32": "f32"}[dtype]]
    at = [a.astype(dtype) if a.dtype.kind == "f" else a for a in samples(op, rng)]
    fn = single(op, rng, precision)
    kernel = sd.compile(sd.Function(single(op, rng)), dtype=dtype)
    (expected,) = interpret(fn, at)
    result = kernel(*at)
    if op.name == "convert":
        expected = expected.astype(result.dtype)
    rtol = 4e-15 if dtype == "float64" else 4e-6
    assert result.dtype == np.asarray(expected).dtype
    assert_allclose(result, expected, rtol=rtol, atol=rtol)
    few = kernel(*(a[:3] for a in at))
    for i in range(3):  # number by number: the same bits as in a few, which are not in lanes
        assert kernel(*(a[i].item() for a in at)) == few[i]


@pytest.mark.parametrize("op", [o for o in SMOOTH if o.elementwise], ids=lambda op: op.name)
def test_gradient_kernel_matches_interpreter(op: Op, rng: np.random.Generator) -> None:
    fn = single(op, rng)
    at = samples(op, rng)
    gradient = autodiff.gradient(fn, real_positions(fn), bare=False)
    expected = interpret(gradient, at)
    result = sd.compile(sd.Function(gradient))(*at)
    for got, want in zip(result, expected, strict=True):
        assert_allclose(got, np.broadcast_to(want, got.shape), rtol=1e-14, atol=1e-14)


@every_op
def test_passes_keep_the_value(op: Op, rng: np.random.Generator) -> None:
    fn = single(op, rng)
    if fn.outputs[0].type.shape:
        pipeline: tuple[passes.Pass, ...] = (passes.simplify, passes.schedule)
    else:
        pipeline = (*passes.PIPELINE, *passes.LOWERING)
    at = samples(op, rng)
    (expected,), (result,) = interpret(fn, at), interpret(passes.run(pipeline, fn, check=True), at)
    assert_allclose(result, expected, rtol=2e-15, atol=2e-15)


@every_op
def test_what_it_does_to_gradients_is_said_in_words(op: Op) -> None:
    assert op.intuition


@every_op
def test_wrong_operands_are_refused_by_name(op: Op, rng: np.random.Generator) -> None:
    graph = Graph()
    odd = [
        graph.param(f"x{i}", Type(DTYPES["f64"], (2 + i, 7))) for i in range((op.arity or 1) + 1)
    ]
    with pytest.raises(ShapeError) as caught:
        graph.add(op, tuple(odd), tuple(sorted(attributes(op).items())))
    assert op.name in str(caught.value)
