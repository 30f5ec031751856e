"""Structures of arrays: taken apart, built again, as parameters, gradients and vectors."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose, assert_array_equal

import symdiff as sd
from symdiff import ir


@dataclass
class Layer:
    W: Any
    b: Any


@dataclass(frozen=True, slots=True)
class Frozen:
    scale: Any
    inner: Any = None


class Pair(NamedTuple):
    first: Any
    second: Any


STRUCTURES: list[tuple[Any, list[str], list[Any]]] = [
    (1.0, ["p"], [1.0]),
    ((1.0, 2.0), ["p_0", "p_1"], [1.0, 2.0]),
    ([1.0, (2.0,)], ["p_0", "p_1_0"], [1.0, 2.0]),
    ({"W": 1.0, "b": 2.0}, ["p_W", "p_b"], [1.0, 2.0]),
    ({"b": 1.0, "W": 2.0}, ["p_b", "p_W"], [1.0, 2.0]),
    ({"layers": [Layer(1.0, 2.0)]}, ["p_layers_0_W", "p_layers_0_b"], [1.0, 2.0]),
    (Pair(1.0, Frozen(2.0)), ["p_first", "p_second_scale"], [1.0, 2.0]),
    ({"a": {"b": 1.0}, "a_b": 2.0}, ["p_a_b", "p_a_b_"], [1.0, 2.0]),
    ({"": 1.0, "two words": 2.0}, ["p_", "p_two_words"], [1.0, 2.0]),
    ({"none": None, "x": 1.0}, ["p_x"], [1.0]),
    ((), [], []),
    ({}, [], []),
    (ir.record("Gradient", ("x", "lambda"))([1.0, 2.0]), ["p_x", "p_lambda"], [1.0, 2.0]),
]
every_structure = pytest.mark.parametrize(("structure", "names", "values"), STRUCTURES)


@every_structure
def test_taken_apart_and_built_again(structure: Any, names: list[str], values: list[Any]) -> None:
    tree, found = ir.destructure(structure, "p")
    assert [leaf.name for leaf in ir.leaves(tree)] == names
    assert found == values
    again = ir.build(tree, iter(found))
    assert again == structure
    assert type(again) is type(structure)
    assert ir.flatten(tree, structure) == values


@every_structure
def test_printed_and_read(structure: Any, names: list[str], values: list[Any]) -> None:
    """What is read back has records in place of the user's own types."""
    tree, found = ir.destructure(structure, "p")
    if not found:
        return
    graph = ir.Graph()
    x = graph.param("x", ir.F64)
    text = ir.print_function(ir.Function("f", (x,), (x,) * len(found), tree))
    again = ir.read_function(text, {})
    assert again.result == ir.without_factories(tree)
    assert ir.print_function(again) == text
    assert ir.flatten(again.result, structure) == values


def test_names_are_not_those_in_use() -> None:
    tree, _ = ir.destructure({"x": 1.0}, "p", taken={"p_x"})
    assert ir.leaves(tree) == [ir.Leaf("p_x_")]
    tree, _ = ir.destructure([1.0])
    assert ir.leaves(tree) == [ir.Leaf("_0")]


def test_what_cannot_be_taken_apart() -> None:
    with pytest.raises(sd.ArgumentError, match="p_a: the key 3 of the dict is not a string"):
        ir.destructure({"a": {3: 1.0}}, "p")
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(sd.ArgumentError, match="nested more than"):
        ir.destructure(cycle, "p")


@pytest.mark.parametrize(
    ("structure", "other", "message"),
    [
        ({"a": 1.0}, {"b": 1.0}, "a dict with the keys a"),
        ({"a": 1.0}, (1.0,), "a dict with the keys a"),
        ((1.0, 2.0), (1.0,), "a tuple of 2"),
        ([1.0], 1.0, "a list of 1"),
        (Layer(1.0, 2.0), 1.0, "a Layer with W, b"),
        (None, 1.0, "expected None"),
    ],
)
def test_other_structures(structure: Any, other: Any, message: str) -> None:
    tree, _ = ir.destructure(structure, "p")
    with pytest.raises(ValueError, match=message):
        ir.flatten(tree, other)


# Parameters.


def model(params: Any, x: Any) -> Any:
    return np.sum(np.tanh(x @ params["W"] + params["b"]))


PARAMS = {"W": np.arange(6.0).reshape(2, 3) / 10, "b": np.array([0.1, -0.2, 0.3])}
X = np.array([[1.0, 2.0], [-1.0, 0.5]])


def expected_gradient() -> dict[str, Any]:
    delta = 1 - np.tanh(X @ PARAMS["W"] + PARAMS["b"]) ** 2
    return {"W": X.T @ delta, "b": delta.sum(axis=0)}


def test_a_gradient_has_the_structure_of_its_parameter() -> None:
    gradient = sd.grad(model, wrt="params")(PARAMS, X)
    assert list(gradient) == ["W", "b"]
    for name, expected in expected_gradient().items():
        assert_allclose(gradient[name], expected, rtol=1e-13)
    value, both = sd.value_and_grad(model)(PARAMS, X)
    assert_allclose(value, model(PARAMS, X), rtol=1e-14)
    assert repr(type(both)) == repr(type(sd.grad("x*y")(1.0, 2.0)))
    assert both._fields == ("params", "x")
    assert_allclose(both.params["b"], expected_gradient()["b"], rtol=1e-13)
    assert both.x.shape == X.shape


def test_the_order_of_a_dict_is_kept() -> None:
    turned = {"b": PARAMS["b"], "W": PARAMS["W"]}
    gradient = sd.grad(model, wrt=0)(turned, X)
    assert list(gradient) == ["b", "W"]
    assert_allclose(gradient["W"], expected_gradient()["W"], rtol=1e-13)


def test_dataclasses_named_tuples_and_lists() -> None:
    def deep(net: Any, x: Any) -> Any:
        for layer in net:
            x = np.tanh(x @ layer.W + layer.b)
        return np.sum(x)

    net = [Layer(PARAMS["W"], PARAMS["b"]), Layer(np.ones((3, 2)), 0.5)]
    gradient = sd.grad(deep, wrt="net")(net, X)
    assert [type(layer) for layer in gradient] == [Layer, Layer]
    assert gradient[0].W.shape == (2, 3)
    assert type(gradient[1].b) is float
    step = 1e-6

    def moved(by: float) -> float:
        return deep([Layer(PARAMS["W"], PARAMS["b"]), Layer(np.ones((3, 2)), 0.5 + by)], X)

    assert_allclose(gradient[1].b, (moved(step) - moved(-step)) / (2 * step), rtol=1e-6)
    pair = sd.grad(lambda p: np.sum(p.first * p.second.scale))(Pair(X, Frozen(X)))
    assert type(pair) is Pair
    assert type(pair.second) is Frozen
    assert pair.second.inner is None
    assert_array_equal(pair.second.scale, X)


def test_integers_in_a_structure_have_no_derivative() -> None:
    data = {"table": np.arange(4.0), "rows": np.array([1, 1, 3])}
    gradient = sd.grad(lambda d: np.sum(d["table"][d["rows"]] ** 2))(data)
    assert gradient["rows"] is None
    assert_array_equal(gradient["table"], [0, 4, 0, 6])


def test_structures_as_results() -> None:
    def both(x: Any) -> Any:
        return {"sum": np.sum(x), "parts": [x, Pair(2 * x, x[0])]}

    result = sd.function(both)(np.array([1.0, 2.0]))
    assert list(result) == ["sum", "parts"]
    assert result["sum"] == 3.0
    assert isinstance(result["parts"], list)
    assert_array_equal(result["parts"][1].first, [2, 4])


def test_declared_structures() -> None:
    types = {"params": {"W": "f64[2,3]", "b": "f64[3]"}, "x": "f64[2]"}
    f = sd.value_and_grad(model, wrt="params", args=types)
    assert f.parameters == ("params", "x")
    assert f.ir.param_names == ("params_W", "params_b", "x")
    assert f.outputs == ("value", "d_params_W", "d_params_b")
    kernel = sd.compile(f)
    assert kernel.parameters == ("params", "x")
    values, gradients = kernel(PARAMS, X)  # a batch of points x
    assert values.shape == (2,)
    assert gradients["W"].shape == (2, 2, 3)
    assert_allclose(gradients["b"].sum(axis=0), expected_gradient()["b"], rtol=1e-13)
    named = kernel(x=X[0], params=OrderedDict(PARAMS))
    assert_array_equal(named[1]["b"], gradients["b"][0])
    for wrong, message in (
        (1.0, "params: expected a dict with the keys W, b, got float"),
        ({"W": PARAMS["W"]}, "params: expected a dict with the keys W, b"),
        ({**PARAMS, "b": np.ones(4)}, r"params_b: expected an array of shape \(3,\)"),
    ):
        with pytest.raises(sd.ArgumentError, match=message):
            kernel(wrong, X[0])


def test_other_declared_parameters_are_numbers() -> None:
    def scaled(params: Any, factor: Any) -> Any:
        return factor * params["x"]

    f = sd.function(scaled, args={"params": {"x": "f64[2]"}})
    assert_array_equal(f({"x": np.array([1.0, 2.0])}, 3.0), [3, 6])
    with pytest.raises(sd.ArgumentError, match="'other' is none of params, factor"):
        sd.function(scaled, args={"other": {"x": "f64[2]"}})
    with pytest.raises(sd.ArgumentError, match=r"args: 'params': 3 is no type"):
        sd.function(scaled, args={"params": {"x": 3}})


def test_tangents_have_the_structure_of_their_parameters() -> None:
    value, tangent = sd.jvp(model, wrt="params")(PARAMS, X, PARAMS)
    expected = expected_gradient()
    slope = sum(np.vdot(expected[name], PARAMS[name]) for name in PARAMS)
    assert_allclose((value, tangent), (model(PARAMS, X), slope), rtol=1e-13)
    _, named = sd.jvp(model, wrt="params")(x=X, params=PARAMS, d_params=PARAMS)
    assert named == tangent
    _, gradient = sd.vjp(model, wrt="params")(PARAMS, X, 2.0)
    assert_allclose(gradient["b"], 2 * expected["b"], rtol=1e-13)
    product = sd.hvp(model, wrt="params")(PARAMS, X, PARAMS)
    h = 1e-6
    ends = [
        sd.grad(model, wrt="params")({n: p * (1 + t) for n, p in PARAMS.items()}, X)["W"]
        for t in (h, -h)
    ]
    assert_allclose(product["W"], (ends[0] - ends[1]) / (2 * h), rtol=1e-6)


def test_jacobians_and_hessians_nest_the_structure() -> None:
    p = {"a": np.array([1.0, 2.0]), "b": 3.0}
    jacobian = sd.jacobian(lambda p: p["a"] * p["b"])(p)
    assert_array_equal(jacobian["a"], [[3, 0], [0, 3]])
    assert_array_equal(jacobian["b"], [1, 2])
    hessian = sd.hessian(lambda p: np.sum(p["a"] ** 2) * p["b"])(p)
    assert_array_equal(hessian["a"]["a"], [[6, 0], [0, 6]])
    assert_array_equal(hessian["a"]["b"], [2, 4])
    assert_array_equal(hessian["b"]["a"], [2, 4])
    assert hessian["b"]["b"] == 0.0


def test_functions_of_structures_inside_traced_functions() -> None:
    inner = sd.function(model)
    outer = sd.grad(lambda s: inner({"W": s * PARAMS["W"], "b": PARAMS["b"]}, X))
    expected = np.vdot(expected_gradient()["W"], PARAMS["W"])
    assert_allclose(outer(1.0), expected, rtol=1e-12)


def test_pickled_functions_of_structures() -> None:
    types = {"net": Layer("f64[2,3]", "f64[3]"), "x": "f64[2]"}
    f = sd.grad(lambda net, x: np.sum(x @ net.W + net.b), wrt="net", args=types)
    layer = Layer(PARAMS["W"], PARAMS["b"])
    assert type(f(layer, X[0])) is Layer
    again = pickle.loads(pickle.dumps(f))
    result = again(layer, X[0])
    assert result._fields == ("W", "b")
    assert_array_equal(result.W, f(layer, X[0]).W)


# Vectors.


def test_ravel() -> None:
    structure = {"W": PARAMS["W"], "rest": [Layer(2.0, np.ones(2, np.float32))]}
    vector, restore = sd.ravel(structure)
    assert_array_equal(vector, [*PARAMS["W"].ravel(), 2, 1, 1])
    again = restore(vector)
    assert_array_equal(again["W"], PARAMS["W"])
    assert again["rest"][0].W == 2.0
    assert again["rest"][0].b.dtype == np.float32
    for wrong in (vector[1:], vector[None], "abc", vector + 1j):
        with pytest.raises(sd.ArgumentError, match="expected a vector of 9 numbers"):
            restore(wrong)
    for example, message in (
        ({"i": np.array([1, 2])}, "structure_i: i64.* does not vary continuously"),
        (1.0, "a single number"),
        ({"s": "text"}, "structure_s: expected real numbers, got str"),
    ):
        with pytest.raises(sd.ArgumentError, match=message):
            sd.ravel(example)


def test_a_function_of_a_dict_in_scipy() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20, 2))
    y = np.tanh(x @ np.array([0.5, -1.0]) + 0.25)

    def loss(params: Any, x: Any, y: Any) -> Any:
        return np.sum((np.tanh(x @ params["w"] + params["b"]) - y) ** 2)

    f = sd.flat(sd.value_and_grad(loss, wrt="params"), {"w": np.zeros(2), "b": 0.0})
    result = scipy.optimize.minimize(f, f.x0, args=(x, y), jac=True, method="L-BFGS-B")
    found = f.restore(result.x)
    assert list(found) == ["w", "b"]
    assert_allclose(found["w"], [0.5, -1.0], atol=1e-4)
    assert_allclose(found["b"], 0.25, atol=1e-4)

    def residuals(params: Any, x: Any, y: Any) -> Any:
        return np.tanh(x @ params["w"] + params["b"]) - y

    jacobian: Any = sd.flat(sd.jacobian(residuals, wrt="params"), {"w": np.zeros(2), "b": 0.0})
    assert jacobian(f.x0, x, y).shape == (20, 3)
    start = {"w": np.zeros(2), "b": 0.0}
    fun = sd.flat(residuals, start)
    solved = scipy.optimize.least_squares(fun, fun.x0, jac=jacobian, args=(x, y))
    assert_allclose(solved.x, [0.5, -1.0, 0.25], atol=1e-6)


def test_products_with_the_hessian_of_a_function_of_a_dict() -> None:
    def rosenbrock(p: Any) -> Any:
        x = p["x"]
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    start = {"x": np.zeros(4)}
    f = sd.flat(sd.value_and_grad(rosenbrock), start)
    hessp = sd.flat(sd.hvp(rosenbrock), start, start)
    result = scipy.optimize.minimize(f, f.x0, jac=True, hessp=hessp, method="Newton-CG")
    assert_allclose(f.restore(result.x)["x"], np.ones(4), atol=1e-3)
    with pytest.raises(sd.ArgumentError, match="expected 2 vectors"):
        hessp(f.x0)
