"""Python functions of arrays: NumPy's functions, operators and methods, recorded by tracing."""

# Lambdas over traced values, given to NumPy, have types that its overloads do not know.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportCallIssue=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportArgumentType=false

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

import symdiff as sd
from symdiff.errors import ArgumentError, ShapeError, TraceError
from symdiff.ir import Branch, Function, Type, build, dtype_named, f64, interpret, verify
from symdiff.parser.trace import Tracer, call_function, trace

RNG = np.random.default_rng(3)
X = RNG.normal(size=(3, 4))
W = RNG.normal(size=(2, 3))
V = RNG.normal(size=4)
N = np.array([2, 0, 1, 3])


def type_of(x: Any) -> Any:
    return Type(dtype_named(np.asarray(x).dtype), np.shape(x))


def run(function: Callable[..., Any], *xs: Any) -> Any:
    """What `function` gives at `xs` by tracing and interpreting."""
    names = list(inspect.signature(function).parameters)
    fn = trace(function, {n: type_of(x) for n, x in zip(names, xs, strict=True)})
    verify(fn)
    results = interpret(fn, xs)
    for result, output in zip(results, fn.outputs, strict=True):
        assert (result.shape, result.dtype) == (output.type.shape, output.type.dtype.numpy)
    return build(fn.result, iter(results))


def assert_same(given: Any, expected: Any) -> None:
    if isinstance(expected, (tuple, list)):
        assert len(given) == len(expected)
        for one, other in zip(given, expected, strict=True):
            assert_same(one, other)
        return
    expected = np.asarray(expected)
    assert given.shape == expected.shape
    assert given.dtype == expected.dtype or not expected.shape
    assert_allclose(given, expected, rtol=1e-5 if given.dtype == np.float32 else 1e-12)


OF_ONE: list[Callable[[Any], Any]] = [
    # Operators and attributes.
    lambda x: 2 * x + 1, lambda x: x / np.arange(1, 5), lambda x: x - x[0], lambda x: x**2,
    lambda x: x @ np.ones((4, 2)), lambda x: np.ones(3) @ x, lambda x: x @ x.T, lambda x: -x,
    lambda x: np.eye(3) @ x @ np.eye(4), lambda x: abs(x) % 0.5, lambda x: x // 0.3,
    lambda x: (x > 0) & (x < 1), lambda x: ~(x > 0), lambda x: (x > 0) * x, lambda x: x == x,
    lambda x: x.T, lambda x: x.mT, lambda x: x.real + x.imag, lambda x: np.array([1, 2, 3, 4]) * x,
    lambda x: x * x.size + x.ndim + len(x) + x.shape[1] + x.itemsize + x.nbytes,
    lambda x: np.zeros(x.shape, x.dtype) + x, lambda x: [1.0, 2.0, 3.0, 4.0] * x,
    lambda x: divmod(x, 0.5), lambda x: np.float32(2) * x,
    # Methods.
    lambda x: x.sum(), lambda x: x.sum(0), lambda x: x.sum(axis=1, keepdims=True),
    lambda x: x.mean(-1), lambda x: (x.max(), x.min(0)), lambda x: x.prod(1), lambda x: x.std(0),
    lambda x: x.var(axis=0, ddof=1), lambda x: x.dot(np.ones(4)), lambda x: x.reshape(4, 3),
    lambda x: x.reshape((2, -1)), lambda x: x.reshape(-1), lambda x: x.ravel(),
    lambda x: x.flatten(), lambda x: x.transpose(), lambda x: x.transpose(1, 0),
    lambda x: x.transpose((1, 0)), lambda x: x.astype(np.float32), lambda x: x.astype(int),
    lambda x: x.astype("bool"), lambda x: x.copy() * 2, lambda x: x.clip(0, 1),
    lambda x: x.round(1),
    lambda x: x.cumsum(1), lambda x: x.argmax(0), lambda x: x.argmin(),
    lambda x: x[None].squeeze(0),
    lambda x: x.swapaxes(0, 1), lambda x: x.repeat(2, axis=1), lambda x: x.take([0, 2], axis=1),
    lambda x: x.trace(), lambda x: x.diagonal(1), lambda x: (x > 0).any(1), lambda x: (x > 0).all(),
    lambda x: x.conj(),
    # Elements.
    lambda x: x[0], lambda x: x[-1, 1:], lambda x: x[:, ::-1], lambda x: x[..., None],
    lambda x: x[[0, 2]], lambda x: x[np.array([0, 1]), [1, 2]], lambda x: x[X > 0],
    lambda x: [row.sum() for row in x], lambda x: [*x], lambda x: sum(x[0]), lambda x: x[:0],
    # Universal functions and their methods.
    np.exp, np.tanh, np.square, lambda x: np.add(x, 1), lambda x: np.maximum(x, 0.5),
    lambda x: np.hypot(x, V), np.isfinite, np.isnan, np.sign, lambda x: np.add.reduce(x),
    lambda x: np.add.reduce(x, axis=1),
    lambda x: np.multiply.reduce(x, axis=(0, 1)), lambda x: np.maximum.reduce(x, 1),
    lambda x: np.minimum.reduce(x, axis=None, keepdims=True), lambda x: np.add.accumulate(x),
    lambda x: np.multiply.accumulate(x, 1), lambda x: np.multiply.outer(x, V),
    lambda x: np.subtract.outer(V, x), lambda x: np.logical_or.reduce(x > 0.5),
    lambda x: np.vecdot(x, V), lambda x: np.logaddexp(x, x.T[:3, :1]),
    # Functions.
    np.sum, lambda x: np.sum(x, 0), lambda x: np.sum(x, axis=(0, 1)), lambda x: np.mean(x, 1),
    lambda x: np.sum(x, 0, None, None, True), lambda x: np.max(x, axis=1), np.amin, np.std, np.var,
    lambda x: np.sum(x > 0), lambda x: np.mean(x > 0, axis=0), lambda x: np.prod(x, axis=0),
    lambda x: np.linalg.norm(x), lambda x: np.linalg.norm(x, axis=1),
    lambda x: np.linalg.norm(x, 1),
    lambda x: np.dot(x, V), lambda x: np.dot(V, x.T), lambda x: np.matmul(x, V), np.transpose,
    lambda x: np.einsum("ij,j->i", x, V), lambda x: np.einsum("ij,ij", x, x, optimize=True),
    lambda x: np.einsum(x, [0, 1], V, [1]), lambda x: np.outer(x, V), lambda x: np.inner(x, V),
    lambda x: np.tensordot(x, x, axes=([0, 1], [0, 1])), lambda x: np.kron(x, V), np.diagonal,
    lambda x: np.where(x > 0, x, 0.0), lambda x: np.where(X > 0, x, -x), np.ravel, np.cumsum,
    lambda x: np.where(x > 0, True, False), lambda x: np.clip(x, -0.5, 0.5),
    lambda x: np.concatenate([x, x]), lambda x: np.concatenate((x, X), axis=1), np.argmax,
    lambda x: np.stack([x[0], V, x[1]]), lambda x: np.stack((x, x), axis=-1), np.trace, np.flip,
    lambda x: np.vstack([x, V]), lambda x: np.hstack([x, x]),
    lambda x: np.column_stack([x, x[:, 0]]),
    lambda x: np.reshape(x, (2, 6)), lambda x: np.squeeze(x[:1]), lambda x: np.expand_dims(x, 0),
    lambda x: np.swapaxes(x, 0, 1), lambda x: np.moveaxis(x, 0, 1), lambda x: np.roll(x, 1, axis=0),
    lambda x: np.broadcast_to(x, (2, 3, 4)), lambda x: np.tile(x, 2), lambda x: np.repeat(x, 2),
    lambda x: np.pad(x, 1), lambda x: np.pad(x, 1, constant_values=2.5),
    lambda x: np.pad(x, ((1, 0), (0, 2)), "constant", constant_values=-1),
    lambda x: np.pad(x, ((0, 1), (2, 0)), mode="edge"), np.tril, np.triu,
    lambda x: np.diag(x[0]), lambda x: np.diff(x), lambda x: np.take(x, [1, 0], axis=0), np.mean,
    lambda x: np.average(x, axis=0, weights=[1, 2, 3]), np.ptp,
    lambda x: np.split(x, 2, axis=1), np.atleast_2d, np.copy,
    lambda x: np.atleast_1d(x.sum(), x), lambda x: np.nan_to_num(x),
    lambda x: np.cross(x[:, :3], x[0, :3]),
    lambda x: np.full_like(x, 2.0) + np.ones_like(x) + np.zeros_like(x),
    lambda x: np.full_like(x, x[0]),
    lambda x: (np.shape(x), np.ndim(x), np.size(x), np.size(x, 1)),
    np.count_nonzero, np.any, np.all,
    lambda x: np.select([x > 1, x > 0], [x, -x], 5.0), lambda x: np.round(x, 2), np.logical_not,
    lambda x: np.piecewise(x, [x < 0, x >= 0], [lambda t: -t, 2.0]),
    lambda x: np.linalg.matrix_power(x[:, :3], 3), lambda x: np.linalg.multi_dot([x.T, x, V]),
    lambda x: np.permute_dims(x, (1, 0)),
    lambda x: np.take_along_axis(x, np.argsort(X, 1), axis=1),
    lambda x: np.concat([x, x], axis=None),
    lambda x: np.vdot(x, x), lambda x: np.astype(x, np.float32), np.real,
]  # fmt: skip


@pytest.mark.parametrize("function", OF_ONE)
def test_functions_of_an_array_mean_what_numpy_means(function: Callable[[Any], Any]) -> None:
    assert_same(run(lambda x: function(x), X), function(X))


def test_shapes_of_results() -> None:
    assert_same(run(lambda x: x.sum(), np.zeros((0, 3))), np.float64(0))
    assert_same(run(lambda x: x.T @ x, np.ones((1, 1))), np.ones((1, 1)))
    assert_same(run(lambda x: x.sum() + x, np.array(2.0)), np.float64(4))


def test_models() -> None:
    def network(w: Any, x: Any) -> Any:
        return np.ones(2) @ np.tanh(w @ x + np.array([[0.5], [1.0]]))

    assert_same(run(network, W, X), network(W, X))
    fn = trace(network, {"w": type_of(W), "x": type_of(X)})
    names = [v.op.name for v in fn.live() if v.args]
    assert names == ["contract", "broadcast", "add", "tanh", "contract"]

    def embedding(table: Any, n: Any) -> Any:
        return np.sum(table[n] ** 2, axis=1) + table[n[0], n[1] - 3]

    table = RNG.normal(size=(4, 4))
    assert_same(run(embedding, table, N), embedding(table, N))


def test_dtypes() -> None:
    x, n = X.astype(np.float32), N.astype(np.int32)
    for function in (
        lambda x, n: (x * 2.0, x * n, x + np.pi, x @ x.T, np.exp(n), n / 2, n // 2, n % 3, n**2),
        lambda x, n: (
            n + 1,
            n.sum(),
            n.mean(),
            np.sqrt(n),
            x.mean(),
            n > 1,
            n * (n > 1),
            x[0] ** n,
        ),
    ):
        assert_same(run(function, x, n), function(x, n))


def test_values_know_their_line() -> None:
    def f(x: Any) -> Any:
        y = x[0]
        return np.sum(y * X)

    _, start = inspect.getsourcelines(f)
    located = {
        v.op.name: getattr(v.location, "line", None) for v in trace(f, {"x": type_of(X)}).live()
    }
    assert located["slice"] == located["reshape"] == start + 1
    assert located["mul"] == located["reduce_sum"] == start + 2


# Structures.


@dataclasses.dataclass
class Layer:
    W: Any
    b: Any


class State(NamedTuple):
    h: Any
    c: Any


def test_structures_of_parameters_and_results() -> None:
    def f(params: Any, state: Any, x: Any) -> Any:
        layer, scale = params["layer"], params["scale"]
        h = np.tanh(layer.W @ x + layer.b) * scale[0]
        return {"state": State(h, state.c + h), "layer": Layer(layer.W, 1.0), "n": [x.shape[0], x]}

    fn = trace(
        f,
        {
            "params": {"layer": Layer(type_of(W), type_of(W[:, 0])), "scale": [Type(f64)]},
            "state": State(type_of(W[:, 0]), type_of(W[:, 0])),
            "x": type_of(W[0]),
        },
    )
    verify(fn)
    assert fn.param_names == (
        "params_layer_W", "params_layer_b", "params_scale_0", "state_h", "state_c", "x",
    )  # fmt: skip
    b = W[:, 0]
    result = build(fn.result, iter(interpret(fn, [W, b, 2.0, b, b, W[0]])))
    expected = f({"layer": Layer(W, b), "scale": [2.0]}, State(b, b), W[0])
    assert isinstance(result["layer"], Layer)
    assert_same(result["state"], expected["state"])
    assert_same(result["layer"].W, W)
    assert_same(result["n"], expected["n"])


def test_a_single_result_of_a_structure() -> None:
    fn = trace(lambda x: {"a": x}, {"x": type_of(X)})
    assert isinstance(fn.result, Branch)
    assert fn.result.kind == "dict"


# Functions that call functions.


def test_calls_of_functions_with_arrays() -> None:
    inner: Function = trace(lambda w, x: w @ x, {"w": type_of(W), "x": type_of(X)})
    assert_same(run(lambda x: call_function(inner, [W, 2 * x])[0], X), W @ (2 * X))
    with pytest.raises(ShapeError, match=r"line \d+: <?\w+>? takes .*, got .*sd\.vmap"):
        run(lambda x: call_function(inner, [x, x])[0], X)


def test_formulas_of_scalars_map_over_arrays() -> None:
    formula = sd.function("2*x*sin(y) + 3")
    assert_same(run(lambda x, v: formula(x, v), X, V), 2 * X * np.sin(V) + 3)
    assert_same(run(lambda x: formula(x, 0.5), X), 2 * X * np.sin(0.5) + 3)


def test_traced_values_of_another_function() -> None:
    kept: list[Any] = []
    trace(lambda x: kept.append(x) or x, {"x": type_of(X)})
    with pytest.raises(TraceError, match="another function"):
        run(lambda x: x @ kept[0].T, X)


def test_args_name_parameters() -> None:
    with pytest.raises(ArgumentError, match="has no parameter 'y'"):
        trace(lambda x: x, {"y": type_of(X)})


# The explicit namespace.


def softmax_regression(x: Any, n: Any) -> Any:
    return -np.mean(sd.numpy.log_softmax(x, axis=1)[np.arange(3), n[:3]])


def test_namespace_on_traced_values() -> None:
    sn = sd.numpy
    assert_same(run(softmax_regression, X, N),
                -np.mean(special.log_softmax(X, 1)[np.arange(3), N[:3]]))  # fmt: skip
    assert_same(run(lambda x: sn.softmax(x, axis=0), X), special.softmax(X, 0))
    assert_same(run(lambda x: sn.logsumexp(x, axis=0), X), special.logsumexp(X, 0))
    assert_same(run(lambda x: sn.array([x[0, 0], 1, [2][0]]), X), np.array([X[0, 0], 1, 2]))
    assert_same(
        run(lambda x: sn.array([[x[0], x[1]], [V, V]]), X), np.array([[X[0], X[1]], [V, V]])
    )
    assert_same(run(lambda x: sn.array([x[0, 0], 1], dtype="float32"), X), np.float32([X[0, 0], 1]))
    assert_same(run(lambda x: sn.sum([x[0], V]), X), np.sum([X[0], V]))
    assert_same(run(lambda x: sn.exp(x) + sn.pi + sn.zeros(4), X), np.exp(X) + np.pi)
    assert_same(run(lambda n: sn.take(V, n), N), V[N])
    assert_same(run(lambda n: sn.take_along_axis(V, n, 0), N), V[N])
    assert_same(run(lambda x: sn.norm([x[0, 0], 3.0]), X), np.linalg.norm([X[0, 0], 3.0]))
    assert_same(run(lambda x: sn.relu(x) + sn.sigmoid(x) + sn.softplus(x), X),
                np.maximum(X, 0) + special.expit(X) + np.logaddexp(0, X))  # fmt: skip


def test_changes_of_traced_values() -> None:
    sn = sd.numpy
    assert_same(run(lambda x: sn.put(x, (slice(None), 0), 7), X), np.c_[np.full(3, 7.0), X[:, 1:]])
    assert_same(run(lambda x, n: sn.put(V, n[0], x[0, 0]), X, N), np.r_[V[:2], X[0, 0], V[3:]])
    assert_same(run(lambda x, n: sn.add_at(np.zeros(4), n, x[0]), X, N), X[0][np.argsort(N)])
    assert_same(run(lambda x: sn.put(x[0], V > 0, 0.0), X),
                np.where(V > 0, 0, X[0]))  # fmt: skip


def test_namespace_on_arrays() -> None:
    sn = sd.numpy
    assert_allclose(sn.softmax(V), special.softmax(V))
    assert_allclose(sn.logsumexp([1.0, 2.0]), special.logsumexp([1.0, 2.0]))
    assert_allclose(sn.log_softmax(X, 1), special.log_softmax(X, 1))
    assert_allclose(sn.put(V, [0, 0], [1.0, 2.0]), np.r_[2.0, V[1:]])
    assert_allclose(sn.add_at(V, [0, 0], [1.0, 2.0]), np.r_[V[0] + 3, V[1:]])
    assert_allclose(sn.norm([3.0, 4.0]), 5)
    assert_allclose(sn.sum([1, 2]), 3)
    assert_allclose(sn.take(V, 1), V[1])
    assert sn.linalg is np.linalg
    assert_allclose(sn.relu(V), np.maximum(V, 0))
    assert sn.array([1, 2]).dtype == np.int64
    assert {"sum", "exp", "softmax", "array", "pi", "put", "matmul"} <= set(dir(sn))
    assert not [n for n in dir(sn) if n.startswith("_") or not hasattr(sn, n)]
    with pytest.raises(AttributeError, match=r"symdiff\.numpy has no 'sinc'"):
        _ = sn.sinc


def test_derivatives_stop() -> None:
    fn = trace(lambda x: np.sum(x * sd.stop_gradient(x)), {"x": type_of(X)})
    assert "stop_gradient" in [v.op.name for v in fn.live()]
    assert sd.stop_gradient(2.5) == 2.5
    assert isinstance(sd.stop_gradient(V), np.ndarray)
    assert not isinstance(run(lambda x: sd.where(x > 0, x, 0.0), X), Tracer)
