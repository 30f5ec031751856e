"""Batches of points: groups, their borders, and operands that are not contiguous."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import symdiff as sd
from symdiff.runtime.dispatch import MANY

FORMULA = "x*sin(y)*exp(-z) + (max(x, y) if z > 0 else x**0.3)"
SIZES = [0, 1, MANY - 1, MANY, MANY + 1, 15, 16, 17, 31, 33, 1000]


@pytest.fixture(scope="module")
def kernel() -> Any:
    return sd.compile(sd.value_and_grad(FORMULA))


def points(n: int) -> list[Any]:
    rng = np.random.default_rng(n)
    return [rng.uniform(0.1, 2.0, n), rng.normal(size=n), rng.normal(size=n)]


@pytest.mark.parametrize("n", SIZES)
def test_every_point_is_what_a_single_call_gives(kernel: Any, n: int) -> None:
    at = points(n)
    value, gradient = kernel(*at)
    for i in range(0, n, 17):
        one, partials = kernel(*(a[i].item() for a in at))
        assert_allclose(value[i], one, rtol=4e-15)
        assert_allclose([g[i] for g in gradient], partials, rtol=4e-15, atol=1e-15)


def test_a_point_has_the_same_bits_wherever_it_stands(kernel: Any) -> None:
    """In a whole group or in the last one, contiguous, strided, backwards or broadcast."""
    x, y, z = points(1000)
    expected = kernel(x, y, z)[0]
    assert_array_equal(kernel(x[:300], y[:300], z[:300])[0], expected[:300])
    assert_array_equal(kernel(x[::3], y[::3], z[::3])[0], expected[::3])
    assert_array_equal(kernel(x[::-1], y[::-1], z[::-1])[0], expected[::-1])
    assert_array_equal(kernel(x, 0.25, z)[0], kernel(x, np.full(1000, 0.25), z)[0])


def test_out_and_overlap(kernel: Any) -> None:
    x, y, z = points(700)
    value, gradient = kernel(x, y, z)
    out = (np.empty(700), tuple(np.empty(700) for _ in range(3)))
    kernel(x, y, z, out=out)
    assert_array_equal(out[0], value)
    kernel(x, y, z, out=(x, out[1]))  # the result over an argument
    assert_array_equal(x, value)
    assert_array_equal(out[1][2], gradient.z)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_precisions(dtype: str) -> None:
    single = sd.compile(FORMULA, dtype=dtype)
    at = [a.astype(dtype) for a in points(500)]
    value = single(*at)
    assert value.dtype == dtype
    rtol = 1e-5 if dtype == "float32" else 1e-14
    assert_allclose(value, sd.compile(FORMULA)(*(a.astype("float64") for a in at)), rtol=rtol)


def test_groups_call_vector_functions() -> None:
    text = sd.compile("x*sin(y)").asm
    if "zmm" in text or "ymm" in text:  # x86-64 with vectors
        assert "_ZGV" in text or "symdiff." in text


# Functions of arrays: what every point's call gives by itself.


def arm(q: Any) -> Any:
    """The pose of a planar arm of four joints."""
    angle = np.cumsum(q)
    return np.stack([np.sum(np.cos(angle)), np.sum(np.sin(angle)), angle[3]])


def chain(x: Any, w: Any) -> Any:
    """A product of small matrices in a loop."""
    start = np.stack([x, 2 * x, x + 1])
    last, _ = sd.scan(lambda c, _: (np.tanh(w @ c), None), start, length=5)
    return np.sum(last * last)


def mixed(x: Any) -> Any:
    """Numbers, Booleans, integers and constants."""
    largest = np.argmax(x)
    return np.where(x > 0.5, x, x * np.array([1.0, 2.0, 4.0])), x > 0.25, largest


ARRAYS: dict[str, tuple[Any, list[tuple[int, ...]]]] = {
    "jacobian": (sd.value_and_jacobian(sd.function(arm, {"q": "f64[4]"})), [(4,)]),
    "scan": (
        sd.value_and_grad(sd.function(chain, {"x": "f64[5]", "w": "f64[3,3]"})),
        [(5,), (3, 3)],
    ),
    "mixed": (sd.function(mixed, {"x": "f64[3]"}), [(3,)]),
    "wide": (sd.grad(sd.function("sum(tanh(x)*x)", {"x": "f64[37]"})), [(37,)]),
}


def leaves(result: Any) -> list[Any]:
    return [x for part in result for x in leaves(part)] if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("n", [1, MANY, MANY + 5, 40])
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_point_by_point(name: str, n: int) -> None:
    function, shapes = ARRAYS[name]
    kernel = sd.compile(function)
    rng = np.random.default_rng(n)
    at = [rng.normal(size=(n, *shape)) for shape in shapes]
    found = leaves(kernel(*at))
    for i in range(n):
        for many, one in zip(found, leaves(kernel(*(a[i] for a in at))), strict=True):
            assert_allclose(many[i], one, rtol=1e-13, atol=1e-14)
    # The same bits from memory that is laid out otherwise, and into such memory.
    odd = [np.repeat(a, 2, axis=0)[::2] for a in at]
    for again, many in zip(leaves(kernel(*odd)), found, strict=True):
        assert_array_equal(again, many)


def test_arrays_shared_by_all_points() -> None:
    function, _ = ARRAYS["scan"]
    kernel = sd.compile(function)
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(50, 5)), rng.normal(size=(3, 3))
    shared = leaves(kernel(x, w))
    for many, alone in zip(shared, leaves(kernel(x, np.tile(w, (50, 1, 1)))), strict=True):
        assert_array_equal(many, alone)
    grid = leaves(kernel(x[:, None], rng.normal(size=(4, 3, 3))))
    assert grid[0].shape == (50, 4)


def test_single_precision_fills_twice_as_many_lanes() -> None:
    kernel = sd.compile(sd.function(arm, {"q": "f64[4]"}), dtype="float32")
    q = np.random.default_rng(1).normal(size=(100, 4)).astype("float32")
    many = kernel(q)
    assert many.dtype == np.float32
    assert_allclose(many, [kernel(row) for row in q], rtol=1e-4, atol=1e-5)


def test_a_failed_check_in_any_lane_is_reported() -> None:
    kernel = sd.compile(sd.function("x[k]", {"x": "f64[5]", "k": "i64"}))
    x, k = np.ones((20, 5)), np.zeros(20, int)
    assert_array_equal(kernel(x, k), np.ones(20))
    k[13] = 7
    with pytest.raises(sd.IndexRangeError, match="range"):
        kernel(x, k)
