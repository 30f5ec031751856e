"""Batches of points: tiles, their borders, and operands that are not contiguous."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import symdiff as sd
from symdiff.codegen.lanes import FEW, tile_points, tiled
from symdiff.ir import verify

FORMULA = "x*sin(y)*exp(-z) + (max(x, y) if z > 0 else x**0.3)"
SIZES = [0, 1, FEW - 1, FEW, FEW + 1, 255, 256, 257, 1000]


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
    """In a full tile or in the last one, contiguous, strided, backwards or broadcast."""
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


def test_many_operands_take_small_tiles() -> None:
    """Tiles of all operands together stay within the second-level cache."""
    fn = sd.value_and_grad(" + ".join(f"sin(x{i})" for i in range(200))).ir
    assert tile_points(fn) < 256
    verify(tiled(fn, 64))


def test_loops_of_a_batch_call_vector_functions() -> None:
    text = sd.compile("x*sin(y)").asm
    if "zmm" in text or "ymm" in text:  # x86-64 with vectors
        assert "_ZGV" in text
