"""The machine code behind calls with arrays does exactly what the Python dispatcher does."""

from __future__ import annotations

import gc
import itertools
import os
import subprocess
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import symdiff as sd
from symdiff.codegen import entry, module
from symdiff.runtime import native, tables
from symdiff.runtime.kernel import PlainKernel


class Pair(NamedTuple):
    """A named tuple that users define."""

    first: Any
    second: Any


@dataclass
class Part:
    """A structure that users define."""

    a: Any
    b: Any


def kernel_of(source: Any, **types: str) -> sd.Kernel:
    """The kernel of a source with these parameters."""
    return sd.compile(sd.function(source, args=types))


def outcome(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a call gives, in a form that can be compared: types, bits, or the error."""
    try:
        return described(call(*args, **kwargs))
    except Exception as error:
        return type(error), str(error)


def described(result: Any) -> Any:
    if isinstance(result, np.ndarray):
        return np.ndarray, result.dtype.str, result.shape, result.tobytes()
    if isinstance(result, (tuple, list)):
        return type(result), [described(part) for part in result]
    if isinstance(result, dict):
        return dict, [(key, described(part)) for key, part in result.items()]
    if isinstance(result, Part):
        return Part, described(result.a), described(result.b)
    return type(result), repr(result)


def test_the_entry_is_there() -> None:
    assert tables.available()
    for kernel in (
        kernel_of(lambda x: x + 1, x="f64[3]"),
        kernel_of("n + 1", n="i64"),
        kernel_of("x > 1", x="f64"),
    ):
        assert not isinstance(kernel, PlainKernel)


SQUARES = np.arange(6.0).reshape(2, 3) - 2.5
ARRAYS: list[Any] = [
    SQUARES,
    SQUARES.copy("F"),
    SQUARES[::-1],
    SQUARES[:, ::-1],
    np.repeat(SQUARES, 2, axis=1)[:, ::2],
    SQUARES.T,
    SQUARES[:1],
    SQUARES[0],
    SQUARES[None],
    np.stack([SQUARES, SQUARES]),
    SQUARES.astype(">f8"),
    SQUARES.astype("f4"),
    SQUARES.astype("i8"),
    SQUARES.astype("q"),
    SQUARES > 0,
    SQUARES.astype(complex),
    SQUARES.astype(object),
    SQUARES.astype("U4"),
    SQUARES.astype(np.longdouble),
    SQUARES.tolist(),
    tuple(map(tuple, SQUARES)),
    SQUARES.view(type("Sub", (np.ndarray,), {})),
    np.ma.masked_array(SQUARES, SQUARES > 0),
    np.broadcast_to(SQUARES[0], (2, 3)),
    np.frombuffer(b"\0" + SQUARES.tobytes(), np.uint8)[1:].view(np.float64).reshape(2, 3),
    np.frombuffer(SQUARES.tobytes()).reshape(2, 3),
    np.zeros((0, 3)),
    np.zeros((0, 2, 3)),
    np.array(1.0),
    memoryview(SQUARES.tobytes()),
    1.0,
    None,
    "x",
    {},
]
NUMBERS: list[Any] = [
    1.5, -0.0, float("nan"), float("inf"), 3, -1, 2**31, -(2**31) - 1, 2**62 + 1, 2**63, 10**400,
    True, False, np.float64(2.5), np.float64(-1.0), np.float32(2.5), np.float16(2.5), np.int64(3),
    np.int32(-1), np.uint64(3), np.bool(True), np.array(2.5), np.array(3), np.array(True),
    np.array(2.5, "f4"), np.array(2.5, ">f8"), np.array([1.5, 2.5]), [1, 2], np.array([]), [], None,
    "1", 1j, np.longdouble(1), type("Float", (float,), {})(1.5), type("Int", (int,), {})(3),
    np.ma.masked, object(), np.array([1], object), b"1", np.datetime64("2020"),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["f64", "f32", "i64", "bool"])
def test_arrays_of_every_kind(dtype: str) -> None:
    kernel = kernel_of(lambda x, y: (x, y), x=f"{dtype}[2,3]", y="f64[3]")
    for x in ARRAYS:
        for y in (np.ones(3), SQUARES[1], SQUARES[:, 0], [1.0, 2.0, 3.0], np.ones((4, 1, 3))):
            expected = outcome(kernel._dispatcher, x, y)
            assert outcome(kernel, x, y) == expected
            assert outcome(kernel, x, y=y) == expected
            assert outcome(kernel, x, y, out=None) == expected


@pytest.mark.parametrize("dtype", ["f64", "f32", "i64", "bool"])
def test_numbers_of_every_kind(dtype: str) -> None:
    with_array = kernel_of(lambda x, n: (n, x), x="f64[2]", n=dtype)
    alone = kernel_of(lambda n: (n, n), n=dtype)
    for n in NUMBERS:
        expected = outcome(with_array._dispatcher, np.ones(2), n)
        assert outcome(with_array, np.ones(2), n) == expected
        assert outcome(alone, n) == outcome(alone._dispatcher, n)


def test_numbers_of_arguments() -> None:
    kernel = kernel_of(lambda x, y: x + y, x="f64[2]", y="f64[2]")
    x = np.ones(2)
    calls: list[tuple[Any, dict[str, Any]]] = [
        ((), {}),
        ((x,), {}),
        ((x, x, x), {}),
        ((x,), {"y": x}),
        ((), {"x": x, "y": x}),
        ((x, x), {"y": x}),
        ((x, x), {"z": x}),
        ((x, x), {"out": np.empty(2), "y": x}),
        ((x,), {"y": x, "out": np.empty(2)}),
        ((x, x), {"o" + "ut": np.empty(2)}),
        ((x, x), {"".join(["o", "u", "t"]): np.empty(2)}),
    ]
    for args, kwargs in calls:
        expected = outcome(kernel._dispatcher, *args, **kwargs)
        assert outcome(kernel, *args, **kwargs) == expected


def test_no_arguments() -> None:
    kernel = kernel_of(lambda: np.arange(3.0))
    np.testing.assert_array_equal(kernel(), [0, 1, 2])
    out = np.empty(3)
    assert kernel(out=out) is out


STRUCTURES: list[Callable[[Any, Any], Any]] = [
    lambda x, n: x,
    lambda x, n: n,
    lambda x, n: (x, n),
    lambda x, n: (x,),
    lambda x, n: ((x, (n, x)), (n,), ((x,), n)),
    lambda x, n: [x, n],
    lambda x, n: {"b": x, "a": (n, [x])},
    lambda x, n: Pair(x, Pair(n, x)),
    lambda x, n: Part(n, Part(x, x)),
    lambda x, n: (x, Part(n, None)),
    lambda x, n: (np.argmax(x), x > 0, n > 1, x.astype(np.float32), np.float32(2) * n),
]


@pytest.mark.parametrize("source", STRUCTURES)
def test_structures_of_results(source: Callable[[Any, Any], Any]) -> None:
    kernel = kernel_of(source, x="f64[3]", n="f64")
    x = np.array([1.0, -2.0, 3.0])
    assert outcome(kernel, x, 1.5) == outcome(kernel._dispatcher, x, 1.5)
    assert kernel(x, 1.5) is not kernel(x, 1.5)
    gradient = sd.compile(sd.value_and_grad(sd.function(lambda x, n: np.sum(x * n), args={
        "x": "f64[3]", "n": "f64"})))  # fmt: skip
    value, by = gradient(x, 2.0)
    assert (type(value), type(by.n), by._fields) == (float, float, ("x", "n"))
    assert outcome(gradient, x, 2.0) == outcome(gradient._dispatcher, x, 2.0)


def test_structures_of_arguments() -> None:
    def loss(part: Any, x: Any) -> Any:
        return np.sum(part["w"] * x) + part["b"]

    f = sd.value_and_grad(loss, wrt="part")
    kernel = sd.compile(f)
    part, x = {"w": np.arange(3.0), "b": 2.0}, np.ones(3)
    value, gradient = kernel(part, x)
    assert (value, gradient["b"]) == (5.0, 1.0)
    fixed = kernel.specialize(part, x)
    assert outcome(fixed, part, x) == outcome(kernel, part, x)
    native_leaves = fixed._dispatcher.native
    assert native_leaves is not None
    assert described(native_leaves(part["w"], part["b"], x)) == described(fixed(part, x))


# out=


def out_cases() -> list[tuple[Any, bool]]:
    """Values for out= of (x, sum(x)) with x: f64[4], and whether machine code takes them."""
    memory = np.zeros(16)
    read_only = np.zeros(4)
    read_only.flags.writeable = False
    number = np.empty(())
    warned = np.broadcast_arrays(np.zeros(4), np.zeros((1, 4)))[0]
    return [
        ((np.empty(4), number), True),
        ((memory[4:8], memory[8:9].reshape(())), True),
        (Pair(np.empty(4), number), False),
        ([np.empty(4), number], False),
        ((memory[::2][:4], number), False),
        ((memory[3::-1], number), False),
        ((read_only, number), False),
        ((np.empty(4, ">f8"), number), False),
        ((np.empty(4, "f4"), number), False),
        ((np.empty(5), number), False),
        ((np.empty((1, 4)), number), False),
        ((np.empty(4), np.empty(1)), False),
        ((np.empty(4), 0.0), False),
        ((memory[4:8], memory[7:8].reshape(())), False),
        ((np.empty(4),), False),
        ((np.empty(4), number, number), False),
        ((np.empty(4), (number,)), False),
        (np.empty(4), False),
        (warned, False),
        ({"a": np.empty(4)}, False),
        (3, False),
        ((None, None), False),
    ]


@pytest.mark.parametrize("place", range(len(out_cases())))
def test_out_of_every_kind(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = kernel_of(lambda x: (2 * x, np.sum(x)), x="f64[4]")
    x = np.arange(4.0)
    (first, taken), (second, _) = out_cases()[place], out_cases()[place]
    expected = outcome(kernel._dispatcher, x, out=first)
    asked: list[Any] = []
    original = type(kernel._dispatcher).__call__
    with monkeypatch.context() as patch:
        patch.setattr(
            type(kernel._dispatcher),
            "__call__",
            lambda self, *args, **kwargs: asked.append(1) or original(self, *args, **kwargs),
        )
        assert outcome(kernel, x, out=second) == expected
    assert bool(asked) != taken
    if taken:
        assert kernel(x, out=second) is second
        np.testing.assert_array_equal(second[0], 2 * x)
        assert second[1] == 6.0


def test_out_that_overlaps_an_argument() -> None:
    kernel = kernel_of(lambda x: (x[::-1] + 1, 2 * x), x="f64[4]")
    for shift, other in itertools.product(range(-4, 5), range(5, 12)):
        results: list[Any] = []
        for call in (kernel, kernel._dispatcher):
            memory = np.arange(24.0)
            out = memory[8 + shift : 12 + shift], memory[other : other + 4]
            results.append((outcome(call, memory[8:12], out=out), memory.tobytes()))
        assert results[0] == results[1]


def test_out_of_arrays_without_elements() -> None:
    kernel = kernel_of(lambda x: x + 1, x="f64[0,3]")
    x = np.empty((0, 3))
    assert kernel(x).shape == (0, 3)
    assert kernel(x, out=x) is x
    with pytest.raises(sd.ArgumentError):
        kernel(np.empty((0, 2)))


def test_named_out() -> None:
    """The arrays of an earlier result serve as out=."""
    kernel = sd.compile(
        sd.grad(sd.function(lambda x, y: np.sum(x * y), args={"x": "f64[3]", "y": "f64[3]"}))
    )
    x, y = np.arange(3.0), np.arange(3.0) * 10
    out = kernel(x, y)
    assert kernel(y, x, out=out) is out
    np.testing.assert_array_equal(out.x, x)


# Errors, memory, threads.


def test_errors_inside() -> None:
    kernel = kernel_of(lambda x, i: (x[i], np.sum(x)), x="f64[5]", i="i64")
    x = np.arange(5.0)
    assert kernel(x, 2) == (2.0, 10.0)
    for i in (5, -6, 2**40):
        with pytest.raises(sd.IndexRangeError) as raised:
            kernel(x, i)
        with pytest.raises(sd.IndexRangeError, match=r"axis|range|index") as other:
            kernel._dispatcher(x, i)
        assert str(raised.value) == str(other.value)
        out = np.empty(()), np.empty(())
        with pytest.raises(sd.IndexRangeError):
            kernel(x, i, out=out)


def test_references_stay() -> None:
    kernel = kernel_of(lambda x, i, n: (x[i] * x, n, {"a": x}), x="f64[5]", i="i64", n="f64")
    out = sd.compile(sd.function(lambda x, i: (x[i] * x, x), args={"x": "f64[5]", "i": "i64"}))
    x, i, n, big = np.arange(5.0), 1, 1234.5, 7
    into = np.empty(5), np.empty(5)

    def calls() -> None:
        kernel(x, i, n)
        out(x, i, out=into)
        for wrong in (big, "a", 10**40):
            with pytest.raises(sd.SymdiffError):
                kernel(x, wrong, n)
        with pytest.raises(sd.SymdiffError):
            out(x, big, out=into)
        with pytest.raises(sd.SymdiffError):
            out(x, i, out=into[:1])

    calls()
    gc.collect()
    watched = (x, n, into, into[0], x.dtype, kernel._table, "out", np.ndarray)
    before = [sys.getrefcount(thing) for thing in watched]
    for _ in range(1000):
        calls()
    gc.collect()
    after = [sys.getrefcount(thing) for thing in watched]
    assert all(abs(a - b) < 20 for a, b in zip(after, before, strict=True)), (before, after)


def test_memory_does_not_grow() -> None:
    kernel = sd.compile(
        sd.value_and_grad(sd.function(lambda x, n: np.sum(x) * n, args={"x": "f64[9]", "n": "f64"}))
    )
    x = np.arange(9.0)
    for _ in range(1000):
        kernel(x, 2.0)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(100_000):
            kernel(x, 2.0)
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()


def test_scratch_memory_of_every_size() -> None:
    """From the stack, kept between calls, and taken anew where another call has what is kept."""
    for n in (8, 40, 44, 46, 64, 200):
        kernel = kernel_of(lambda x: np.tanh(x @ x.T) @ np.exp(x), x=f"f64[{n},{n}]")
        x = np.random.default_rng(n).normal(size=(n, n)) / n
        expected = np.tanh(x @ x.T) @ np.exp(x)
        for _ in range(3):
            np.testing.assert_allclose(kernel(x), expected, rtol=1e-12, atol=1e-14)


def test_threads_share_a_kernel_that_releases_the_lock() -> None:
    n = 20_000
    kernel = kernel_of(lambda x: np.exp(x) / np.sum(np.exp(x)) + x[::-1], x=f"f64[{n}]")
    assert kernel._program.work > tables.LONG
    assert 8 * kernel._program.workspace > tables.STACK
    failures: list[int] = []

    def work(seed: int) -> None:
        x = np.random.default_rng(seed).normal(size=n)
        expected, out = kernel(x), np.empty(n)
        for _ in range(100):
            same = (kernel(x) == expected).all() and (kernel(x, out=out) == expected).all()
            failures.extend([seed] * (not same))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_kernels_are_freed() -> None:
    kernel = kernel_of(lambda x: (np.tanh(x), {"a": np.sum(x)}), x="f64[3]")
    kernel(np.ones(3))
    watched = [weakref.ref(t) for t in (kernel, kernel._code, kernel._table, kernel._dispatcher)]
    del kernel
    gc.collect()
    assert [r() for r in watched] == [None] * 4


def test_where_arrays_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "available", lambda: False)
    kernel = kernel_of(lambda x: x + 1, x="f64[3]")
    assert isinstance(kernel, PlainKernel)
    np.testing.assert_array_equal(kernel(np.arange(3.0)), [1, 2, 3])


def test_a_checking_allocator() -> None:
    """The same calls where every block of memory is filled with rubbish when it is freed."""
    names = "references_stay or structures or out_of_every_kind or errors or every_size"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", names],
        env={**os.environ, "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "1", "PYTHONMALLOC": "malloc"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_two_rooms_must_agree_on() -> None:
    """Neighbours do not import each other, so these are written down on either side."""
    structures = {
        "Operand": tables.OperandFields,
        "Node": tables.NodeFields,
        "Table": tables.TableFields,
        "Bound": tables.BoundFields,
    }
    for name, fields in entry.FIELDS.items():
        assert tuple(field[0] for field in structures[name]._fields_) == fields
    assert entry.EXPORTS == tables.EXPORTS
    assert entry.STACK == tables.STACK
    assert module.RELEASE_GIL_ABOVE == tables.LONG
    assert (native.FALLBACK_OFFSET, native.TABLE_OFFSET) == (24, 48)


def test_the_text_is_well_formed() -> None:
    from symdiff.runtime import engine

    engine.binding().parse_assembly(entry.ENTRY).verify()


def test_functions_remember_the_kernel_used_last() -> None:
    """Calls of functions go straight to machine code, and never to that of another kernel."""
    f = sd.function(lambda x, n: np.sum(x) * n + x)
    x = np.arange(3.0)
    arguments: list[Any] = [
        (x, 2.0), (x, 3), (x, np.float64(2)), (x, np.float32(2)), (x, 2.0), (x, np.int64(2)),
        (x, 2), (x, np.array(2)), (x, 2.5), (x, True), (x, 2.0), (np.arange(4.0), 2.0),
        (x, x), (x, 2.0),
        (x.astype("f4"), np.float32(2)), (x.astype("f4"), 2.0), (x.astype("f4"), np.float32(2)),
        (2.0, x), (x.astype(int), 2), (x.astype(int), 2), (x[::-1], 2.0), (x.tolist(), 2.0),
    ]  # fmt: skip
    for pair in arguments:
        fresh = sd.function(lambda x, n: np.sum(x) * n + x)
        expected = outcome(fresh, *pair)
        assert outcome(f, *pair) == expected
        assert outcome(f, *pair) == expected
        assert outcome(f.kernel, *pair) == expected
        if not isinstance(pair[0], float):
            assert outcome(f, pair[0], n=pair[1]) == expected
    structured = sd.function(lambda p: p["a"] + p["b"])
    structured({"a": x, "b": x})
    with pytest.raises(sd.ArgumentError):
        structured(x, x)


def test_traced_calls_of_functions_that_were_called_before() -> None:
    f = sd.function(lambda x: np.sum(x * x), args={"x": "f64[3]"})
    x = np.arange(3.0)
    assert f(x) == 5.0
    assert_grad = sd.grad(sd.function(lambda y: 2 * f(y), args={"y": "f64[3]"}))
    np.testing.assert_array_equal(assert_grad(x), 4 * x)
    with pytest.raises(sd.ArgumentError, match="x: expected"):
        f(np.ones(4))


def test_every_allocation_fails_in_turn() -> None:
    testcapi = pytest.importorskip("_testcapi")
    assert hasattr(testcapi, "set_nomemory")
    program = """
import sys, _testcapi, numpy as np, symdiff as sd
of = lambda source, **types: sd.compile(sd.function(source, args=types))
vector, number = {"x": "f64[3]"}, {"n": "f64"}
cases = [
    (sd.compile(sd.value_and_grad("(x + y)*max(y, z)")), (1.5, 2.5, 0.5)),
    (of(lambda x, n: (x, n, (x, n, (x*n, x))), x="f64", n="f64"), (1.5, 2.5)),
    (of(lambda x, n: (x + 1, (n*2, x*2), (np.sum(x), x)), **vector, **number), (np.ones(3), 2.5)),
    (of(lambda x, n: (x + 1, {"a": n*2, "b": [x]}), **vector, **number), (np.ones(3), 2.5)),
    (of(lambda x, i: x[i], x="f64[3]", i="i64"), (np.ones(3), 7)),
]
failures = 0
for kernel, args in cases:
    held = [float(i) + 0.5 for i in range(300)]  # the floats that CPython keeps for reuse
    before = sys.getrefcount(args[0])
    for i in range(40):
        try:
            _testcapi.set_nomemory(i, i + 1)
            try:
                kernel(*args)
            finally:
                _testcapi.remove_mem_hooks()
        except MemoryError:
            failures += 1
        except sd.IndexRangeError:
            pass
    assert sys.getrefcount(args[0]) == before
assert failures > 10, failures
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "1", "PYTHONMALLOC": "malloc"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
