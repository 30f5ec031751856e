"""Bound kernels: memory fixed once, results in place, and everything that is refused."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import symdiff as sd
from symdiff.runtime import native, tables
from symdiff.runtime.bound import PlainBoundKernel


@pytest.fixture(params=["native", "ctypes"], autouse=True)
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test runs with calls in machine code, and through ctypes."""
    if request.param == "ctypes":
        monkeypatch.setattr(native, "available", lambda: False)
        monkeypatch.setattr(tables, "available", lambda: False)
    else:
        assert tables.available()
    return request.param


def kernel_of(source: Any, **types: str) -> sd.Kernel:
    return sd.compile(sd.function(source, args=types))


def test_which_path(path: str) -> None:
    bound = sd.compile("x + 1").bind(1.0)
    assert isinstance(bound, sd.BoundKernel)
    assert isinstance(bound, PlainBoundKernel) == (path == "ctypes")
    assert repr(bound) == "<bound symdiff kernel f>"


def test_arrays_are_read_at_each_call() -> None:
    x, y = np.arange(3.0), np.ones(3)
    bound = kernel_of(lambda x, y: (x * y, np.sum(x)), x="f64[3]", y="f64[3]").bind(x, y)
    product, total = bound()
    assert bound.args[0] is x
    assert (product.tolist(), total.shape, float(total)) == ([0, 1, 2], (), 3.0)
    x[:] = [5, 6, 7]
    y[1] = -1
    assert bound() is bound.out
    assert bound.out[0] is product
    assert (product.tolist(), float(total)) == ([5, -6, 7], 18.0)


def test_numbers_are_bound_by_value_and_can_be_written() -> None:
    bound = sd.compile(sd.value_and_grad("x*y")).bind(2.0, y=3)
    value, gradient = bound()
    assert (float(value), float(gradient.x), float(gradient.y)) == (6.0, 3.0, 2.0)
    bound.args[0][...] = 10.0
    assert float(bound()[0]) == 30.0
    given = [1.0, 2.0]
    bound = kernel_of(lambda x: 2 * x, x="f64[2]").bind(given)
    assert_array_equal(bound(), [2, 4])
    given[0] = 5.0
    assert_array_equal(bound(), [2, 4])
    bound.args[0][0] = 5.0
    assert_array_equal(bound(), [10, 4])


def test_out() -> None:
    kernel = kernel_of(lambda x: (x + 1, np.sum(x)), x="f64[3]")
    x, out = np.arange(3.0), (np.empty(3), np.empty(()))
    bound = kernel.bind(x, out=out)
    assert bound() is out
    assert bound.out is out
    assert (out[0].tolist(), float(out[1])) == ([1, 2, 3], 3.0)
    listed = [np.empty(3), np.empty(())]
    assert kernel.bind(x, out=listed)() is listed
    assert_array_equal(listed[0], out[0])


def test_batches() -> None:
    kernel = sd.compile(sd.value_and_grad("sin(x*y)"))
    rng = np.random.default_rng(0)
    for shape in ((5,), (1000,), (40, 30), (0,), (1,)):
        x = rng.normal(size=shape)
        bound = kernel.bind(x, 0.5)
        for _ in range(2):
            value, gradient = bound()
            expected = kernel(x, 0.5)
            assert_array_equal(value, expected[0])
            assert_array_equal(gradient.y, expected[1].y)
            x += 1
    product = kernel_of(lambda a, x: a @ x, a="f64[2,3]", x="f64[3]")
    a, x = rng.normal(size=(2, 3)), rng.normal(size=(7, 3))
    assert_array_equal(product.bind(a, x)(), product(a, x))
    strided = rng.normal(size=(14, 3))[::2]
    assert_array_equal(product.bind(a, strided)(), product(a, strided))


def test_structures() -> None:
    def loss(part: Any, x: Any) -> Any:
        return np.sum(part["w"] * x) + part["b"]

    kernel = sd.compile(sd.value_and_grad(loss, wrt="part"))
    part, x = {"w": np.arange(3.0), "b": 2.0}, np.ones(3)
    bound = kernel.bind(part, x)
    value, gradient = bound()
    assert (float(value), gradient["w"].tolist()) == (5.0, [1, 1, 1])
    assert bound.args[0]["w"] is part["w"]
    bound.args[0]["b"][...] = 7.0
    x *= 2
    assert float(bound()[0]) == 13.0
    assert bound.out[1] is gradient
    assert gradient["w"].tolist() == [2, 2, 2]


def test_kernels_that_specialise_themselves() -> None:
    kernel = sd.compile(sd.value_and_grad(lambda x: np.sum(x**2)))
    for n in (2, 5):
        x, out = np.arange(float(n)), (np.empty(()), np.empty(n))
        assert kernel.bind(x, out=out)() is out
        assert_array_equal(out[1], 2 * x)


def test_errors_inside() -> None:
    i = np.array(2)
    bound = kernel_of(lambda x, i: x[i], x="f64[5]", i="i64").bind(np.arange(5.0), i)
    assert float(bound()) == 2.0
    i[...] = 5
    for _ in range(3):
        with pytest.raises(sd.IndexRangeError):
            bound()
    i[...] = 4
    assert float(bound()) == 4.0


SHARED = np.zeros(8)


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "missing x, y"),
        ((np.ones(3),), {"y": np.ones(3), "z": 1}, "unknown argument 'z'"),
        ((np.ones(3, "f4"), np.ones(3)), {}, "x: bound kernels read .* float32; convert it"),
        ((np.ones(3, ">f8"), np.ones(3)), {}, "x: bound kernels read .* >f8; convert it"),
        ((np.ones(3, complex), np.ones(3)), {}, "x: expected real numbers"),
        ((np.ma.masked_array(np.ones(3), True), np.ones(3)), {}, "masked"),
        ((np.ones(3), np.ones(6)[::2]), {}, "y: bound kernels read .* copied .* C-contiguous"),
        ((np.ones(3)[::-1], np.ones(3)), {}, "x: bound kernels read .* copied"),
        ((np.ones(4), np.ones(3)), {}, r"x: expected an array of shape \(3,\)"),
        ((np.ones((2, 3)), np.ones((4, 3))), {}, "do not broadcast"),
        ((np.ones((2, 1, 3)), np.ones((4, 3))), {}, "x: bound kernels read .* copied"),
        ((np.ones(3), np.ones(3)), {"out": np.empty(4)}, "out=: value is float64"),
        ((np.ones(3), np.ones(3)), {"out": np.empty(6)[::2]}, "out=: value is to be C-contig"),
        ((np.ones(3), np.ones(3)), {"out": np.broadcast_to(0.0, (3,))}, "read-only"),
        ((np.ones(3), np.ones(3)), {"out": (np.empty(3),)}, "must be an array, got tuple"),
        ((SHARED[:3], np.ones(3)), {"out": SHARED[2:5]}, "out=: value shares memory with x"),
    ],
)
def test_what_cannot_be_bound(args: Any, kwargs: dict[str, Any], message: str) -> None:
    kernel = kernel_of(lambda x, y: x + y, x="f64[3]", y="f64[3]")
    with pytest.raises(sd.ArgumentError, match=message):
        kernel.bind(*args, **kwargs)


def test_read_only_arguments_and_arrays_without_elements() -> None:
    x = np.arange(3.0)
    x.flags.writeable = False
    assert_array_equal(kernel_of(lambda x: x + 1, x="f64[3]").bind(x)(), [1, 2, 3])
    empty = kernel_of(lambda x: x + 1, x="f64[0,3]")
    assert empty.bind(np.empty((0, 3)))().shape == (0, 3)


def test_calls_take_no_arguments() -> None:
    bound = sd.compile("x + 1").bind(1.0)
    wrong: Any = bound
    with pytest.raises(TypeError):
        wrong(1.0)
    with pytest.raises(TypeError):
        wrong(out=np.empty(()))
    assert float(bound()) == 2.0


def test_bound_kernels_stay_as_they_are() -> None:
    bound = sd.compile("x + 1").bind(1.0)
    with pytest.raises(AttributeError, match="write into the arrays"):
        bound.args = ()
    with pytest.raises(AttributeError, match="immutable"):
        del bound.out
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(sd.UnsupportedError, match="tied to memory of this process"):
            way(bound)


def test_memory_stays() -> None:
    """What is bound lives as long as the bound kernel, and is not moved."""
    x = np.arange(1000.0)
    kernel = kernel_of(lambda x: 2 * x, x="f64[500]")
    bound = kernel.bind(x[:500])
    owner = weakref.ref(kernel)
    del kernel
    gc.collect()
    assert owner() is None
    with pytest.raises(ValueError, match="resize"):
        x.resize(100_000, refcheck=False)
    with pytest.raises(ValueError, match="resize"):
        bound.out.resize(100_000, refcheck=False)
    assert_array_equal(bound(), 2 * x[:500])
    lost = weakref.ref(x)
    del x
    gc.collect()
    assert lost() is not None
    assert_array_equal(bound(), 2 * np.arange(500.0))
    del bound
    gc.collect()
    assert lost() is None


def test_references_stay() -> None:
    x = np.arange(3.0)
    bound = kernel_of(lambda x, i: (x + 1, x[i]), x="f64[3]", i="i64").bind(x, 1)
    wrong: Any = bound
    bound()
    watched = (bound, bound.out, bound.out[0], x)
    before = [sys.getrefcount(thing) for thing in watched]
    for _ in range(1000):
        bound()
        with pytest.raises(TypeError):
            wrong(1)
        bound.args[1][...] = 7
        with pytest.raises(sd.IndexRangeError):
            bound()
        bound.args[1][...] = 1
    gc.collect()
    after = [sys.getrefcount(thing) for thing in watched]
    assert all(abs(a - b) < 10 for a, b in zip(after, before, strict=True))


def test_one_bound_kernel_in_two_threads_is_refused() -> None:
    n = 1_000_000
    bound = kernel_of(lambda x: np.exp(x), x=f"f64[{n}]").bind(np.zeros(n))
    refused: list[str] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            try:
                bound()
            except sd.UnsupportedError as error:
                refused.append(str(error))
                stop.set()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "running in another thread" in refused[0]
    assert_array_equal(bound(), np.ones(n))


def test_bound_kernels_in_threads_of_their_own() -> None:
    n = 20_000
    kernel = kernel_of(lambda x: np.exp(x) / np.sum(np.exp(x)) + x[::-1], x=f"f64[{n}]")
    failures: list[int] = []

    def work(seed: int) -> None:
        x = np.random.default_rng(seed).normal(size=n)
        expected, bound = kernel(x), kernel.bind(x)
        for _ in range(100):
            failures.extend([seed] * (not (bound() == expected).all()))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_other_threads_run_meanwhile() -> None:
    """A long call leaves the interpreter to others: a thread counts while it runs."""
    bound = sd.compile("sin(x)*exp(y)").bind(np.ones(3_000_000), 0.5)
    counted, stop = [0], threading.Event()

    def count() -> None:
        while not stop.is_set():
            counted[0] += 1

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    thread = threading.Thread(target=count)
    thread.start()
    try:
        before = counted[0]
        for _ in range(3):
            bound()
        assert counted[0] > before
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
