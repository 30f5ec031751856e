"""Kernels: calls with numbers and arrays, by every path, and every way to get them wrong."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.optimize

import symdiff as sd
from symdiff.codegen import llvm, module
from symdiff.codegen.chunks import CHUNK, SMALL
from symdiff.ir import interpret
from symdiff.runtime import code, native
from symdiff.runtime.kernel import PlainKernel

LECTURE = "(x + y) * max(y, z)"


@pytest.fixture(params=["native", "ctypes"])
def compile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`sd.compile`, once with entries that CPython calls directly and once through ctypes."""
    if request.param == "ctypes":
        monkeypatch.setattr(native, "available", lambda: False)
    else:
        assert native.available(), "these tests need a standard CPython"
    return sd.compile


def test_numbers_give_python_floats(compile: Callable[..., Any]) -> None:
    kernel = compile(sd.value_and_grad(LECTURE))
    value, gradient = kernel(1.0, 2.0, 0.0)
    assert (value, gradient) == (6.0, (2.0, 5.0, 0.0))
    assert {type(v) for v in (value, *gradient)} == {float}
    assert repr(gradient) == "Gradient(x=2.0, y=5.0, z=0.0)"


@pytest.mark.parametrize(
    "args", [(1, 2, 0), (True, 2, False), (np.float64(1), np.float32(2), np.int8(0)), (1.0, "2", 0)]
)
def test_kinds_of_numbers(compile: Callable[..., Any], args: tuple[Any, ...]) -> None:
    kernel = compile(sd.grad(LECTURE))
    if "2" in args:
        with pytest.raises(sd.ArgumentError, match="y: expected real numbers, got str"):
            kernel(*args)
    else:
        assert kernel(*args) == (2.0, 5.0, 0.0)


def test_conditions_as_parameters(compile: Callable[..., Any]) -> None:
    kernel = compile("x if c else -x", args={"c": "bool", "x": "f64"})
    assert kernel(True, 2.0) == 2.0
    np.testing.assert_array_equal(kernel(np.array([True, False]), 2.0), [2.0, -2.0])
    for wrong in (0.5, np.array([0.5]), 1):
        with pytest.raises(sd.ArgumentError, match="c: "):
            kernel(wrong, 2.0)


def test_large_integers_by_position_and_by_name(compile: Callable[..., Any]) -> None:
    kernel = compile("x")
    assert kernel(2**70) == kernel(x=2**70) == float(2**70)


def test_integer_parameters(compile: Callable[..., Any]) -> None:
    kernel = compile("n*x", args={"n": "i64", "x": "f64"})
    assert kernel(3, 2.0) == 6.0
    np.testing.assert_array_equal(kernel(np.arange(3), 2.0), [0, 2, 4])
    for wrong in (2.5, np.array([1.0]), 2**70):
        with pytest.raises(sd.ArgumentError, match="n: "):
            kernel(wrong, 2.0)


def test_names(compile: Callable[..., Any]) -> None:
    kernel = compile("x - 10*out + 100*lambda", args=["x", "out", "lambda"])
    assert kernel(1, 2, 3) == 281.0
    assert kernel(1, 2, **{"lambda": 3}) == 281.0
    assert sd.compile("x - y")(y=1.0, x=3.0) == 2.0


def test_structures_of_results(compile: Callable[..., Any]) -> None:
    assert compile("3.5")() == 3.5
    assert compile("x, 2*x, x > 1")(2.0) == (2.0, 4.0, True)
    assert compile("x > 1")(2.0) is True
    value, jacobian = compile(sd.value_and_jacobian("x*y, x"))(2.0, 3.0)
    assert value == (6.0, 2.0)
    assert jacobian[0].x == 3.0
    hessian = compile(sd.hessian("x**2*y"))(3.0, 5.0)
    assert hessian.x.y == 6.0
    np.testing.assert_array_equal(np.array(hessian), [[10, 6], [6, 0]])


def test_arrays_broadcast(compile: Callable[..., Any], rng: np.random.Generator) -> None:
    fn = sd.value_and_grad("sin(x*y) + z")
    kernel = compile(fn)
    x, y, z = rng.normal(size=(4, 1)), rng.normal(size=5), 0.5
    value, gradient = kernel(x, y, z)
    expected = interpret(fn.ir, [x, y, z])
    assert value.shape == gradient.x.shape == gradient.z.shape == (4, 5)
    for got, want in zip((value, *gradient), expected, strict=True):
        np.testing.assert_allclose(got, np.broadcast_to(want, (4, 5)), rtol=1e-15)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x,
        lambda x: np.asfortranarray(x),
        lambda x: x[::-1, ::-1],
        lambda x: x[::2, 1::3],
        lambda x: x.T,
        lambda x: x[:, 0],
        lambda x: x[0:0],
        lambda x: x[:1, :1],
        lambda x: x.astype(np.float32),
        lambda x: (x * 10).astype(np.int32),
        lambda x: x > 0,
        lambda x: x.tolist(),
        lambda x: x.astype(">f8"),
        lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float64)[:7],
        lambda x: np.broadcast_to(x[0], (3, *x[0].shape)),
        lambda x: np.array(2.5),
        lambda x: np.arange(9.0).reshape(3, 3).T[:, :1],
        lambda x: np.arange(9.0).reshape(3, 3).T[:1, :],
        lambda x: x[::2, 4:5],
    ],
)
def test_memory_layouts(compile: Callable[..., Any], make: Any, rng: np.random.Generator) -> None:
    x = make(rng.normal(size=(6, 9)))
    expected = np.asarray(x, float) ** 2 + 1
    np.testing.assert_allclose(compile("x*x + 1")(x), expected, rtol=1e-15)


def test_any_view_of_an_array(rng: np.random.Generator) -> None:
    kernel, memory = sd.compile("x + 1"), rng.normal(size=(4, 3, 5))
    for _ in range(2000):
        axes = rng.permutation(3)
        parts = [rng.integers(0, n, 2) for n in memory.shape]
        steps = rng.choice([-2, -1, 1, 2], 3)
        view = memory[tuple(slice(a, b, s) for (a, b), s in zip(parts, steps, strict=True))]
        view = view.transpose(axes)
        np.testing.assert_array_equal(kernel(view), view + 1)


def test_out(compile: Callable[..., Any]) -> None:
    kernel = compile(sd.value_and_grad("x*y"))
    x, y = np.arange(5.0), np.arange(5.0, 10.0)
    out = (np.empty(5), (np.empty(5), np.empty(10)[::2]))
    assert kernel(x, y, out=out) is out
    np.testing.assert_array_equal(out[0], x * y)
    np.testing.assert_array_equal(out[1][1], x)
    in_place = x.copy()
    sd.compile("x + 1")(in_place, out=in_place)
    np.testing.assert_array_equal(in_place, x + 1)
    shifted = np.arange(6.0)
    sd.compile("x + 1")(shifted[:-1], out=shifted[1:])
    np.testing.assert_array_equal(shifted, [0, 1, 2, 3, 4, 5])


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.empty(4), "expected float64"),
        (np.empty(5, np.float32), "expected float64"),
        ([0.0] * 5, "must be an array"),
        (np.broadcast_to(np.zeros(1), (5,)), "read-only"),
    ],
)
def test_wrong_out(out: Any, message: str) -> None:
    with pytest.raises(sd.ArgumentError, match=message):
        sd.compile("2*x")(np.arange(5.0), out=out)


def test_overlapping_out_and_wrong_structure() -> None:
    kernel, x, memory = sd.compile("x, 2*x"), np.arange(5.0), np.empty(8)
    with pytest.raises(sd.ArgumentError, match="overlap"):
        kernel(x, out=(memory[:5], memory[3:]))
    with pytest.raises(sd.ArgumentError, match="structure"):
        kernel(x, out=memory)


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "missing x, y, z: f takes x, y, z"),
        ((1, 2), {}, "missing z"),
        ((1, 2, 3, 4), {}, "4 arguments given"),
        ((1, 2), {"zz": 3}, "unknown argument 'zz'.*did you mean z"),
        ((1, 2, 3), {"x": 1}, "argument 'x' is given twice"),
        ((1, 2, 3j), {}, "z: expected real numbers, got complex"),
        ((1, None, 3), {}, "y: expected real numbers, got NoneType"),
        ((1, 10**400, 3), {}, "y: this integer is too large"),
        ((np.ones(3), np.ones(4), 1), {}, r"x: \(3,\), y: \(4,\)"),
        (([[1], [1, 2]], 1, 1), {}, "x: cannot make an array"),
        ((np.array(["a"]), 1, 1), {}, "x: expected real numbers, got an array of <U1"),
        ((np.array([1j]), 1, 1), {}, "x: expected real numbers, got an array of complex128"),
        ((np.longdouble(1), 1, 1), {}, "would be narrowed"),
    ],
)
def test_wrong_arguments(
    compile: Callable[..., Any], args: Any, kwargs: dict[str, Any], message: str
) -> None:
    kernel = compile(LECTURE)
    with pytest.raises(sd.ArgumentError, match=message):
        kernel(*args, **kwargs)
    assert issubclass(sd.ArgumentError, TypeError)


def test_float32(compile: Callable[..., Any]) -> None:
    kernel = compile(sd.value_and_grad("x*sin(y)"), dtype="float32")
    value, gradient = kernel(2.0, 0.5)
    assert value == np.float32(2) * np.sin(np.float32(0.5))
    assert type(gradient.x) is float
    values, _ = kernel(np.ones(3, np.float32), 0.5)
    assert values.dtype == np.float32
    for wide in (np.ones(3), np.array([2**24 + 1]), np.longdouble(1)):
        with pytest.raises(sd.ArgumentError, match="narrowed to float32"):
            kernel(wide, 0.5)
    assert kernel([1.0], 0.5)[0].dtype == np.float32
    assert sd.compile("x*1e39", dtype="float32")(1.0) == np.inf


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", [SMALL - 10, SMALL + 10, 5 * CHUNK + 7])
def test_long_code_in_chunks(compile: Callable[..., Any], size: int, dtype: str) -> None:
    """Values that cross chunk borders: every tenth is used again at the end."""
    lines = ["a = x", "b = sin(x)", "c = b > 0.5"]
    lines += [f"a = 0.5*a + {i % 7}*b; s{i} = a" for i in range(size // 3)]
    lines.append(" + ".join(f"s{i}" for i in range(0, size // 3, 10)) + " if c else cos(x)")
    fn = sd.value_and_grad("\n".join(lines))
    kernel = compile(fn, dtype=dtype)
    for x in (0.25, 2.0):
        expected = interpret(fn.ir, [x])
        assert kernel(x) == pytest.approx(tuple(map(float, expected)), rel=1e-5)
    xs = np.linspace(0, 3, 7, dtype=dtype)
    value, derivative = kernel(xs)
    np.testing.assert_allclose(value, interpret(fn.ir, [xs])[0], rtol=1e-5)
    np.testing.assert_allclose(derivative, interpret(fn.ir, [xs])[1], rtol=1e-5)


def test_many_outputs_that_are_parameters_and_constants(compile: Callable[..., Any]) -> None:
    n = SMALL
    kernel = compile(", ".join([*(f"x{i}" for i in range(n)), "1.5", "x0 + x1"]))
    at = [float(i) for i in range(n)]
    assert kernel(*at) == (*at, 1.5, 1.0)


def test_special_functions_of_scipy(compile: Callable[..., Any]) -> None:
    scipy_special = pytest.importorskip("scipy.special")
    value, slope = compile(sd.value_and_grad("digamma(x)"))(2.5)
    assert value == pytest.approx(scipy_special.digamma(2.5), rel=1e-15)
    assert slope == pytest.approx(scipy_special.polygamma(1, 2.5), rel=1e-14)


def test_scipy_optimize() -> None:
    rosenbrock = sd.value_and_grad("100*(y - x**2)**2 + (1 - x)**2")

    def objective(p: Any) -> Any:
        value, gradient = rosenbrock(*p)
        return value, np.array(gradient)

    result = scipy.optimize.minimize(objective, [-1.2, 1.0], jac=True, method="L-BFGS-B")
    np.testing.assert_allclose(result.x, [1.0, 1.0], atol=1e-5)


def test_one_kernel_from_many_threads(compile: Callable[..., Any]) -> None:
    kernel = compile(sd.value_and_grad("x*sin(y)"))
    x = np.full(1000, 2.0)
    expected = kernel(2.0, 0.5), kernel(x, 0.5)[0][-1]
    assert expected[0][0] == pytest.approx(expected[1], rel=1e-15)
    failures: list[Any] = []

    def work() -> None:
        for _ in range(200):
            results = kernel(2.0, 0.5), kernel(x, 0.5)[0][-1]
            failures.extend([results] * (results != expected))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_compiling_from_many_threads() -> None:
    results: dict[int, float] = {}

    def work(i: int) -> None:
        results[i] = sd.grad(f"x**3 + {i}*x")(2.0)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {i: 12.0 + i for i in range(8)}


def test_kernels_pickle() -> None:
    options: dict[str, Any]
    for options in ({}, {"dtype": "float32"}, {"fastmath": True}):
        kernel = sd.compile(sd.value_and_grad("x*sin(y)"), **options)
        again = pickle.loads(pickle.dumps(kernel))
        assert again.ir == kernel.ir
        assert again(2.0, 0.5) == kernel(2.0, 0.5)
        assert again.cost() == kernel.cost()


def test_kernels_are_immutable_and_freed() -> None:
    kernel = sd.compile("x + 1")
    with pytest.raises(AttributeError, match="immutable"):
        kernel.name = "g"
    with pytest.raises(AttributeError, match="immutable"):
        del kernel._code
    owner = weakref.ref(kernel._code)
    alive = weakref.ref(kernel)
    del kernel
    gc.collect()
    assert alive() is None
    assert owner() is None


def test_reference_counts_stay() -> None:
    kernel = sd.compile(sd.value_and_grad(LECTURE))
    kernel(1.5, 2.5, 0.5)
    x = 1234.5
    before = sys.getrefcount(x), sys.getrefcount(type(kernel(1, 2, 3)[1]))
    for _ in range(1000):
        kernel(x, 2.5, 0.5)
        with pytest.raises(sd.ArgumentError):
            kernel(x, "2.5", 0.5)
    gc.collect()
    after = sys.getrefcount(x), sys.getrefcount(type(kernel(1, 2, 3)[1]))
    assert all(abs(a - b) < 5 for a, b in zip(after, before, strict=True))


def test_fast_math_is_asked_for() -> None:
    assert sd.compile("x*0")(float("inf")) != 0.0
    assert sd.compile("x*0", fastmath=True)(float("inf")) == 0.0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"dtype": "float16"}, sd.ArgumentError),
        ({"dtype": []}, sd.ArgumentError),
        ({"target": None}, sd.ArgumentError),
        ({"args": {"x": 3}}, sd.ArgumentError),
        ({"args": ["x", "x"]}, sd.ArgumentError),
        ({"args": ["x", 3]}, sd.ArgumentError),
        ({"threads": 0}, sd.ArgumentError),
        ({"target": "pdp11-dec-unix"}, sd.UnsupportedError),
    ],
)
def test_wrong_options(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        sd.compile("x", **options)


def test_code_for_another_machine() -> None:
    kernel = sd.compile("x*x + 1", target="aarch64-linux-gnu")
    assert "fmadd" in kernel.asm
    assert kernel.object_code[:4] == b"\x7fELF"
    with pytest.raises(sd.CompileError, match="aarch64"):
        kernel(1.0)


def test_object_code_has_the_c_signature(tmp_path: Any) -> None:
    kernel = sd.compile(sd.value_and_grad("x*y + sin(x)"))
    (tmp_path / "f.o").write_bytes(kernel.object_code)
    library = tmp_path / "f.so"
    command = ["gcc", "-shared", "-o", str(library), str(tmp_path / "f.o"), "-lm"]
    subprocess.run(command, check=True)
    import ctypes

    arguments = [ctypes.c_double(v) for v in (2.0, 3.0, 0.0, 0.0, 0.0)]
    ctypes.CDLL(str(library)).f_value_and_grad(*map(ctypes.byref, arguments))
    value, gradient = kernel(2.0, 3.0)
    assert [a.value for a in arguments[2:]] == [value, *gradient]


def test_every_stage_can_be_read() -> None:
    kernel = sd.compile(sd.value_and_grad("x*sin(y)"), cache=False)
    assert kernel.ir.startswith("func @f_value_and_grad(%x: f64, %y: f64)")
    assert "define void @f_value_and_grad(" in kernel.llvm_ir
    assert "f_value_and_grad" in kernel.asm
    assert "void f_value_and_grad(const double *x" in kernel.c_source
    assert "def f_value_and_grad(x, y)" in kernel.numpy_source
    assert kernel.code_size > 0
    assert {"parse", "autodiff", "passes", "lower", "llvm", "load"} <= kernel.stages.keys()


def test_the_fallback_in_a_process_of_its_own() -> None:
    """With SYMDIFF_NATIVE_CALL=0 nothing native is touched."""
    program = (
        "import symdiff as sd; from symdiff.runtime import native; assert not native.available();"
        f"k = sd.compile(sd.value_and_grad('{LECTURE}')); print(type(k).__name__, k(1.0, 2.0, 0.0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "SYMDIFF_NATIVE_CALL": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "PlainKernel (6.0, Gradient(x=2.0, y=5.0, z=0.0))"


def test_plain_kernels_are_kernels() -> None:
    assert issubclass(PlainKernel, sd.Kernel)
    assert isinstance(sd.compile("x"), sd.Kernel)


@pytest.mark.slow
def test_memory_does_not_grow_with_kernels() -> None:
    import resource

    def used() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    for i in range(100):
        sd.compile(f"x*{i}")(1.0)
    gc.collect()
    before = used()
    for i in range(1000):
        sd.compile(f"x*{i}.5")(1.0)
    gc.collect()
    assert used() - before < 40_000  # KiB; LLVM keeps about 11 KiB a kernel


@pytest.mark.slow
def test_the_first_kernels_of_a_process_from_many_threads() -> None:
    """What is made once a process must be made once, whichever thread comes first."""
    program = (
        "import threading, symdiff as sd\n"
        "results = {}\n"
        "def work(i): results[i] = sd.grad(f'x**3 + {i}*x')(2.0)\n"
        "threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "assert results == {i: 12.0 + i for i in range(8)}\n"
    )
    for _ in range(10):
        subprocess.run([sys.executable, "-c", program], check=True)


def test_what_two_rooms_must_agree_on() -> None:
    """Neighbours do not import each other, so these are written down on either side."""
    assert module.FALLBACK_OFFSET == native.FALLBACK_OFFSET
    assert llvm.SCIPY_PREFIX == code.SCIPY_PREFIX


def test_targets_without_object_files_are_named() -> None:
    missing = r"no object files for 'nvptx64-nvidia-cuda': .*: kernel\.c_source"
    with pytest.raises(sd.UnsupportedError, match=missing):
        sd.compile("x*y", target="nvptx64-nvidia-cuda")
