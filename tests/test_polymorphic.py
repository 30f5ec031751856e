"""Functions whose shapes come from their arguments: specialised, kept, transformed, mapped."""

from __future__ import annotations

import gc
import pickle
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import symdiff as sd
from symdiff import polymorphic


def squares(x: Any) -> Any:
    """The sum of squares."""
    return np.sum(x**2)


def layer(W: Any, b: Any, u: Any, x: Any) -> Any:
    return u @ np.tanh(W @ x + b)


LAYER = (np.arange(6.0).reshape(2, 3) / 5, np.ones(2), np.array([1.0, -2.0]), np.ones(3))


@pytest.fixture
def traces() -> list[Any]:
    """Filled by `counted` with the shapes of each trace."""
    return []


@pytest.fixture
def counted(traces: list[Any]) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        total = np.sum(x * x)
        traces.append(x.shape)
        return total

    return function


# Specialisation.


def test_scalar_formulas_are_not_polymorphic() -> None:
    f = sd.function(lambda x, y: x * np.sin(y))
    assert type(f) is sd.Function
    assert "sin" in str(f)
    assert_array_equal(f(np.arange(3.0), 0.0), np.zeros(3))
    assert f.specialize(1.0, 2.0) is f


def test_shapes_come_from_the_arguments(counted: Any, traces: list[Any]) -> None:
    f = sd.value_and_grad(counted)
    assert isinstance(f, sd.Function)
    assert traces == []
    for shape in ((3,), (4,), (2, 3), (3,), (0,), ()):
        x = np.full(shape, 2.0)
        value, gradient = f(x)
        assert (type(value), value) == (float, float(np.sum(x * x)))
        assert_array_equal(gradient, 2 * x)
        assert np.shape(gradient) == shape
    assert traces == [(3,), (4,), (2, 3), (0,), ()]


def test_dtypes_come_from_the_arguments() -> None:
    f = sd.function(lambda x, n: (x * 2, np.sum(x), n + 1))
    doubled, total, more = f(np.ones(3, np.float32), np.array([1, 2]))
    assert (doubled.dtype, more.dtype) == (np.float32, np.int64)
    assert type(total) is float
    assert f(np.ones(3), np.int32(1))[2] == 2
    assert f([1.0, 2.0], [1, 2])[0].dtype == np.float64
    assert f(np.ones(3), 1)[2] == 2.0
    half = f(np.ones(3, np.float16), np.int8(1))
    assert half[0].dtype == np.float32
    assert_array_equal(f(np.ones(3).astype(">f8"), 1)[0], [2, 2, 2])


def test_names_and_positions() -> None:
    W, b, u, x = LAYER
    expected = layer(*LAYER)
    f = sd.value_and_grad(layer)
    assert f.parameters == ("W", "b", "u", "x")
    value, gradient = f(x=x, u=u, b=b, W=W)
    assert_allclose(value, expected, rtol=1e-15)
    assert gradient._fields == ("W", "b", "u", "x")
    delta = u * (1 - np.tanh(W @ x + b) ** 2)
    assert_allclose(gradient.W, np.outer(delta, x), rtol=1e-13)
    single = sd.grad(layer, wrt="b")(W, b, u=u, x=x)
    assert_allclose(single, delta, rtol=1e-13)
    two = sd.grad(layer, wrt=["u", 1])(*LAYER)
    assert two._fields == ("u", "b")


def test_specialize() -> None:
    f = sd.grad(layer)
    one = f.specialize(*LAYER)
    assert type(one) is sd.Function
    assert [str(o.type) for o in one.ir.outputs] == ["f64[2,3]", "f64[2]", "f64[2]", "f64[3]"]
    assert f.specialize("f64[2,3]", "f64[2]", u="f64[2]", x="f64[3]") is one
    assert "tanh" in str(one)
    assert one.cost().value.total > 0
    assert one(*LAYER).W.shape == (2, 3)
    batch = one(LAYER[0], LAYER[1], LAYER[2], np.ones((5, 3)))
    assert batch.W.shape == (5, 2, 3)


def test_declared_types() -> None:
    types = {"W": "f64[2,3]", "b": "f64[2]", "u": "f64[2]", "x": "f64[3]"}
    f = sd.function(layer, args=types)
    assert type(f) is sd.Function
    assert_allclose(f(*LAYER), layer(*LAYER), rtol=1e-15)
    assert sd.grad(layer, args=types)(*LAYER).W.shape == (2, 3)
    assert sd.compile(layer, args=types).ir.startswith("func @layer(%W: f64[2,3]")
    with pytest.raises(sd.ArgumentError, match=r"x: expected an array of shape \(3,\)"):
        f(*LAYER[:3], np.ones(4))


def test_what_depends_on_shapes_asks_for_them() -> None:
    f = sd.grad(squares)
    for look in (
        lambda: f.ir,
        lambda: str(f),
        lambda: f.cost(),
        lambda: f.outputs,
        lambda: f.latex(),
        lambda: f.formula(),
        lambda: f.graph(),
        lambda: f.to_sympy(),
        lambda: f.optimized(),
        lambda: sd.compile(f).ir,
        lambda: sd.compile(f).asm,
    ):
        with pytest.raises(sd.NeedsShapes, match=r"give args=\{...\}.*specialize"):
            look()
    assert repr(f) == "<symdiff function squares_grad(x)>"
    assert f.__doc__ == "The sum of squares."
    with pytest.raises(AttributeError, match="nothing"):
        _ = f.nothing


def test_kernels() -> None:
    kernel: Any = sd.compile(sd.value_and_grad(squares))
    assert issubclass(type(kernel), sd.Kernel)
    assert kernel.parameters == ("x",)
    assert kernel.name == "squares_value_and_grad"
    kernel(np.ones(3))
    assert "f64[3]" in kernel.ir
    kernel(np.ones(4))
    assert "f64[4]" in kernel.ir
    kernel(np.ones(3))
    assert "f64[3]" in kernel.ir
    assert kernel.code_size > 0
    assert "define" in kernel.llvm_ir
    assert "f64[7]" in kernel.specialize("f64[7]").ir
    with pytest.raises(AttributeError, match="immutable"):
        kernel.name = "g"
    narrow = sd.compile(squares, dtype="float32")
    assert narrow(np.full(2, 3, np.float32)) == 18.0
    with pytest.raises(sd.ArgumentError, match="narrowed"):
        narrow(np.ones(2))


def test_out() -> None:
    x, out = np.arange(3.0), np.empty(3)
    f = sd.grad(squares)
    assert f(x, out=out) is out
    assert_array_equal(out, 2 * x)
    with pytest.raises(sd.ArgumentError, match="out=: d_x is float64"):
        f(x, out=np.empty(4))


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "missing x: squares takes x"),
        ((1.0, 2.0), {}, "2 arguments given"),
        ((), {"y": 1.0}, "unknown argument 'y'"),
        (([[1.0], [1.0, 2.0]],), {}, "x: cannot make an array of this"),
        ((np.ones(3, complex),), {}, "x: expected real numbers, got an array of complex128"),
        ((np.ones(3, object),), {}, "x: expected real numbers, got an array of object"),
        ((1j,), {}, "x: expected real numbers, got complex"),
        (("text",), {}, "x: expected real numbers, got str"),
        ((np.ones(3, np.longdouble),), {}, "x: symdiff has no"),
        ((np.ones(3, np.uint64),), {}, "x: symdiff has no uint64"),
        (({"a": [{}, "b"]},), {}, "x_a_1: expected real numbers, got str"),
        (({"a": [1.0, "b"]},), {}, "x_a: expected real numbers"),
        (({1: 2.0},), {}, "key 1 of the dict is not a string"),
    ],
)
def test_wrong_arguments(args: Any, kwargs: Any, message: str) -> None:
    with pytest.raises(sd.ArgumentError, match=message):
        sd.function(squares)(*args, **kwargs)


def test_shapes_that_do_not_fit() -> None:
    W, b, u, x = LAYER
    with pytest.raises(sd.ShapeError):
        sd.function(layer)(W, b, u, np.ones(4))
    assert_allclose(sd.function(layer)(W, b, u, x), layer(*LAYER), rtol=1e-15)
    with pytest.raises(sd.ArgumentError, match="wrt='z': layer has the parameters W, b, u, x"):
        sd.grad(layer, wrt="z")
    with pytest.raises(sd.ArgumentError, match="no parameter with floating-point numbers"):
        sd.grad(squares)(np.array([1, 2]))


def test_the_cache_is_bounded(counted: Any, traces: list[Any]) -> None:
    f = sd.function(counted)
    for n in range(polymorphic.CACHE_SIZE + 1):
        f.specialize(f"f64[{n + 1}]")
    assert len(traces) == polymorphic.CACHE_SIZE + 1
    f.specialize(f"f64[{polymorphic.CACHE_SIZE}]")
    assert len(traces) == polymorphic.CACHE_SIZE + 1
    f.specialize("f64[1]")
    assert len(traces) == polymorphic.CACHE_SIZE + 2


def test_recent_entries() -> None:
    recent: polymorphic.Recent[str] = polymorphic.Recent(2)
    assert recent.latest() is None
    assert [recent.put(k, k.upper()) for k in "ab"] == ["A", "B"]
    assert recent.put("a", "other") == "A"
    assert recent.latest() == "A"
    assert recent.put("c", "C") == "C"
    assert (recent.get("b"), recent.get("a"), len(recent)) == (None, "A", 2)


def test_specialisations_are_freed() -> None:
    f = sd.function(squares)
    owner = weakref.ref(f.specialize("f64[3]"))
    assert owner() is not None
    del f
    gc.collect()
    assert owner() is None


def test_threads(counted: Any) -> None:
    f = sd.value_and_grad(counted)
    failures: list[Any] = []

    def work(seed: int) -> None:
        for i in range(60):
            x = np.full(1 + (i * seed) % 5, float(seed))
            value, gradient = f(x)
            if value != np.sum(x * x) or not (gradient == 2 * x).all():
                failures.append((seed, i))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_pickling() -> None:
    for made in (sd.grad(squares), sd.compile(sd.grad(squares)), sd.vmap(squares)):
        made(np.ones((2, 2)))
        again = pickle.loads(pickle.dumps(made))
        assert_array_equal(again(np.ones((2, 3))), made(np.ones((2, 3))))


# Transformations.


def test_transformations_compose() -> None:
    x, v = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, -1.0])
    cubes = sd.function(lambda x: np.sum(x**3))
    assert_allclose(sd.grad(cubes)(x), 3 * x**2)
    assert_allclose(sd.hessian(cubes)(x), np.diag(6 * x))
    assert_allclose(sd.jacobian(sd.grad(cubes))(x), np.diag(6 * x))
    assert_allclose(sd.hvp(cubes)(x, v), 6 * x * v)
    value, tangent = sd.jvp(cubes)(x, v)
    assert_allclose([value, tangent], [36, -24])
    value, cotangent = sd.vjp(cubes)(x, 2.0)
    assert_allclose(cotangent, 6 * x**2)
    assert_allclose(sd.grad(lambda x: np.sum(sd.grad(cubes)(x)))(x), 6 * x)
    assert_allclose(sd.value_and_jacobian(lambda x: x[::-1] * x[0])(x)[1][0], [3, 0, 1])


def test_further_arguments_by_name() -> None:
    x, v = np.array([1.0, 2.0]), np.array([1.0, 0.0])
    value, tangent = sd.jvp(squares)(x=x, d_x=v)
    assert (value, tangent) == (5.0, 2.0)
    with pytest.raises(sd.ArgumentError, match="missing d_x"):
        sd.jvp(squares)(x)


def test_compiled_kernels_inside_functions_are_refused() -> None:
    kernel = sd.compile(lambda x: np.sum(x * x))
    with pytest.raises(sd.TraceError, match="call the function that the kernel was compiled from"):
        sd.grad(lambda x: np.sum(x) * kernel(x))(np.ones(3))


def test_decorators() -> None:
    @sd.value_and_grad
    def loss(x: Any) -> Any:
        """A loss."""
        return np.sum(x * x)

    assert loss.__doc__ == "A loss."
    assert loss(np.ones(2))[0] == 2.0

    @sd.vmap(in_axes=1)
    def sums(x: Any) -> Any:
        return np.sum(x)

    assert_array_equal(sums(np.arange(6.0).reshape(2, 3)), [3, 5, 7])


# Mapping over an axis.


def test_vmap() -> None:
    rng = np.random.default_rng(0)
    W, b, u = rng.normal(size=(2, 3)), rng.normal(size=2), rng.normal(size=2)
    xs = rng.normal(size=(5, 3))
    expected = np.array([layer(W, b, u, x) for x in xs])
    for axes in ((None, None, None, 0), {"x": 0}, [None, None, None, -2]):
        assert_allclose(sd.vmap(layer, in_axes=axes)(W, b, u, xs), expected, rtol=1e-13)
    across = sd.vmap(layer, in_axes={"x": 1, "W": 0})(np.stack([W] * 5), b, u, xs.T)
    assert_allclose(across, expected, rtol=1e-13)


def test_vmap_of_derivatives_and_derivatives_of_vmap() -> None:
    rng = np.random.default_rng(0)
    xs, w = rng.normal(size=(5, 3)), rng.normal(size=3)
    each = sd.vmap(sd.grad(lambda w, x: np.tanh(w @ x), wrt="w"), in_axes=(None, 0))(w, xs)
    slopes = 1 - np.tanh(xs @ w) ** 2
    assert_allclose(each, slopes[:, None] * xs, rtol=1e-12)
    mapped = sd.vmap(lambda w, x: np.tanh(w @ x), in_axes=(None, 0))
    total = sd.grad(lambda w, x: np.sum(mapped(w, x)), wrt="w")(w, xs)
    assert_allclose(total, slopes @ xs, rtol=1e-12)
    twice = sd.vmap(sd.vmap(lambda x, y: x * y, in_axes=(0, None)), in_axes=(None, 0))
    assert_allclose(twice(w, w), np.outer(w, w))
    values, gradients = sd.vmap(sd.value_and_grad(squares))(xs)
    assert_allclose(values, np.sum(xs**2, axis=1))
    assert_allclose(gradients, 2 * xs)
    tangents = sd.vmap(sd.jvp(squares), in_axes=(0, 0))(xs, xs)[1]
    assert_allclose(tangents, 2 * np.sum(xs**2, axis=1))


def test_vmap_of_scalar_formulas() -> None:
    x = np.arange(3.0)
    assert_array_equal(sd.vmap("x**2 + y", in_axes=(0, None))(x, 1.0), x**2 + 1)
    assert_array_equal(sd.vmap(sd.grad("x**2"))(x), 2 * x)
    declared = sd.vmap(squares, args={"x": "f64[2]"})
    assert_array_equal(declared(np.ones((3, 2))), [2, 2, 2])
    with pytest.raises(sd.ShapeError, match=r"x is declared as f64\[2\], got f64\[3\]"):
        declared(np.ones((3, 3)))


def test_vmap_of_structures() -> None:
    def predict(params: Any, x: Any) -> Any:
        return params["w"] @ x + params["b"]

    params = {"w": np.arange(6.0).reshape(2, 3), "b": 1.0}
    x = np.ones(3)
    result = sd.vmap(predict, in_axes=({"w": 0, "b": None}, None))(params, x)
    assert_array_equal(result, [4, 13])
    stacked = {"w": params["w"], "b": np.array([1.0, 2.0])}
    assert_array_equal(sd.vmap(predict, in_axes=(0, None))(stacked, x), [4, 14])
    with pytest.raises(sd.ArgumentError, match="in_axes: params: expected a dict"):
        sd.vmap(predict, in_axes=({"w": 0}, None))(params, x)


@pytest.mark.parametrize(
    ("axes", "args", "error", "message"),
    [
        (0, (np.ones((2, 3)), np.ones((4, 3))), sd.ShapeError, "differ in extent: x: 2, y: 4"),
        (None, (np.ones(3), np.ones(3)), sd.ArgumentError, "in_axes=None"),
        ((None, None), (np.ones(3), np.ones(3)), sd.ShapeError, "no argument has an axis"),
        (0, (np.ones((2, 3)), 1.0), sd.ArgumentError, "vmap: y is f64; it has no axis 0"),
        (2, (np.ones((2, 3)), np.ones((2, 3))), sd.ArgumentError, "it has no axis 2"),
        ((0,), (np.ones((2, 3)), np.ones(3)), sd.ArgumentError, "1 given for the 2 parameters"),
        ({"z": 0}, (np.ones((2, 3)), np.ones(3)), sd.ArgumentError, "'z' is none of x, y"),
        ("0", (np.ones((2, 3)), np.ones(3)), sd.ArgumentError, "in_axes='0'"),
        (("a", 0), (np.ones((2, 3)), np.ones(3)), sd.ArgumentError, "an axis or None, got 'a'"),
    ],
)
def test_wrong_axes(axes: Any, args: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        sd.vmap(lambda x, y: np.sum(x * y), in_axes=axes)(*args)


# Text.

ENERGY = """
def energy(x: f64[n,3], w: f64[n], scale: f64):
    return scale * sum(w[i] * x[i,k]**2 for i in range(n) for k in range(3))
"""


def test_text_with_symbols_for_extents() -> None:
    f = sd.value_and_grad(ENERGY)
    assert f.parameters == ("x", "w", "scale")
    assert f.name == "energy_value_and_grad"
    for n in (2, 4):
        x, w = np.arange(3.0 * n).reshape(n, 3), np.arange(1.0, n + 1)
        value, gradient = f(x, w, 0.5)
        assert_allclose(value, 0.5 * np.sum(w[:, None] * x**2))
        assert_allclose(gradient.x, w[:, None] * x)
    with pytest.raises(sd.ShapeError, match=r"n is 2 in x: f64\[n,3\], but 3 in w"):
        f(np.ones((2, 3)), np.ones(3), 1.0)
    with pytest.raises(sd.ShapeError, match="x is declared"):
        f(np.ones((2, 4)), np.ones(2), 1.0)


def test_axes_before_declared_ones_are_a_batch() -> None:
    f = sd.function(ENERGY)
    x, w = np.ones((5, 2, 3)), np.ones(2)
    assert_allclose(f(x, w, np.arange(5.0)), 6 * np.arange(5.0))
    whole = f(np.ones((2, 3), int), [1, 1], 1)  # integers become what is declared
    assert (type(whole), whole) == (float, 6.0)


def test_types_of_text_from_args() -> None:
    f = sd.function("W @ x", args={"W": "f64[m,n]", "x": "f64[n]"})
    assert_array_equal(f(np.ones((2, 3)), np.arange(3.0)), [3, 3])
    fixed = sd.function("W @ x", args={"W": "f64[2,3]", "x": "f64[3]"})
    assert "contract" in str(fixed)
    assert sd.grad(ENERGY, wrt="w", args={"x": "f64[4,3]"}).ir.param_names == ("x", "w", "scale")


def test_functions_inside_functions() -> None:
    inner = sd.grad(squares)
    outer = sd.function(lambda x: np.sum(inner(x) * inner(x[1:])[0]))
    x = np.array([1.0, 2.0, 3.0])
    assert outer(x) == np.sum(2 * x) * 4
    scalar = sd.function(lambda x: x**2)
    assert_array_equal(sd.grad(lambda x: np.sum(scalar(x)))(x), 2 * x)
    declared = sd.function(squares, args={"x": "f64[3]"})
    assert_array_equal(sd.grad(lambda x: declared(x) * x[0])(x), [14 + 2, 4, 6])
    with pytest.raises(sd.SymdiffError):
        sd.function(lambda x: declared(x[1:]))(x)


def test_a_formula_maps_over_arrays_but_its_jacobian_is_a_matrix() -> None:
    """A Python function of numbers: the shapes of a call count where they matter."""

    def square(x: Any) -> Any:
        return x**2

    at = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(sd.grad(square)(at), 2 * at)
    np.testing.assert_array_equal(sd.jacobian(square)(at), np.diag(2 * at))
    assert sd.jacobian(square)(3.0) == 6.0
    value, jacobian = sd.value_and_jacobian(square)(at)
    np.testing.assert_array_equal(value, at**2)
    assert jacobian.shape == (3, 3)
    matrix = np.ones((2, 3))
    _, bars = sd.vjp(lambda x, y: x * y)(matrix, at, matrix)
    assert bars.x.shape == (2, 3)
    np.testing.assert_array_equal(bars.y, [2.0, 2.0, 2.0])


def test_float32_stays_float32_in_a_formula() -> None:
    at = np.linspace(0, 1, 50, dtype=np.float32)
    for made in (sd.function(lambda x: np.sin(x) * 2.5), sd.grad(lambda x: np.sin(x) * 2.5)):
        assert made(at).dtype == np.float32
        assert made(at.astype(np.float64)).dtype == np.float64
    mixed = sd.function(lambda x, y: x * y)
    assert mixed(at, 2.0).dtype == np.float32
    assert mixed(at, at.astype(np.float64)).dtype == np.float64
