"""Donated arguments: what comes back, how results are matched, and everything that is refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import symdiff as sd
from symdiff.errors import ArgumentError, UnsupportedError
from symdiff.runtime import cache, native, tables


@pytest.fixture(params=["native", "ctypes"], autouse=True)
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test runs with calls in machine code, and through ctypes."""
    if request.param == "ctypes":
        monkeypatch.setattr(native, "available", lambda: False)
        monkeypatch.setattr(tables, "available", lambda: False)
    return request.param


class Moments(NamedTuple):
    m: Any
    v: Any
    t: Any


def predict(params: Any, x: Any) -> Any:
    return np.tanh(x @ params["W"]) @ params["u"] + params["b"]


def loss(params: Any, x: Any, y: Any) -> Any:
    return np.mean((predict(params, x) - y) ** 2)


gradient = sd.value_and_grad(loss, wrt="params")


def adam(params: Any, state: Any, x: Any, y: Any) -> Any:
    value, g = gradient(params, x, y)
    t = state.t + 1.0
    m = {k: 0.9 * state.m[k] + 0.1 * g[k] for k in g}
    v = {k: 0.99 * state.v[k] + 0.01 * g[k] ** 2 for k in g}
    new = {k: params[k] - 0.05 * m[k] / (np.sqrt(v[k] * t) + 1e-8) for k in g}
    return new, Moments(m, v, t), value


def problem(dtype: Any = float) -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    params = {"W": rng.normal(size=(2, 7)), "u": rng.normal(size=7), "b": np.zeros(())}
    params = {k: np.array(v, dtype) for k, v in params.items()}
    m, v = ({k: np.zeros_like(v) for k, v in params.items()} for _ in range(2))
    state = Moments(m, v, np.zeros((), dtype))
    x = rng.normal(size=(20, 2)).astype(dtype)
    return params, state, x, np.sin(x[:, 0])


def copied(part: Any) -> Any:
    if isinstance(part, dict):
        return {k: copied(v) for k, v in part.items()}
    return Moments(*map(copied, part)) if isinstance(part, Moments) else np.array(part)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_training_in_place(dtype: str) -> None:
    plain = sd.compile(adam, dtype=dtype)
    kernel = sd.compile(adam, donate=["params", "state"], dtype=dtype)
    params, state, x, y = problem(np.dtype(dtype))
    expected = copied(params), copied(state)
    held = params["W"], state.m["u"], state.t
    new, moments, value = kernel(params, state, x, y)
    assert new["W"] is held[0]
    assert moments.m["u"] is held[1]
    assert moments.t is held[2]
    assert isinstance(moments, Moments)
    *expected, wanted = plain(*expected, x, y)
    assert_allclose(value, wanted)
    step = kernel.bind(params, state, x, y)
    first, _, bound_value = step.out
    for _ in range(30):
        *expected, wanted = plain(*expected, x, y)
        assert step() is step.out
    rtol = 1e-9 if dtype == "float64" else 1e-3
    for name in params:
        assert first[name] is params[name]
        assert_allclose(params[name], expected[0][name], rtol=rtol)
    assert float(state.t) == 31
    assert_allclose(bound_value, wanted, rtol=rtol)
    assert wanted < 0.5


# How results are matched.


def test_by_name_or_position() -> None:
    for donate in ("x", 0, ["x"], [0], -2):
        x = np.ones(3)
        kernel = sd.compile(lambda x, y: x + y, donate=donate)
        assert kernel(x, np.ones(3)) is x
    for donate in (None, [], ()):
        x = np.ones(3)
        assert sd.compile(lambda x, y: x + y, donate=donate)(x, np.ones(3)) is not x


def test_as_a_decorator() -> None:
    @sd.compile(donate="x")
    def double(x: Any) -> Any:
        return 2 * x

    x = np.ones(3)
    assert double(x) is x
    assert x.tolist() == [2, 2, 2]


def test_the_first_part_that_fits() -> None:
    kernel = sd.compile(lambda x, n: (np.sum(x), x[:2], x + 1, x - 1), donate="x")
    x = np.arange(3.0)
    results = kernel(x, 0.0)
    assert results[2] is x
    assert [np.asarray(r).tolist() for r in results] == [3, [0, 1], [1, 2, 3], [-1, 0, 1]]


def test_keys_in_another_order() -> None:
    kernel = sd.compile(lambda p: {"b": p["b"] * 2, "a": p["a"] * 3}, donate="p")
    p = {"a": np.ones(2), "b": np.ones(2)}
    result = kernel(p)
    assert result["a"] is p["a"]
    assert result["b"] is p["b"]
    assert (p["a"].tolist(), p["b"].tolist()) == ([3, 3], [2, 2])


def test_a_state_of_nothing() -> None:
    kernel = sd.compile(lambda p, s, g: ({"w": p["w"] - g}, s), donate=["p", "s"])
    p = {"w": np.ones(2)}
    new, state = kernel(p, None, np.ones(2))
    assert new["w"] is p["w"]
    assert state is None
    assert p["w"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("function", "types", "message"),
    [
        (lambda x: np.sum(x), {"x": "f64[3]"}, r"x is f64\[3\], left f64"),
        (lambda x: x[:2], {"x": "f64[3]"}, r"no part of the result"),
        (lambda x: x > 0, {"x": "f64[3]"}, r"left bool\[3\]"),
        (lambda x: [x[0], x[1]], {"x": ["f64[3]", "f64[3]"]}, None),
        (lambda x: (x[0], x[1]), {"x": ["f64[3]", "f64[3]"]}, r"x is \[f64\[3\], f64\[3\]\]"),
        (lambda x: {"a": x["a"]}, {"x": {"a": "f64", "b": "f64"}}, r"x is \{a: f64, b: f64\}"),
        (lambda x: {"a": x["a"], "c": x["a"]}, {"x": {"a": "f64", "b": "f64"}}, "structure"),
    ],
)
def test_nothing_replaces_it(function: Any, types: Any, message: str | None) -> None:
    if message is None:
        assert sd.compile(function, args=types, donate="x")
        return
    with pytest.raises(ArgumentError, match=message):
        sd.compile(function, args=types, donate="x")


def test_one_result_is_not_for_two() -> None:
    with pytest.raises(ArgumentError, match=r"y is donated, .* left is nothing"):
        sd.compile(lambda x, y: (x + y,), args={"x": "f64[3]", "y": "f64[3]"}, donate=["x", "y"])


def test_names_that_are_no_parameters() -> None:
    with pytest.raises(ArgumentError, match=r"donate='z': .* has the parameters x, y"):
        sd.compile("x*y", donate="z")
    with pytest.raises(ArgumentError, match=r"donate=.*each parameter once"):
        sd.compile("x*y", donate=["x", "x"])
    with pytest.raises(ArgumentError, match=r"donate=1\.5"):
        sd.compile("x*y", donate=cast("Any", 1.5))


# Arguments.


def addition() -> Any:
    return sd.compile(lambda x, y: x + y, args={"x": "f64[3]", "y": "f64[3]"}, donate="x")


def test_arrays_that_cannot_be_overwritten() -> None:
    kernel, y = addition(), np.ones(3)
    frozen = np.ones(3)
    frozen.flags.writeable = False
    for wrong, message in (
        ([1.0, 2.0, 3.0], "must be an array, not list"),
        (np.ones(3, np.float32), "must be float64, and is float32"),
        (np.ones(3, np.int64), "must be float64, and is int64"),
        (np.ones(6)[::2], "C-contiguous"),
        (frozen, "read-only"),
        (np.ma.MaskedArray(np.ones(3)), "must be an array, not MaskedArray"),
        (np.ones(4), "expected an array of shape"),
    ):
        for call in (kernel, kernel.bind):
            with pytest.raises(ArgumentError, match=f"^x: .*{message}"):
                call(wrong, y)


def test_columns_are_not_contiguous() -> None:
    kernel = sd.compile(lambda x: x * 2, args={"x": "f64[2,3]"}, donate="x")
    with pytest.raises(ArgumentError, match="C-contiguous"):
        kernel(np.asfortranarray(np.ones((2, 3))))


def test_shared_memory() -> None:
    kernel, memory = addition(), np.arange(5.0)
    for x, y in ((memory[:3], memory[:3]), (memory[:3], memory[2:]), (memory[2:], memory[:3])):
        for call in (kernel, kernel.bind):
            with pytest.raises(ArgumentError, match=r"x: is donated, .* y shares it"):
                call(x, y)
    many = sd.compile("x + y", donate="x")
    with pytest.raises(ArgumentError, match="shares it"):
        many(memory, memory)
    swap = sd.compile(lambda x, y: (y, x), args={"x": "f64[3]", "y": "f64[3]"}, donate=[0, 1])
    with pytest.raises(ArgumentError, match="shares it"):
        swap(memory[:3], memory[1:4])
    assert memory.tolist() == [0, 1, 2, 3, 4]


def test_others_may_share_memory() -> None:
    kernel = sd.compile(lambda x, y, z: x + y * z, donate="x")
    x, y = np.ones(3), np.arange(3.0)
    assert kernel(x, y, y) is x
    assert x.tolist() == [1, 2, 5]


def test_views_and_subclasses() -> None:
    memory = np.zeros((4, 3))
    view = memory[1]
    assert addition()(view, np.ones(3)) is view
    assert memory.sum() == 3

    class Own(np.ndarray):
        pass

    own = np.zeros(3).view(Own)
    assert addition()(own, np.ones(3)) is own
    assert own.tolist() == [1, 1, 1]


def test_out_is_refused() -> None:
    with pytest.raises(ArgumentError, match="out= is not for kernels with donated"):
        addition()(np.ones(3), np.ones(3), out=np.ones(3))
    with pytest.raises(ArgumentError, match="out= is not for kernels with donated"):
        addition().bind(np.ones(3), np.ones(3), out=np.ones(3))


def test_by_name() -> None:
    x = np.ones(3)
    assert addition()(y=np.ones(3), x=x) is x
    bound = addition().bind(y=np.ones(3), x=x)
    assert bound() is x
    assert x.tolist() == [3, 3, 3]
    assert bound.args[0] is x


# Numbers.


@pytest.mark.parametrize(
    "source",
    ["t + 1, t*w", lambda t, w: (t + 1, w * t), lambda t, w: (t + 1, np.ones(3)[0] * t * w)],
)
def test_numbers(source: Any) -> None:
    kernel = sd.compile(source, args={"t": "f64", "w": "f64"}, donate="t")
    assert kernel(2.0, 3.0) == (3.0, 6.0)
    assert kernel(2, np.float64(3.0)) == (3.0, 6.0)
    t = np.array(2.0)
    results = kernel(t, 3.0)
    assert results[0] is t
    assert (float(t), results[1]) == (3.0, 6.0)
    bound = kernel.bind(t, 3.0)
    assert bound()[0] is t
    assert float(t) == 4.0
    bound = kernel.bind(2.0, 3.0)  # by value: args has the memory
    for _ in range(3):
        bound()
    assert float(bound.args[0]) == 5.0
    assert bound.out[0] is bound.args[0]


def test_whole_numbers() -> None:
    kernel = sd.compile(lambda n, x: (n + 1, x[n]), args={"n": "i64", "x": "f64[3]"}, donate="n")
    assert kernel(1, [4.0, 5.0, 6.0]) == (2, 5.0)
    n = np.array(1)
    assert kernel(n, [4.0, 5.0, 6.0])[0] is n
    assert int(n) == 2


def test_numbers_in_loops_with_arrays() -> None:
    kernel = sd.compile(
        lambda t, x: (t + np.sum(x), x * t), args={"t": "f64", "x": "f64[3]"}, donate=["t", "x"]
    )
    x = np.ones(3)
    t, result = kernel(2.0, x)
    assert t == 5.0
    assert result is x
    t, _ = kernel(np.float64(2.0), x)
    assert isinstance(t, float)
    assert (t, x.tolist()) == (8.0, [4, 4, 4])


# Batches.


@pytest.mark.parametrize("count", [1, 5, 30])
def test_points_of_a_formula(count: int) -> None:
    kernel = sd.compile("x - 0.5*y, x*y", donate="x")
    x, y = np.arange(float(count)), np.ones(count)
    expected = x - 0.5, x.copy()
    results = kernel(x, y)
    assert results[0] is x
    assert_array_equal(x, expected[0])
    assert_array_equal(results[1], expected[1])
    kernel.bind(x, y)()
    assert_array_equal(x, expected[0] - 0.5)
    assert kernel(x, 1.0)[0] is x


def test_a_batch_needs_memory_for_each_point() -> None:
    kernel = sd.compile("x - 0.5*y", donate="x")
    for call in (kernel, kernel.bind):
        with pytest.raises(ArgumentError, match=r"each point of the batch \(4,\)"):
            call(np.array(1.0), np.ones(4))
        with pytest.raises(ArgumentError, match=r"expected an array of shape \(2, 4\), got \(4,\)"):
            call(np.ones(4), np.ones((2, 1)))
    with pytest.raises(ArgumentError, match=r"batch \(4,\)"):
        kernel(1.0, np.ones(4))


def test_a_batch_of_arrays() -> None:
    kernel = addition()
    x, y = np.zeros((2, 5, 3)), np.arange(3.0)
    assert kernel(x, y) is x
    assert_array_equal(x, np.broadcast_to(y, (2, 5, 3)))
    bound = kernel.bind(x, y)
    assert bound() is x
    assert_array_equal(x, np.broadcast_to(2 * y, (2, 5, 3)))


def test_a_batch_that_looks_up_elements_is_refused() -> None:
    def step(table: Any, row: Any) -> Any:
        return sd.numpy.put(table, row, 0.0)

    kernel = sd.compile(step, args={"table": "f64[4]", "row": "i64"}, donate="table")
    tables_, rows = np.ones((3, 4)), np.array([0, 1, 4])
    for call in (kernel, kernel.bind):
        with pytest.raises(UnsupportedError, match=r"symdiff\.vmap"):
            call(tables_, rows)
    mapped = sd.compile(sd.vmap(step), donate="table")
    with pytest.raises(sd.SymdiffError, match="out of range"):
        mapped(tables_, rows)
    assert (tables_ == 1).all()
    assert mapped(tables_, np.array([0, 1, 3])) is tables_
    assert tables_.tolist() == [[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 1, 0]]


# Kernels.


def test_pickling() -> None:
    kernel = pickle.loads(pickle.dumps(sd.compile("x + y", donate="x")))
    x = np.zeros(3)
    assert kernel(x, 1.0 + np.zeros(3)) is x
    assert x.tolist() == [1, 1, 1]


def test_the_disk_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMDIFF_CACHE_DIR", str(tmp_path))

    def make(donate: Any) -> Any:
        source = sd.function(lambda x, y: (y + x, x - y), args={"x": "f64[3]", "y": "f64[3]"})
        return sd.compile(source, donate=donate)

    assert cache.enabled()
    for _ in range(2):  # the second time from disk
        for donate in (None, "x", "y", ["x", "y"]):
            x, y = np.ones(3), np.full(3, 4.0)
            results = make(donate)(x, y)
            assert [r.tolist() for r in results] == [[5] * 3, [-3] * 3]
            taken = [a for name, a in (("x", x), ("y", y)) if name in (donate or [])]
            assert [any(r is a for r in results) for a in taken] == [True] * len(taken)


def test_costs_are_those_of_the_function() -> None:
    assert (
        addition().cost()
        == sd.compile(lambda x, y: x + y, args={"x": "f64[3]", "y": "f64[3]"}).cost()
    )


def test_a_transformed_function() -> None:
    moved = sd.compile(sd.value_and_grad(lambda x: np.sum(x**2)), donate="x")
    x = np.arange(3.0)
    value, result = moved(x)
    assert result is x
    assert (value, x.tolist()) == (5.0, [0, 2, 4])
