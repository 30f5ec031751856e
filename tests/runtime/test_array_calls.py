"""Calls of kernels with arrays of declared shapes: layouts, batches, `out=`, and errors."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import symdiff as sd
from symdiff import ir, ops
from symdiff.functions import Function
from symdiff.runtime import arguments

f64, i64 = ir.f64, ir.i64


def function_of(build: Any, *types: ir.Type) -> Function:
    """The Function that `build` makes of parameters x, y, z of these types."""
    graph = ir.Graph()
    params = tuple(graph.param(n, t) for n, t in zip("xyz", types, strict=False))
    made = build(*params)
    outputs = made if isinstance(made, tuple) else (made,)
    leaves = tuple(ir.Leaf(f"value_{i}") for i in range(len(outputs)))
    tree = ir.Branch(leaves) if isinstance(made, tuple) else ir.Leaf("value")
    return Function(ir.Function("f", params, outputs, tree))


def vector(*shape: int) -> ir.Type:
    return ir.Type(f64, shape)


@pytest.fixture(scope="module")
def product() -> sd.Kernel:
    """The product of x[2,3] and y[3]."""
    return sd.compile(
        function_of(lambda x, y: ops.contract(x, y, spec="ij,j->i"), vector(2, 3), vector(3))
    )


@pytest.fixture(scope="module")
def several() -> sd.Kernel:
    """(2x, the sum of x, z*x) for x[4] and the number z."""

    def build(x: Any, y: Any) -> Any:
        total = ops.reshape(ops.reduce_sum(x, shape=(1,)), shape=())
        scaled = ops.mul(ops.broadcast(ops.reshape(y, shape=(1,)), shape=(4,)), x)
        return ops.mul(x, 2.0), total, scaled

    return sd.compile(function_of(build, vector(4), ir.F64))


def test_one_point(product: sd.Kernel) -> None:
    x, y = np.arange(6.0).reshape(2, 3), np.array([1.0, -1.0, 2.0])
    result = product(x, y)
    assert type(result) is np.ndarray
    assert_array_equal(result, x @ y)
    assert_array_equal(product(y=y, x=x), x @ y)


def test_numbers_among_arrays(several: sd.Kernel) -> None:
    x = np.arange(4.0)
    double, total, scaled = several(x, 3.0)
    assert_array_equal(double, 2 * x)
    assert_array_equal(scaled, 3 * x)
    assert (type(total), total) == (float, 6.0)
    for number in (3, np.float64(3), np.array(3.0), np.float32(3), True + 2):
        assert_array_equal(several(x, number)[2], 3 * x)


LAYOUTS: list[Any] = [
    lambda a: a,
    np.asfortranarray,
    lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    lambda a: a[..., ::-1].copy()[..., ::-1],
    lambda a: a.astype(">f8"),
    lambda a: a.astype(np.float32),
    lambda a: a.astype(int),
    lambda a: a.tolist(),
    lambda a: np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(np.float64).reshape(a.shape),
    lambda a: np.moveaxis(np.moveaxis(a, -1, 0).copy(), 0, -1),
    lambda a: a.view(type("Sub", (np.ndarray,), {})),
]


@pytest.mark.parametrize("make", LAYOUTS)
@pytest.mark.parametrize("batch", [(), (5,), (4, 5), (0,), (1,)])
def test_memory_layouts(make: Any, batch: tuple[int, ...], product: sd.Kernel) -> None:
    rng = np.random.default_rng(0)
    x = np.round(rng.normal(size=(*batch, 2, 3)) * 8)
    y = np.round(rng.normal(size=(*batch, 3)) * 8)
    if 0 in batch and make in LAYOUTS[7:9]:
        pytest.skip("an empty list has no shape")
    assert_array_equal(product(make(x), make(y)), np.einsum("...ij,...j->...i", x, y))


def test_axes_before_those_of_the_parameters_broadcast(product: sd.Kernel) -> None:
    rng = np.random.default_rng(0)
    for first, second in (((4, 1), (5,)), ((), (5,)), ((5,), ()), ((3, 1, 2), (4, 1)), ((1,), ())):
        x, y = rng.normal(size=(*first, 2, 3)), rng.normal(size=(*second, 3))
        assert_allclose(product(x, y), np.einsum("...ij,...j->...i", x, y), rtol=1e-14)


def test_any_view(product: sd.Kernel) -> None:
    rng = np.random.default_rng(0)
    memory = rng.normal(size=(6, 6, 6))
    for _ in range(300):
        steps = rng.choice([-2, -1, 1, 2], 3)
        view = memory[tuple(slice(None, None, s) for s in steps)].transpose(rng.permutation(3))
        view = view[:, :2, :3]
        expected = np.einsum("...ij,j->...i", view, view[0, 0])
        assert_allclose(product(view, view[0, 0]), expected, rtol=1e-13)


def test_a_batch_of_several_results(several: sd.Kernel) -> None:
    x = np.arange(12.0).reshape(3, 4)
    double, total, scaled = several(x, np.array([[1.0], [2.0]]))
    assert double.shape == (2, 3, 4)
    assert_array_equal(double[1], 2 * x)
    assert_array_equal(total, [x.sum(axis=1)] * 2)
    assert_array_equal(scaled[1], 2 * x)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((np.ones((3, 2)), np.ones(3)), r"x: expected an array of shape \(2, 3\).* \(3, 2\)"),
        ((np.ones((2, 3)), np.ones(4)), r"y: expected an array of shape \(3,\).* \(4,\)"),
        ((np.ones((2, 3)), 1.0), "y: expected an array .* got a number"),
        ((np.ones(3), np.ones(3)), r"x: expected .* got an array of shape \(3,\)"),
        ((np.ones((2, 2, 3)), np.ones((3, 3))), r"broadcast together: x: \(2,\), y: \(3,\)"),
        (([[1.0, 2.0, 3.0], [1.0]], np.ones(3)), "x: cannot make an array"),
        ((np.ones((2, 3), object), np.ones(3)), "x: expected real numbers, got an array of object"),
        ((np.ones((2, 3), complex), np.ones(3)), "x: expected real numbers, .* complex128"),
        ((np.ones((2, 3), "U1"), np.ones(3)), "x: expected real numbers, got an array of <U1"),
        ((np.ones((2, 3), np.longdouble), np.ones(3)), "x: longdouble would be narrowed|float128"),
        ((np.ma.masked_array(np.ones((2, 3)), True), np.ones(3)), "x: a masked array"),
        ((None, np.ones(3)), "x: expected real numbers, got NoneType"),
        (({"a": 1}, np.ones(3)), "x: expected real numbers, got dict"),
        ((np.ones((2, 3)),), "missing y: f takes x, y"),
    ],
)
def test_wrong_arguments(args: Any, message: str, product: sd.Kernel) -> None:
    with pytest.raises(sd.ArgumentError, match=message):
        product(*args)


def test_out(product: sd.Kernel, several: sd.Kernel) -> None:
    x, y = np.arange(6.0).reshape(2, 3), np.array([1.0, -1.0, 2.0])
    out = np.empty(2)
    assert product(x, y, out=out) is out
    assert_array_equal(out, x @ y)
    strided = np.zeros((4, 5, 4))[::2, :, 1::2]
    xs = np.stack([x, x + 1])[:, None]
    product(xs, np.stack([y] * 5), out=strided)
    assert_array_equal(strided, np.broadcast_to(xs @ y, (2, 5, 2)))
    columns = np.empty((4, 2))
    parts = (columns[:, 0], np.empty(()), columns[:, 1])  # side by side, without an overlap
    several(np.arange(4.0), 3.0, out=parts)
    assert_array_equal(columns, np.arange(4.0)[:, None] * [2, 3])
    assert parts[1] == 6.0


def test_out_may_be_an_argument(several: sd.Kernel) -> None:
    x = np.arange(4.0)
    several(x, 3.0, out=(x, np.empty(()), np.empty(4)))
    assert_array_equal(x, [0, 2, 4, 6])
    memory = np.arange(9.0)
    several(memory[1:5], 3.0, out=(memory[:4], np.empty(()), memory[4:8]))
    assert_array_equal(memory, [2, 4, 6, 8, 3, 6, 9, 12, 8])


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.empty(3), r"value is float64\[3\], expected float64\[2\]"),
        (np.empty((1, 2)), "expected float64"),
        (np.empty(2, np.float32), "expected float64"),
        (np.broadcast_to(0.0, (2,)), "read-only"),
        ([0.0, 0.0], "must be an array, got list"),
        (np.lib.stride_tricks.as_strided(np.empty(1), (2,), (0,)), "share memory"),
        (np.lib.stride_tricks.as_strided(np.empty(2), (2,), (4,)), "share memory"),
    ],
)
def test_wrong_out(out: Any, message: str, product: sd.Kernel) -> None:
    with pytest.raises(sd.ArgumentError, match=message):
        product(np.ones((2, 3)), np.ones(3), out=out)


def test_overlapping_out(several: sd.Kernel) -> None:
    memory = np.empty(7)
    with pytest.raises(sd.ArgumentError, match="overlap"):
        several(np.ones(4), 1.0, out=(memory[:4], np.empty(()), memory[3:]))
    with pytest.raises(sd.ArgumentError, match="structure"):
        several(np.ones(4), 1.0, out=memory)


@pytest.fixture(scope="module")
def gather() -> sd.Kernel:
    return sd.compile(
        function_of(lambda x, i: ops.gather(x, i, axis=0), vector(5), ir.Type(i64, (3,)))
    )


def test_integers(gather: sd.Kernel) -> None:
    x = np.arange(5.0) * 10
    for i in ([4, 0, 2], np.array([4, 0, 2]), np.array([4, 0, 2], np.int32)):
        assert_array_equal(gather(x, i), [40, 0, 20])
    for wrong in (np.array([1.0, 2.0, 3.0]), [0.5, 1, 2], np.array([1, 2, 3], np.uint64)):
        with pytest.raises(sd.ArgumentError, match=r"y: .* would be narrowed to int64"):
            gather(x, wrong)
    with pytest.raises(sd.ArgumentError, match="y"):
        gather(x, [2**70, 0, 0])


@pytest.mark.parametrize("wrong", [5, -1, 2**62])
def test_an_index_out_of_range(wrong: int, gather: sd.Kernel) -> None:
    x = np.arange(5.0)
    with pytest.raises(sd.IndexRangeError) as raised:
        gather(x, np.array([0, wrong, 1]))
    assert isinstance(raised.value, IndexError)
    with pytest.raises(sd.IndexRangeError):
        gather(x, np.array([[0, 1, 2], [0, wrong, 1]]))
    assert_array_equal(gather(x, np.array([0, 4, 1])), [0, 4, 1])


def test_integer_and_boolean_results() -> None:
    kernel = sd.compile(
        function_of(
            lambda x: (ops.argmax(x, axis=0), ops.lt(ops.reduce_max(x, shape=(1,)), 5.0)),
            vector(4),
        )
    )
    index, below = kernel(np.array([1.0, 7.0, 3.0, 0.0]))
    assert (type(index), index) == (int, 1)
    assert below.dtype == bool
    indices, _ = kernel(np.array([[1.0, 7.0, 3.0, 0.0], [9.0, 0.0, 0.0, 0.0]]))
    assert_array_equal(indices, [1, 0])
    assert indices.dtype == np.int64


def test_threads_share_a_kernel(several: sd.Kernel) -> None:
    failures: list[Any] = []

    def work(seed: int) -> None:
        x = np.random.default_rng(seed).normal(size=4)
        for _ in range(300):
            double, _, scaled = several(x, 3.0)
            failures.extend([seed] * (not (2 * x == double).all() or not (3 * x == scaled).all()))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_results_are_fresh(several: sd.Kernel) -> None:
    x = np.arange(4.0)
    first = several(x, 1.0)[0]
    several(x + 1, 1.0)
    assert_array_equal(first, 2 * x)


def test_addresses_are_those_of_numpy(rng: np.random.Generator) -> None:
    address = arguments.address_reader()
    for array in (np.zeros(3), np.zeros((4, 5))[1:, ::2], np.array(1.0), np.zeros((0, 3))):
        assert address(array) == array.ctypes.data


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_object_code_of_products_needs_no_blas(tmp_path: Path) -> None:
    kernel = sd.compile(lambda x: np.sum(np.exp(x @ x.T)), args={"x": "f64[60,70]"})
    assert "blas" in kernel.llvm_ir
    (tmp_path / "f.o").write_bytes(kernel.object_code)
    library = tmp_path / "f.so"
    command = ["gcc", "-shared", "-Wl,-z,defs", "-o", library, tmp_path / "f.o", "-lm"]
    subprocess.run(command, check=True)
    x, value = 0.1 * np.random.default_rng(0).normal(size=(60, 70)), ctypes.c_double()
    getattr(ctypes.CDLL(str(library)), kernel.name)(
        x.ctypes.data_as(ctypes.c_void_p), ctypes.byref(value)
    )
    assert_allclose(value.value, kernel(x), rtol=1e-13)
