"""Computation graphs: values and gradients node by node, against NumPy and compiled gradients."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import numpy as np
import pytest
import sympy

import symdiff as sd

LECTURE = "(x + y) * max(y, z)"


def by_name(graph: sd.ComputationGraph) -> dict[str, sd.Node]:
    return {node.name: node for node in graph.nodes_topologically_sorted()}


def lecture() -> sd.ComputationGraph:
    graph = sd.ComputationGraph(LECTURE)
    assert graph.forward({"x": 1.0, "y": 2.0, "z": 0.0}) == 6.0
    assert graph.backward() == {"x": 2.0, "y": 5.0, "z": 0.0}
    return graph


def test_the_lectures_example() -> None:
    nodes = by_name(lecture())
    assert [nodes[n].value for n in ("t1", "t2", "t3")] == [3.0, 2.0, 6.0]
    assert [nodes[n].gradient for n in ("t3", "t2", "t1")] == [1.0, 3.0, 2.0]
    assert [nodes[n].gradient for n in "xyz"] == [2.0, 5.0, 0.0]
    assert nodes["t3"].local_gradients == (2.0, 3.0)
    assert nodes["t2"].local_gradients == (1.0, 0.0)


def test_gradients_sum_where_paths_meet() -> None:
    nodes = by_name(lecture())
    y = nodes["y"]
    assert [user.name for user in y.users] == ["t1", "t2"]
    paths = [user.downstream[user.inputs.index(y)] for user in y.users]
    assert paths == [2.0, 3.0]
    assert y.gradient == sum(paths)


def test_what_a_node_says_of_itself() -> None:
    graph = lecture()
    nodes = by_name(graph)
    product = nodes["t3"]
    assert (product.op, product.label, product.formula) == ("mul", "*", "t1 * t2")
    assert (nodes["t2"].op, nodes["t2"].label, nodes["t2"].formula) == ("max", "max", "max(y, z)")
    assert (nodes["x"].op, nodes["x"].label, nodes["x"].kind) == ("param", "x", "input")
    assert product.kind == "operation"
    assert product.is_output
    assert not nodes["t1"].is_output
    assert graph.outputs == (product,)
    assert "switches" in product.intuition
    assert "distributes" in nodes["t1"].intuition
    assert "routes" in nodes["t2"].intuition
    assert [node.index for node in graph.nodes_topologically_sorted()] == list(range(6))
    assert str(product.type) == "f64"
    assert graph["t3"] is product
    with pytest.raises(KeyError):
        graph["t4"]
    assert repr(graph) == "<symdiff computation graph f(x, y, z), 6 nodes>"


def test_operands_come_before_users() -> None:
    for node in sd.ComputationGraph("a = x*y\nb = sin(a) + 2\nb*b/a").nodes_topologically_sorted():
        assert all(operand.index < node.index for operand in node.inputs)
        assert all(node in operand.users for operand in node.inputs)


def test_values_are_called_what_the_program_calls_them() -> None:
    graph = sd.ComputationGraph("a = x + y\nb = max(y, z)\na = a * b\nreturn a + 2")
    names = [node.name for node in graph.nodes_topologically_sorted()]
    assert names == ["x", "y", "z", "a", "b", "a_2", "2", "t1"]
    assert by_name(graph)["a_2"].formula == "a * b"
    assert by_name(graph)["2"].kind == "constant"


def test_values_are_called_what_python_calls_them() -> None:
    def f(x: Any) -> Any:
        mean = np.mean(x)  # a sum and a quotient
        centred: Any = x - mean
        for _ in range(2):
            centred = np.tanh(centred)
            centred *= 2.0
        return (total := np.sum(centred)) * total

    graph = sd.ComputationGraph(f)
    graph.forward(np.arange(3.0))
    called = {n.name: n.op for n in graph.nodes_topologically_sorted() if n.kind == "operation"}
    assert called["mean"] == "div"
    assert called["centred"] == "sub"
    assert [called[f"centred_{k}"] for k in (2, 3, 4, 5)] == ["tanh", "mul"] * 2
    assert called["total"] == "reduce_sum"
    assert sum(name.startswith("t") and name != "total" for name in called) == len(called) - 7


def test_names_that_parameters_have_are_left_to_them() -> None:
    graph = sd.ComputationGraph("t1*t2 + sin(t1)")
    assert [n.name for n in graph.nodes_topologically_sorted()] == ["t1", "t2", "t3", "t4", "t5"]


def test_places_in_text() -> None:
    graph = sd.ComputationGraph("a = x + y\nb = 2*max(y, z)\nreturn a * b")
    graph.forward([1, 2, 0])
    place = next(n for n in graph.nodes_topologically_sorted() if n.op == "max").place
    assert place is not None
    assert (place.line, place.column, place.end_line, place.end_column) == (2, 7, 2, 16)
    assert (place.text, place.file, str(place)) == ("max(y, z)", None, "line 2, column 7")
    assert place.excerpt == "  b = 2*max(y, z)\n        ^"


def test_places_in_python() -> None:
    def f(x: Any) -> Any:
        y = np.exp(x)
        é = y * np.sin(x)  # columns are counted in characters
        return é + y

    graph = sd.ComputationGraph(f)
    nodes = {node.op: node for node in graph.nodes_topologically_sorted()}
    _, start = inspect.getsourcelines(f)
    place = nodes["sin"].place
    assert place is not None
    assert (place.line, place.file, place.text) == (start + 2, __file__, "np.sin(x)")
    assert place.source_line[place.column - 1 :].startswith("np.sin(x)")  # type: ignore[operator]
    assert nodes["add"].place.text == "é + y"  # type: ignore[union-attr]
    assert nodes["param"].place is None


def test_sympy_has_no_places() -> None:
    x, y = sympy.symbols("x y")
    graph = sd.ComputationGraph(sympy.Max(x, y) * sympy.sin(x))
    assert graph.forward([2.0, 1.0]) == 2.0 * np.sin(2.0)
    assert graph.backward()["x"] == pytest.approx(np.sin(2.0) + 2.0 * np.cos(2.0))
    assert all(node.place is None for node in graph.nodes_topologically_sorted())


# Forward and backward.


def test_arrays_and_structures() -> None:
    def layer(params: Any, x: Any) -> Any:
        return np.sum(np.tanh(params["W"] @ x + params["b"]) ** 2)

    rng = np.random.default_rng(0)
    W, b, x = rng.normal(size=(2, 3)), rng.normal(size=2), rng.normal(size=3)
    graph = sd.ComputationGraph(layer)
    with pytest.raises(sd.NeedsShapes, match=r"call forward\(inputs\) first"):
        graph.nodes_topologically_sorted()
    value = graph.forward({"params": {"W": W, "b": b}, "x": x})
    h = np.tanh(W @ x + b)
    assert value == pytest.approx(np.sum(h**2))
    found = graph.backward()
    bar = 2 * h * (1 - h**2)
    np.testing.assert_allclose(found["params"]["W"], np.outer(bar, x), rtol=1e-12)
    np.testing.assert_allclose(found["params"]["b"], bar, rtol=1e-12)
    np.testing.assert_allclose(found["x"], bar @ W, rtol=1e-12)
    nodes = {node.op: node for node in graph.nodes_topologically_sorted()}
    assert nodes["contract"].formula == "params_W @ x"
    tanh = nodes["tanh"]
    np.testing.assert_allclose(tanh.local_gradients[0], np.diag(1 - h**2), rtol=1e-12)
    np.testing.assert_allclose(tanh.downstream[0], bar, rtol=1e-12)
    assert nodes["contract"].local_gradients[0].shape == (2, 2, 3)


def test_jacobians_of_large_arrays_are_left_out() -> None:
    graph = sd.ComputationGraph(lambda x: np.sum(np.tanh(x)))
    graph.forward([np.zeros(100)])
    graph.backward()
    tanh, total = graph.nodes_topologically_sorted()[1:]
    assert tanh.local_gradients == (None,)
    assert total.local_gradients[0].shape == (100,)
    np.testing.assert_array_equal(tanh.downstream[0], np.ones(100))


def test_other_shapes_make_other_nodes() -> None:
    graph = sd.ComputationGraph(lambda x: np.sum(x * x))
    assert graph.forward(np.ones(3)) == 3.0
    first = graph.nodes_topologically_sorted()
    assert graph.forward(np.full(3, 2.0)) == 12.0
    assert graph.nodes_topologically_sorted() == first
    assert graph.forward(np.ones(5)) == 5.0
    np.testing.assert_array_equal(graph.backward()["x"], np.full(5, 2.0))
    assert graph.nodes_topologically_sorted() != first


def test_several_outputs_and_upstream() -> None:
    graph = sd.ComputationGraph("r*cos(t), r*sin(t)")
    assert graph.forward([2.0, 0.0]) == (2.0, 0.0)
    assert graph.backward() == {"r": 1.0, "t": 2.0}
    assert graph.backward((1.0, 0.0)) == {"r": 1.0, "t": 0.0}
    assert graph.backward((0.0, 3.0)) == {"r": 0.0, "t": 6.0}
    assert sum(node.is_output for node in graph.nodes_topologically_sorted()) == 2
    vector = sd.ComputationGraph(lambda x: 2.0 * x, args={"x": "f64[3]"})
    vector.forward([np.arange(3.0)])
    np.testing.assert_array_equal(vector.backward([1.0, 0.0, 2.0])["x"], [2.0, 0.0, 4.0])


class Polar(NamedTuple):
    r: Any
    t: Any


def test_the_result_keeps_its_structure() -> None:
    graph = sd.ComputationGraph(lambda x, y: {"polar": Polar(np.hypot(x, y), np.arctan2(y, x))})
    result = graph.forward([3.0, 4.0])
    assert result["polar"].r == 5.0
    assert isinstance(result["polar"], Polar)
    assert graph.backward({"polar": Polar(5.0, 0.0)}) == {"x": 3.0, "y": 4.0}


def test_loops_with_several_results() -> None:
    def f(x: Any) -> Any:
        last, steps = sd.scan(lambda c, a: (c * a, c + a), 1.0, x)
        return last + np.sum(steps)

    x = np.array([2.0, 3.0, 5.0])
    graph = sd.ComputationGraph(f)
    value = graph.forward(x)
    assert value == 30 + (1 + 2 + 6) + 10
    np.testing.assert_allclose(graph.backward()["x"], sd.grad(f)(x), rtol=1e-14)
    loop = next(node for node in graph.nodes_topologically_sorted() if node.op == "scan")
    assert isinstance(loop.value, tuple)
    assert loop.value[0] == 30.0
    assert [user.op for user in loop.users] == ["item", "item"]
    assert [user.formula for user in loop.users] == [f"{loop.name}[0]", f"{loop.name}[1]"]
    np.testing.assert_allclose(loop.downstream[1], graph.backward()["x"], rtol=1e-14)


def test_elements_of_a_tuple_have_no_single_local_gradient() -> None:
    graph = sd.ComputationGraph(
        lambda x: sd.scan(lambda carry, a: (carry + a, carry * a), 0.0, x)  # pyright: ignore
    )
    graph.forward([np.arange(3.0)])
    graph.backward()
    nodes = graph.nodes_topologically_sorted()
    (loop,) = [node for node in nodes if isinstance(node.value, tuple)]
    assert loop.local_gradients == (None, None)
    assert [node.local_gradients for node in nodes if node.op == "item"] == [(None,), (None,)]


def test_the_callers_arrays_are_not_shared() -> None:
    graph = sd.ComputationGraph(lambda x, y: x + 2 * x * y)  # pyright: ignore
    x, y = np.ones(2), np.ones(2)
    value = graph.forward([x, y])
    x[0] = y[0] = value[0] = 100.0
    gradients = graph.backward()
    np.testing.assert_array_equal(gradients["x"], [3.0, 3.0])
    np.testing.assert_array_equal(graph["x"].value, [1.0, 1.0])
    np.testing.assert_array_equal(graph.outputs[0].value, [3.0, 3.0])
    total = sd.ComputationGraph(lambda x, y: x + y)  # pyright: ignore
    total.forward([x, y])
    gradients = total.backward()
    gradients["x"] -= 1.0
    np.testing.assert_array_equal(gradients["y"], [1.0, 1.0])
    np.testing.assert_array_equal(total["x"].gradient, [1.0, 1.0])


def test_a_single_result_is_the_operation_itself() -> None:
    graph = sd.ComputationGraph(lambda x: sd.fori_loop(0, 3, lambda i, c: c * c, x) + 1.0)
    assert graph.forward(1.5) == 1.5**8 + 1
    assert graph.backward()["x"] == pytest.approx(8 * 1.5**7)
    ops = [node.op for node in graph.nodes_topologically_sorted()]
    assert "item" not in ops
    loop = next(node for node in graph.nodes_topologically_sorted() if node.op == "scan")
    assert pytest.approx(8 * 1.5**7) in loop.local_gradients


def test_integers_have_no_gradient() -> None:
    graph = sd.ComputationGraph(
        lambda x, i: np.sum(sd.numpy.take(x, i)), args={"x": "f64[3]", "i": "i64[2]"}
    )
    assert graph.forward([np.array([1.0, 2.0, 4.0]), np.array([2, 2])]) == 8.0
    found = graph.backward()
    assert list(found) == ["x"]
    np.testing.assert_array_equal(found["x"], [0.0, 0.0, 2.0])


def test_single_precision_stays_single() -> None:
    graph = sd.ComputationGraph("exp(x)/3", args={"x": "f32"})
    expected = np.exp(np.float32(0.1)) / np.float32(3)
    assert np.float32(graph.forward(0.1)) == expected
    assert graph.forward(0.1) == float(expected)


def test_unused_parameters_have_a_gradient_of_zero() -> None:
    graph = sd.ComputationGraph("x*2", args=["x", "y"])
    graph.forward({"x": 1.0, "y": 5.0})
    assert graph.backward() == {"x": 2.0, "y": 0.0}


# Conventions: exactly those of compiled gradients.


@pytest.mark.parametrize(
    ("source", "at"),
    [
        ("where(x > 0, 1/x, sqrt(-x)) + x**2", 0.0),
        ("where(x > 0, log(x), x)", 0.0),
        ("where(x > 0, log(x)*x, 3*x)*2", 0.0),
        ("x**2", 0.0),
        ("x**3*abs(x)", 0.0),
        ("max(x, 0)", 0.0),
        ("max(x, 0)", -1.0),
        ("min(x, 1/x)", 0.0),
        ("sqrt(x)", 0.0),
        ("relu(x) + sign(x)", 0.0),
        ("hypot(x, 0)", 0.0),
        ("x if x < 1 else exp(1000*x)", 0.5),
    ],
)
def test_gradients_at_kinks_and_poles(source: str, at: float) -> None:
    graph = sd.ComputationGraph(source)
    graph.forward(at)
    np.testing.assert_equal(graph.backward()["x"], sd.grad(source)(at))


def test_what_a_mask_keeps_back_is_zero_at_every_node() -> None:
    graph = sd.ComputationGraph("where(x > 0, 1/x, x)")
    graph.forward(0.0)
    graph.backward()
    quotient = next(node for node in graph.nodes_topologically_sorted() if node.op == "div")
    assert (quotient.value, quotient.gradient, quotient.downstream[1]) == (np.inf, 0.0, 0.0)


def test_what_is_stopped_does_not_flow() -> None:
    graph = sd.ComputationGraph(lambda x: x * sd.stop_gradient(x * x))
    graph.forward(2.0)
    assert graph.backward() == {"x": 4.0}
    nodes = {node.op: node for node in graph.nodes_topologically_sorted()}
    assert nodes["stop_gradient"].downstream == (None,)


# Size.


def test_ten_thousand_nodes() -> None:
    count = 3400
    lines = ["a0 = x"] + [f"a{i} = sin(a{i - 1})*x + 0.5" for i in range(1, count)]
    source = "\n".join([*lines, f"a{count - 1}*y"])
    graph = sd.ComputationGraph(source)
    assert len(graph.nodes_topologically_sorted()) > 10_000
    value, slope = 0.7, 1.0
    for _ in range(1, count):
        value, slope = np.sin(value) * 0.7 + 0.5, np.cos(value) * slope * 0.7 + np.sin(value)
    assert graph.forward([0.7, 2.0]) == pytest.approx(2 * value)
    assert graph.backward() == pytest.approx({"x": 2 * slope, "y": value})


# Errors.


def test_backward_comes_after_forward() -> None:
    graph = sd.ComputationGraph("x*y")
    with pytest.raises(sd.ArgumentError, match=r"call forward\(inputs\) first"):
        graph.backward()
    graph.forward([1.0, 2.0])
    graph.backward()
    graph.forward([2.0, 3.0])
    assert all(node.gradient is None for node in graph.nodes_topologically_sorted())


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": 1.0, "q": 2.0}, "inputs: missing y; unknown q; parameters are x, y"),
        ([1.0], "inputs: 1 values for the parameters x, y"),
        (3.0, "inputs: 1 values for the parameters x, y"),
        ("x", "inputs: 'x': expected values by name or in order, for x, y"),
        ({"x": "a", "y": 1.0}, "inputs: x is 'a', expected a number"),
        ({"x": np.ones(3), "y": 1.0}, "inputs: x is an array, expected a number"),
    ],
)
def test_inputs_that_do_not_fit(inputs: Any, message: str) -> None:
    with pytest.raises(sd.ArgumentError) as error:
        sd.ComputationGraph("x*y").forward(inputs)
    assert str(error.value).startswith(message)


def test_upstream_that_does_not_fit() -> None:
    graph = sd.ComputationGraph("x, 2*x")
    graph.forward(1.0)
    with pytest.raises(sd.ArgumentError, match="upstream: expected a tuple of 2"):
        graph.backward((1.0, 2.0, 3.0))
    with pytest.raises(sd.ArgumentError, match="upstream: value_1: expected real numbers"):
        graph.backward((1.0, "b"))
    with pytest.raises(sd.ShapeError, match=r"upstream: value_0 has the shape \(2,\)"):
        graph.backward((np.ones(2), 1.0))


def test_nothing_to_go_back_from() -> None:
    graph = sd.ComputationGraph("x > y")
    assert graph.forward([1.0, 2.0]) is False
    with pytest.raises(sd.ArgumentError, match="no floating-point output"):
        graph.backward()
