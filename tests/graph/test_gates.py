"""Gates that users write, in all sources: interpreted, and compiled where they can be traced."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy

import symdiff as sd


class MultiplyGate:
    def forward(self, x: Any, y: Any) -> Any:
        self.x = x
        self.y = y
        return x * y

    def backward(self, dz: Any) -> Any:
        return [self.y * dz, self.x * dz]


class SineAboveZero:
    """Needs numbers, for an `if` and for the functions of `math`."""

    def forward(self, x: Any) -> Any:
        self.x = x
        return math.sin(x) if x > 0 else 0.0

    def backward(self, dz: Any) -> Any:
        return math.cos(self.x) * dz if self.x > 0 else 0.0


class Dropout:
    """Draws its mask when it goes forward, and needs the same one to go backward."""

    def forward(self, x: Any) -> Any:
        if not x.any():
            raise ValueError("nothing to drop")
        self.mask = np.random.default_rng().random(x.shape) < 0.5
        return x * self.mask

    def backward(self, dz: Any) -> Any:
        return dz * self.mask


class Power:
    def __init__(self, exponent: float) -> None:
        self.exponent = exponent

    def forward(self, x: Any) -> Any:
        self.x = x
        return x**self.exponent

    def backward(self, dz: Any) -> Any:
        return dz * self.exponent * self.x ** (self.exponent - 1)


GATES = {"multiply": MultiplyGate, "bump": SineAboveZero}
TEXT = "multiply(x + y, max(y, z))"


def test_the_lectures_gate_in_text() -> None:
    graph = sd.ComputationGraph(TEXT, gates=GATES)
    assert graph.forward([1.0, 2.0, 0.0]) == 6.0
    assert graph.backward() == {"x": 2.0, "y": 5.0, "z": 0.0}
    node = graph.nodes_topologically_sorted()[-1]
    assert (node.label, node.formula) == ("MultiplyGate", "MultiplyGate(t1, t2)")
    assert node.local_gradients == (2.0, 3.0)
    assert node.place is not None
    assert node.place.text == TEXT


def test_a_traced_gate_compiles() -> None:
    fn = sd.function(TEXT, gates=GATES)
    assert sd.value_and_grad(fn)(1.0, 2.0, 0.0) == (6.0, (2.0, 5.0, 0.0))
    x = np.linspace(0.5, 2.0, 7)
    np.testing.assert_array_equal(sd.grad(fn)(x, 2.0, 0.0).y, x + 4.0)


def test_gates_in_python_and_as_decorators() -> None:
    multiply = sd.gate(MultiplyGate)
    assert sd.gate(multiply) is multiply
    assert multiply(3.0, 4.0) == 12.0

    def f(v: Any) -> Any:
        return np.sum(multiply(v, v + 1.0))

    v = np.arange(3.0)
    np.testing.assert_array_equal(sd.grad(f)(v), 2 * v + 1)
    graph = sd.ComputationGraph(f)
    assert graph.forward(v) == np.sum(v * (v + 1))
    np.testing.assert_array_equal(graph.backward()["v"], 2 * v + 1)


def test_gates_in_sympy() -> None:
    x, y = sympy.symbols("x y")
    product = sympy.Function("multiply")
    fn = sd.function(product(x, y) + x, gates=GATES)
    assert sd.grad(fn)(2.0, 3.0) == (4.0, 2.0)
    with pytest.raises(sd.UnsupportedError):
        sd.function(product(x, y))
    with pytest.raises(sd.UnsupportedError, match="missing a required argument: 'y'"):
        sd.function(product(x), gates=GATES)


def test_a_gates_derivative_is_what_it_says() -> None:
    class Wrong(MultiplyGate):
        def backward(self, dz: Any) -> Any:
            return [7.0 * dz, None]

    fn = sd.function("wrong(x, y)", gates={"wrong": Wrong})
    assert sd.grad(fn)(2.0, 3.0) == (7.0, 0.0)
    graph = sd.ComputationGraph("wrong(x, y)", gates={"wrong": Wrong})
    graph.forward([2.0, 3.0])
    assert graph.backward() == {"x": 7.0, "y": 0.0}
    assert not sd.check(fn, [2.0, 3.0]).passed


def test_objects_with_settings() -> None:
    fn = sd.function("cube(x) + cube(2*x)", gates={"cube": Power(3.0)})
    assert sd.grad(fn)(2.0) == pytest.approx(3 * 4 + 2 * 3 * 16)
    with pytest.raises(sd.ArgumentError, match=r"give an object, Power\(\.\.\.\)"):
        sd.function("cube(x)", gates={"cube": Power})


# Gates that need numbers.


@pytest.mark.parametrize("at", [0.5, -0.5])
def test_a_gate_that_needs_numbers_is_interpreted(at: float) -> None:
    graph = sd.ComputationGraph("bump(x)*bump(2*x) + x", gates=GATES)
    s, c = (math.sin, math.cos) if at > 0 else (lambda _: 0.0, lambda _: 0.0)
    assert graph.forward(at) == pytest.approx(s(at) * s(2 * at) + at)
    slope = c(at) * s(2 * at) + 2 * s(at) * c(2 * at) + 1
    assert graph.backward()["x"] == pytest.approx(slope)
    bump = next(node for node in graph.nodes_topologically_sorted() if node.op == "gate")
    assert bump.label == "SineAboveZero"
    assert bump.local_gradients == (c(at),)


@pytest.mark.parametrize(
    "compiled",
    [lambda fn: fn(1.0), lambda fn: sd.grad(fn)(1.0), lambda fn: sd.compile(fn, cache=False)],
)
def test_compiling_it_says_why_not(compiled: Any) -> None:
    fn = sd.function("bump(x)", gates=GATES)
    with pytest.raises(sd.UnsupportedError) as error:
        compiled(fn)
    message = str(error.value)
    assert message.startswith("SineAboveZero cannot be compiled, as it needs numbers (")
    assert f"{__file__}, line " in message
    assert "sd.ComputationGraph" in message


def test_gates_in_loops() -> None:
    bump = sd.gate(SineAboveZero)

    def f(x: Any) -> Any:
        return sd.fori_loop(0, 3, lambda _, c: 1.1 * bump(c), x)

    graph = sd.ComputationGraph(f)
    value, slope = 0.7, 1.0
    for _ in range(3):
        value, slope = 1.1 * math.sin(value), 1.1 * math.cos(value) * slope
    assert graph.forward(0.7) == pytest.approx(value)
    assert graph.backward() == {"x": pytest.approx(slope)}
    with pytest.raises(sd.UnsupportedError, match="SineAboveZero cannot be compiled"):
        sd.grad(f)(0.7)
    with pytest.raises(sd.UnsupportedError, match="gate cannot be batched"):
        sd.vmap(bump)(np.ones(3))


def test_it_prints_and_cannot_be_differentiated_forward() -> None:
    fn = sd.function("bump(x)", gates=GATES)
    assert "<gate SineAboveZero>" in str(fn)
    with pytest.raises(
        sd.DifferentiationError, match="SineAboveZero is a gate, which has reverse mode"
    ):
        sd.jvp(fn)
    with pytest.raises(sd.DifferentiationError, match="for second derivatives write it over"):
        sd.hessian(fn)


def test_forward_mode_is_refused_by_name() -> None:
    multiply = sd.gate(MultiplyGate)

    def tall(x: Any) -> Any:
        return np.stack([multiply(x, x), x, x])

    with pytest.raises(sd.DifferentiationError) as error:
        sd.jacobian(tall)(2.0)
    assert "MultiplyGate has a rule for reverse mode only, as gates" in str(error.value)
    assert 'mode="reverse"' in str(error.value)
    np.testing.assert_array_equal(sd.jacobian(tall, mode="reverse")(2.0), [4.0, 1.0, 1.0])


def test_each_use_has_an_object_of_its_own() -> None:
    drop = sd.gate(Dropout)
    graph = sd.ComputationGraph(lambda x: np.sum(drop(2.0 * x) + drop(2.0 * x)))
    x = np.arange(1.0, 65.0)
    value = graph.forward(x)
    found = graph.backward()["x"]
    assert np.sum(found * x) == pytest.approx(value)  # the masks are those of the forward pass
    assert set(found) == {0.0, 2.0, 4.0}  # two masks
    first, second = [n for n in graph.nodes_topologically_sorted() if n.op == "gate"]
    assert not np.array_equal(first.value, second.value)
    again = np.diagonal(graph.backward()["x"] * np.eye(64))
    np.testing.assert_array_equal(again, found)


# Errors.


class Bad:
    def forward(self, x: Any, y: Any) -> Any:
        return math.hypot(x, y) if x > 0 else [1.0, 2.0]

    def backward(self, dz: Any) -> Any:
        return dz


def test_what_is_no_gate() -> None:
    with pytest.raises(sd.ArgumentError, match="has no method backward; a gate is a class with"):
        sd.gate(type("Half", (), {"forward": lambda self, x: x}))
    with pytest.raises(sd.ArgumentError, match="forward needs operands that have names"):
        sd.gate(type("All", (), {"forward": lambda self, *x: x, "backward": lambda self, d: d}))
    with pytest.raises(sd.ArgumentError, match="gates: 'a b' is not a name"):
        sd.function("x", gates={"a b": MultiplyGate})
    with pytest.raises(sd.ArgumentError, match="gates= is for text and SymPy"):
        sd.function(lambda x: x, gates=GATES)


def test_calls_that_do_not_fit() -> None:
    with pytest.raises(sd.ParseError, match="missing a required argument: 'y'") as error:
        sd.function("1 + multiply(x)", gates=GATES)
    assert error.value.column == 5
    with pytest.raises(sd.ParseError, match="unknown function 'bump'"):
        sd.function("bump(x)")
    with pytest.raises(sd.ParseError, match="did you mean bump"):
        sd.function("bumpp(x)", gates=GATES)
    with pytest.raises(sd.ParseError, match="takes no element by an index"):
        sd.function(
            "sum(multiply(x[i], y) for i in range(3))", {"x": "f64[3]", "y": "f64"}, gates=GATES
        )


def test_results_that_do_not_fit() -> None:
    graph = sd.ComputationGraph("bad(x, y)", gates={"bad": Bad})
    with pytest.raises(sd.ShapeError, match=r"Bad\.forward has the shape \(2,\), expected f64"):
        graph.forward([-1.0, 1.0])
    assert graph.forward([3.0, 4.0]) == 5.0
    with pytest.raises(sd.ShapeError, match=r"Bad\.backward must return 2 gradients"):
        graph.backward()


class OneGradient(MultiplyGate):
    def backward(self, dz: Any) -> Any:
        return [self.y * dz]


class NoValue(MultiplyGate):
    def forward(self, x: Any, y: Any) -> Any:
        self.x, self.y = x, y


class NoNumber(SineAboveZero):
    """Needs numbers, too."""

    def forward(self, x: Any) -> Any:
        self.x = math.sin(x)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (OneGradient, "OneGradient.backward must return 2 gradients, one for each operand"),
        (NoValue, "NoValue.forward returned None; end it with a `return` of the value"),
    ],
)
def test_methods_that_return_too_little(kind: type, reason: str) -> None:
    with pytest.raises(sd.ShapeError) as error:
        sd.grad(sd.gate(kind))(1.0, 2.0)
    assert reason in str(error.value)
    with pytest.raises(sd.ParseError) as located:
        sd.function("x + wrong(x, y)", gates={"wrong": kind})
    assert located.value.column == 5
    message = str(located.value)
    assert reason in message
    assert "hint: forward returns one value, backward a gradient in the shape of each" in message


def test_a_gate_that_needs_numbers_returns_one() -> None:
    graph = sd.ComputationGraph("f(x)", gates={"f": NoNumber})
    with pytest.raises(sd.ShapeError, match=r"NoNumber\.forward returned None"):
        graph.forward(1.0)


class Scaled(MultiplyGate):
    """Needs numbers, and leaves broadcasting to NumPy."""

    def forward(self, x: Any, y: Any) -> Any:
        self.x, self.y = x, y
        return x * y if np.any(x > 0) else 0 * x


@pytest.mark.parametrize("kind", [MultiplyGate, Scaled])
def test_broadcasting_is_the_gates_own_affair(kind: type) -> None:
    multiply = sd.gate(kind)
    x = np.arange(3.0)
    graph = sd.ComputationGraph(lambda a, b: np.sum(multiply(a, b)))  # pyright: ignore
    reason = rf"{kind.__name__}\.backward: gradient 1 has the shape \(3,\), expected f64: .* sum"

    def both_ways() -> None:
        graph.forward([x, 2.0])
        graph.backward()

    with pytest.raises(sd.ShapeError, match=reason):
        both_ways()
    before = sd.ComputationGraph(
        lambda a, b: np.sum(multiply(a, np.broadcast_to(b, (3,))))  # pyright: ignore
    )
    before.forward([x, 2.0])
    assert before.backward()["b"] == 3.0


def test_what_a_gate_raises_passes_through() -> None:
    drop = sd.gate(Dropout)
    graph = sd.ComputationGraph(lambda x: np.sum(drop(x)))
    with pytest.raises(ValueError, match="nothing to drop"):
        graph.forward(np.zeros(3))
