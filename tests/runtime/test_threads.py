"""Several threads: the same bits as one, whoever else is there, and nothing that waits for ever."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import symdiff as sd
from bench.models import MODELS
from symdiff import ir
from symdiff.runtime import sharing, threads
from symdiff.runtime.threads import MOST, Pool

FORMULA = "x*exp(-y)*sin(z) + max(x, y)"
THREADS = (2, 3, 8)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are shared however small they are."""
    monkeypatch.setattr(sharing, "WORTHWHILE", 1)
    monkeypatch.setattr(sharing, "WORTHWHILE_IN_ALL", 1)


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> Pool:
    """A pool of seven threads, whatever the machine has."""
    monkeypatch.setattr(threads, "usable", lambda: 8)
    made = Pool()
    monkeypatch.setattr(sharing, "pool", made)
    return made


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of parts of every batch that is shared."""
    found: list[int] = []
    run = sharing.run_batch

    def counting(*args: Any) -> int:
        found.append(args[3][1])
        return run(*args)

    monkeypatch.setattr("symdiff.runtime.dispatch.run_batch", counting)
    return found


def values(kernel: Any, *args: Any, **kwargs: Any) -> list[Any]:
    result = kernel(*args, **kwargs)
    return ir.flatten(kernel._program.result, result)


def assert_same_bits(found: list[Any], expected: list[Any]) -> None:
    for ours, wanted in zip(found, expected, strict=True):
        ours, wanted = np.asarray(ours), np.asarray(wanted)
        assert (ours.dtype, ours.shape) == (wanted.dtype, wanted.shape)
        assert ours.tobytes() == wanted.tobytes()


# The option.


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, False, "many", "2", None, MOST + 1, [2]])
def test_wrong_numbers_of_threads(wrong: Any) -> None:
    with pytest.raises(
        sd.ArgumentError, match=r'threads=.*expected a whole number from 1 .* "all"'
    ):
        sd.compile("x", threads=wrong)
    with pytest.raises(sd.ArgumentError, match="threads="):
        sd.compile(threads=wrong)


def test_threads_belong_to_the_kernel() -> None:
    three: Any = np.int64(3)
    kernel = sd.compile(sd.grad(FORMULA), threads=three)
    assert kernel.threads == 3
    assert repr(kernel) == "<symdiff kernel f_grad(x, y, z), threads=3>"
    assert "threads" not in repr(sd.compile(FORMULA))
    again = pickle.loads(pickle.dumps(kernel))
    assert again.threads == 3
    assert again(1.0, 2.0, 3.0) == kernel(1.0, 2.0, 3.0)


def test_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "usable", lambda: 5)
    kernel = sd.compile(FORMULA, threads="all")
    assert kernel.threads == 5
    pickled = pickle.dumps(kernel)
    monkeypatch.setattr(threads, "usable", lambda: 1)
    assert kernel.threads == 5
    assert pickle.loads(pickled).threads == 1  # of the machine where it is read
    assert sd.compile(FORMULA, threads="all").threads == 1


def test_functions_whose_shapes_are_open() -> None:
    @sd.compile(threads=2)
    def total(x: Any) -> Any:
        return np.sum(np.exp(x))

    assert total.threads == 2
    assert pickle.loads(pickle.dumps(sd.compile(MODELS["network"].source, threads=2))).threads == 2
    assert_allclose(total(np.zeros(5)), 5.0)
    assert total.specialize("f64[5]").threads == 2


def test_code_for_another_machine() -> None:
    kernel = sd.compile(lambda x: np.sum(np.exp(x)), args={"x": "f64[100000]"}, threads=2,
                        target="aarch64-linux-gnu")  # fmt: skip
    assert kernel.object_code[:4] == b"\x7fELF"
    assert kernel.code_size > 0


# Batches.


@pytest.mark.parametrize("count", THREADS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_batches_have_the_same_bits(
    eager: None, crowd: Pool, counted: list[int], dtype: str, count: int, rng: np.random.Generator
) -> None:
    function = sd.value_and_grad(FORMULA)
    one = sd.compile(function, dtype=dtype)
    several = sd.compile(function, dtype=dtype, threads=count)
    for n in (1, 7, 31, 32, 33, 255, 511, 1000, 2049, 5000):
        x, y = rng.normal(size=(2, n)).astype(dtype)
        z = rng.normal(size=(2 * n, 3)).astype(dtype)
        for args in (
            (x, y, z[:n, 0]),
            (x, dtype == "float64", z[::2, 1]),
            (x, y[::-1], z[::-2, 2]),
        ):
            assert_same_bits(values(several, *args), values(one, *args))
    assert max(counted) == 4 * count
    assert min(counted) == 2  # of 32 points


def test_what_is_broadcast(eager: None, crowd: Pool, rng: np.random.Generator) -> None:
    one, several = (sd.compile(sd.grad(FORMULA), threads=n) for n in (1, 4))
    args = rng.normal(size=(40, 1)), rng.normal(size=60), rng.normal(size=(3, 1, 1))
    assert_same_bits(values(several, *args), values(one, *args))
    out = values(one, *args)
    held = [np.empty_like(a) for a in out]
    result = several(*args, out=tuple(held))
    assert all(a is b for a, b in zip(result, held, strict=True))
    assert_same_bits(held, out)
    x = rng.normal(size=3000)
    expected = values(one, x, 1.0, 2.0)
    several(x, 1.0, 2.0, out=(x, *(np.empty(3000) for _ in range(2))))  # an input, overwritten
    assert_same_bits([x], expected[:1])


def test_long_formulas(eager: None, crowd: Pool, rng: np.random.Generator) -> None:
    """Code that is cut into chunks, which have scratch memory of their own."""
    text = "; ".join(f"x{i} = sin(x{i - 1}*{1 + i / 7})" for i in range(1, 2500))
    source = text.replace("x0", "x") + "; return x2499 + x1200*x7"
    one, several = (sd.compile(source, threads=n) for n in (1, 3))
    assert several._program.workspace > 0
    x = rng.normal(size=100)
    assert_same_bits(values(several, x), values(one, x))


def norm(v: Any, w: Any) -> Any:
    return np.sqrt(np.sum(v * v)) * w, np.outer(v, w * v)


def test_batches_of_arrays(eager: None, crowd: Pool, rng: np.random.Generator) -> None:
    made = [sd.compile(norm, args={"v": "f64[5]", "w": "f64"}, threads=n) for n in (1, 2, 8)]
    for shape in ((2,), (3,), (100,), (7, 9)):
        v, w = rng.normal(size=(*shape, 5)), rng.normal(size=shape)
        one, *others = (values(k, v, w) for k in made)
        for other in others:
            assert_same_bits(other, one)


def test_the_first_error_is_the_one_that_is_told(eager: None, crowd: Pool) -> None:
    """As on one thread: of the first point, and of its first check."""

    def picked(a: Any, b: Any, i: Any, j: Any) -> Any:
        return a[i] * b[j]

    types = {"a": "f64[10]", "b": "f64[20]", "i": "i64", "j": "i64"}
    kernel = sd.compile(picked, args=types, threads=4)
    a, b = np.arange(10.0), np.arange(20.0)
    i = j = np.arange(400) % 10
    assert_array_equal(kernel(a, b, i, j), (i * j).astype(float))
    for bad_i, bad_j, extent in ((390, 20, 20), (20, 390, 10), (210, 209, 20), (7, 7, 10)):
        with pytest.raises(sd.IndexRangeError, match=f"axis of {extent} elements"):
            kernel(a, b, np.where(np.arange(400) == bad_i, 99, i),
                   np.where(np.arange(400) == bad_j, -99, j))  # fmt: skip
    assert_array_equal(kernel(a, b, i, j), (i * j).astype(float))


def test_small_batches_are_not_shared(counted: list[int]) -> None:
    kernel = sd.compile(FORMULA, threads=2)
    for n in (10, 300, 2000):
        kernel(np.ones(n), 2.0, 3.0)
    assert not counted
    kernel(np.ones(200_000), 2.0, 3.0)
    assert counted == [8]


# Models.


def gradient(name: str) -> tuple[sd.Function, dict[str, Any]]:
    model = MODELS[name]
    inputs = model.inputs()
    types = {n: f"{a.dtype}[{','.join(map(str, a.shape))}]" for n, a in inputs.items()}
    return sd.value_and_grad(model.source, wrt=list(model.wrt), args=types), inputs


@pytest.mark.parametrize("name", MODELS)
def test_models(name: str) -> None:
    """What they take on one thread, up to the order of sums; the same bits every time."""
    function, inputs = gradient(name)
    expected = values(sd.compile(function), **inputs)
    kernel = sd.compile(function, threads=2)
    found = values(kernel, **inputs)
    for ours, wanted in zip(found, expected, strict=True):
        assert_allclose(ours, wanted, rtol=0, atol=1e-12 * np.max(np.abs(wanted)))
    for _ in range(3):
        assert_same_bits(values(kernel, **inputs), found)
    shared = {"rosenbrock", "mixture", "lennard_jones", "bundle_adjustment"}
    assert kernel._program.team is not None or name not in shared


def test_number_of_threads_decides_not_who_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone, or with a crowd that is busy with other things: the same bits."""
    function, inputs = gradient("mixture")
    kernel = sd.compile(function, threads=4)
    expected = values(kernel, **inputs)
    monkeypatch.setattr(threads, "usable", lambda: 6)
    crowd = Pool()
    monkeypatch.setattr(sharing, "pool", crowd)
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            sum(range(100))

    others = [threading.Thread(target=busy) for _ in range(3)]
    for thread in others:
        thread.start()
    try:
        for _ in range(10):
            assert_same_bits(values(kernel, **inputs), expected)
    finally:
        stop.set()
        for thread in others:
            thread.join()
    monkeypatch.setattr(crowd, "offer", lambda task, helpers: None)
    assert_same_bits(values(kernel, **inputs), expected)


def test_one_point_with_out() -> None:
    function, inputs = gradient("lennard_jones")
    kernel = sd.compile(function, threads=2)
    value, forces = kernel(**inputs)
    held = np.empty(()), np.empty_like(forces)
    kernel(**inputs, out=held)
    assert_same_bits(list(held), [value, forces])


# Many callers.


def test_kernels_called_from_many_threads(
    eager: None, crowd: Pool, rng: np.random.Generator
) -> None:
    function, inputs = gradient("lennard_jones")
    team = sd.compile(function, threads=3)
    batch = sd.compile(sd.value_and_grad(FORMULA), threads=3)
    args = rng.normal(size=(3, 5000))
    expected = values(team, **inputs), values(batch, *args)

    def work(_: int) -> None:
        for _ in range(5):
            assert_same_bits(values(team, **inputs), expected[0])
            assert_same_bits(values(batch, *args), expected[1])

    with ThreadPoolExecutor(8) as executor:
        for done in [executor.submit(work, i) for i in range(16)]:
            done.result()


def _in_child(kernel: Any, args: Any, results: Any) -> None:
    results.put([np.asarray(v).tobytes() for v in values(kernel, *args)])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_processes_have_threads_of_their_own(eager: None, rng: np.random.Generator) -> None:
    kernel = sd.compile(sd.value_and_grad(FORMULA), threads=2)
    args = rng.normal(size=(3, 5000))
    expected = [np.asarray(v).tobytes() for v in values(kernel, *args)]
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    children = [context.Process(target=_in_child, args=(kernel, args, results)) for _ in range(3)]
    for child in children:
        child.start()
    for _ in children:
        assert results.get() == expected
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert [np.asarray(v).tobytes() for v in values(kernel, *args)] == expected


def python(program: str) -> str:
    """What a program prints in a process of its own, which ends well."""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert not ran.stderr
    return ran.stdout


def test_the_interpreter_ends_while_threads_are_busy() -> None:
    out = python(
        "import threading, time, numpy as np, symdiff as sd\n"
        "kernel = sd.compile(sd.value_and_grad('x*exp(-x)*sin(x)'), threads=2)\n"
        "x = np.ones(300_000)\n"
        "kernel(x)\n"
        "def work():\n"
        "    while True: kernel(x)\n"
        "for _ in range(3): threading.Thread(target=work, daemon=True).start()\n"
        "time.sleep(0.2)\n"
        "print('end')\n"
    )
    assert out == "end\n"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_one_processor() -> None:
    """All threads of one processor are one; two take turns."""
    out = python(
        "import os, numpy as np, symdiff as sd, threading\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "assert sd.compile('x', threads='all').threads == 1\n"
        "one, two = (sd.compile('x*exp(x)', threads=n) for n in (1, 2))\n"
        "x = np.linspace(0, 1, 500_000)\n"
        "assert np.array_equal(one(x), two(x))\n"
        "print(threading.active_count())\n"
    )
    assert out == "1\n"


def test_nothing_of_threads_is_loaded_for_one() -> None:
    python(
        "import symdiff as sd, threading, numpy as np\n"
        "sd.compile('x*exp(x)')(np.ones(500_000))\n"
        "assert threading.active_count() == 1\n"
    )


# The pool.


def _until(condition: Callable[[], bool]) -> None:
    """Wait for what other threads are about to do."""
    pause = threading.Event()
    while not condition():
        pause.wait(0.001)


def test_the_pool_survives_errors(crowd: Pool) -> None:
    done: list[int] = []

    def fail() -> None:
        done.append(1)
        raise ValueError("not for the pool")

    for count in range(1, 6):
        crowd.offer(fail, 2)
        _until(lambda count=count: len(done) == 2 * count and crowd._idle == 2)
    assert crowd._size == 2


def test_only_idle_threads_are_asked(crowd: Pool) -> None:
    """Who offers work never waits, and no work is left lying about."""
    hold, came = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        came.release()
        hold.wait()

    crowd.offer(work, 100)
    for _ in range(7):
        came.acquire()
    assert (crowd._size, crowd._idle) == (7, 0)
    crowd.offer(work, 3)
    assert crowd._tasks.empty()
    hold.set()
    _until(lambda: crowd._idle == 7)
    crowd.offer(work, 3)
    for _ in range(3):
        came.acquire()
    _until(lambda: crowd._idle == 7)


def test_threads_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, eager: None) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    made = Pool()
    monkeypatch.setattr(sharing, "pool", made)
    monkeypatch.setattr(threads, "usable", lambda: 4)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    x = np.linspace(0, 1, 4000)
    one, three = (sd.compile("x*exp(x)", threads=n) for n in (1, 3))
    assert_same_bits(values(three, x), values(one, x))
    assert made._size == 0


def test_memory_of_a_call_is_freed(eager: None, crowd: Pool) -> None:
    class Held:
        pass

    held = Held()
    seen = weakref.ref(held)
    ready = threading.Event()

    def task(held: Held = held) -> None:
        ready.set()

    crowd.offer(task, 1)
    ready.wait()
    _until(lambda: crowd._idle == 1)
    del task, held
    gc.collect()
    assert seen() is None
