"""Transformations of functions of arrays: shapes, values, structures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from derivatives import differences, flat, verified
from numpy.testing import assert_allclose

import symdiff as sd
from symdiff import autodiff
from symdiff.ir import Function, Graph, Type, build, f64, interpret
from symdiff.ops import broadcast, contract, exp, mul, reduce_sum, reshape, sin, tanh
from symdiff.passes import simplification


def layers() -> Function:
    """A vector, a matrix and a number from a matrix, a vector and a number."""
    graph = Graph()
    w = graph.param("w", Type(f64, (3, 2)))
    x = graph.param("x", Type(f64, (2,)))
    s = graph.param("s", Type(f64))
    y = tanh(contract(w, x, spec="ij,j->i"))
    outer = mul(contract(y, x, spec="i,j->ji"), broadcast(s, shape=(2, 3)))
    return Function("layers", (w, x, s), (y, outer, mul(s, sin(s))), flat(3))


def loss() -> Function:
    fn = layers()
    y, outer, last = fn.outputs
    total = mul(reduce_sum(exp(outer), shape=()), reduce_sum(mul(y, y), shape=()))
    return Function("loss", fn.params, (mul(total, last),))


@pytest.fixture
def at(rng: np.random.Generator) -> list[Any]:
    return [rng.normal(size=(3, 2)), rng.normal(size=2), 0.7]


def columns(fn: Function, at: list[Any], i: int) -> list[Any]:
    """The derivatives of the outputs by every element of an argument, by differences."""
    shape = np.shape(at[i])
    found: list[list[Any]] = []
    for place in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[place] = 1.0
        found.append(differences(fn, at, {i: unit}))
    stacked = [np.stack(column, axis=-1) for column in zip(*found, strict=True)]
    return [s.reshape((*o.type.shape, *shape)) for s, o in zip(stacked, fn.outputs, strict=True)]


@pytest.mark.parametrize("rule", [None, simplification])
@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_jacobian(mode: str, rule: Any, at: list[Any]) -> None:
    fn = layers()
    made = verified(autodiff.jacobian(fn, [0, 1, 2], False, mode, with_value=True, rule=rule))
    value, jacobian = build(made.result, iter(interpret(made, at)))
    for found, expected in zip(value, interpret(fn, at), strict=True):
        assert_allclose(found, expected, rtol=1e-14)
    for i, name in enumerate("wxs"):
        for row, expected in zip(jacobian, columns(fn, at, i), strict=True):
            assert row[name].shape == expected.shape
            assert_allclose(row[name], expected, rtol=1e-7, atol=1e-9)


def test_the_cheaper_mode_is_chosen() -> None:
    graph = Graph()
    x = graph.param("x", Type(f64, (5,)))
    wide = Function("wide", (x,), (reshape(reduce_sum(exp(x), shape=(1,)), shape=(1,)),))
    s = graph.param("s", Type(f64))
    tall = Function("tall", (s,), (sin(broadcast(s, shape=(5,))),))
    for fn, mode, other in ((wide, "reverse", "forward"), (tall, "forward", "reverse")):
        auto, chosen, worse = (
            len(autodiff.jacobian(fn, [0], True, m).live()) for m in ("auto", mode, other)
        )
        assert auto == chosen
        assert auto < worse


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_hessian(mode: str, at: list[Any]) -> None:
    fn = loss()
    gradient = autodiff.gradient(fn, [0, 1, 2], bare=False)
    made = verified(autodiff.hessian(fn, [0, 1, 2], False, mode))
    hessian = build(made.result, iter(interpret(made, at)))
    for i, first in enumerate("wxs"):
        expected = columns(gradient, at, i)
        for j, second in enumerate("wxs"):
            block = hessian[first][second]
            assert block.shape == np.shape(at[i]) + np.shape(at[j])
            count = np.ndim(at[j])
            axes = (*range(count, block.ndim), *range(count))
            assert_allclose(block, np.transpose(expected[j], axes), rtol=1e-6, atol=1e-6)
            axes = (*range(np.ndim(at[i]), block.ndim), *range(np.ndim(at[i])))
            if i != j:
                np.testing.assert_array_equal(np.transpose(block, axes), hessian[second][first])


def test_products_with_arrays(at: list[Any], rng: np.random.Generator) -> None:
    fn = loss()
    v = [rng.normal(size=np.shape(a)) for a in at]
    product = interpret(verified(autodiff.hvp(fn, [0, 1, 2], False)), [*at, *v])
    gradient = autodiff.gradient(fn, [0, 1, 2], bare=False)
    expected = differences(gradient, at, dict(enumerate(v)))
    for found, wanted in zip(product, expected, strict=True):
        assert_allclose(found, wanted, rtol=1e-7)


def test_results_of_no_elements() -> None:
    graph = Graph()
    x = graph.param("x", Type(f64, (0,)))
    y = graph.param("y", Type(f64, (2,)))
    fn = Function("f", (x, y), (exp(x), mul(y, y)), flat(2))
    made = verified(autodiff.jacobian(fn, [0, 1], False, "reverse"))
    shapes = [np.shape(v) for v in interpret(made, [np.zeros(0), np.ones(2)])]
    assert shapes == [(0, 0), (0, 2), (2, 0), (2, 2)]
    forward = verified(autodiff.jacobian(fn, [0, 1], False, "forward"))
    assert [np.shape(v) for v in interpret(forward, [np.zeros(0), np.ones(2)])] == shapes


def test_a_gradient_needs_a_number() -> None:
    fn = layers()
    one = Function("vector", fn.params, fn.outputs[:1])
    with pytest.raises(sd.DifferentiationError, match=r"vector gives f64\[3\].*jacobian"):
        autodiff.gradient(one, [0], bare=True)


def test_batches_along_any_axis(at: list[Any], rng: np.random.Generator) -> None:
    fn = layers()
    xs = rng.normal(size=(2, 4))
    batched = verified(autodiff.batch(fn, [None, 1, -1], 4))
    assert [str(p.type) for p in batched.params] == ["f64[3,2]", "f64[2,4]", "f64[4]"]
    s = rng.normal(size=4)
    found = interpret(batched, [at[0], xs, s])
    for k in range(4):
        for whole, single in zip(found, interpret(fn, [at[0], xs[:, k], s[k]]), strict=True):
            assert_allclose(whole[k], single, rtol=1e-14)
    with pytest.raises(sd.ArgumentError, match="no axis 2"):
        autodiff.batch(fn, [None, 2, None], 4)
    constant = autodiff.batch(fn, [None, None, 0], 4)
    assert [str(o.type) for o in constant.outputs] == ["f64[4,3]", "f64[4,2,3]", "f64[4]"]


def test_batches_compose(rng: np.random.Generator) -> None:
    graph = Graph()
    x = graph.param("x", Type(f64, (2, 5)))
    fn = Function("f", (x,), (reduce_sum(sin(x), shape=(2, 1)),))
    twice = verified(autodiff.batch(autodiff.batch(fn, [0], 3), [2], 4))
    at = rng.normal(size=(3, 2, 4, 5))
    (found,) = interpret(twice, [at])
    assert_allclose(found, np.moveaxis(np.sin(at).sum(-1, keepdims=True), 2, 0), rtol=1e-13)
