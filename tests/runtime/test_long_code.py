"""Straight-line code too long to be optimised: chunks, and calls of libm in groups."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import symdiff as sd
from symdiff import codegen, functions, ops, runtime
from symdiff.codegen import module
from symdiff.codegen.chunks import LANES, plan_chunks
from symdiff.ir import interpret
from symdiff.passes import groups
from symdiff.runtime import engine, memory

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.3, 1e-310, -1e-20, 1e3, -800.0, math.inf, -math.inf, math.nan]
UNARY = [
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "cbrt", "erf", "erfc",
    "sigmoid", "softplus",
]  # fmt: skip
BINARY = ["pow", "atan2", "hypot", "logaddexp"]


@pytest.fixture
def all_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code of any length is cut into chunks, and of two calls there are groups."""
    monkeypatch.setenv("SYMDIFF_CACHE", "0")  # its keys know nothing of what is changed here
    monkeypatch.setattr(module, "SMALL", 0)
    monkeypatch.setattr(groups, "LEAST", 2)


def assert_close(found: Any, expected: Any) -> None:
    for one, other in zip(found, expected, strict=True):
        scale = abs(other) if math.isfinite(other) else 0.0
        np.testing.assert_allclose(one, other, rtol=0, atol=16 * 2.3e-16 * scale + 5e-324)


def at_points(call: str, count: int) -> str:
    """`call` of each of the parameters x0, x1, ..., or of each with the next one."""
    names = [f"x{i}" for i in range(count)]
    if call in UNARY:
        return ", ".join(f"{call}({x})" for x in names)
    after = [*names[1:], names[0]]
    return ", ".join(f"{call}({x}, {y})" for x, y in zip(names, after, strict=True))


@pytest.mark.parametrize("name", UNARY + BINARY)
@pytest.mark.usefixtures("all_long")
def test_vector_functions_at_special_points(name: str) -> None:
    count = len(SPECIAL)  # which is not a multiple of the lanes
    fn = sd.function(at_points(name, count), [f"x{i}" for i in range(count)])
    with np.errstate(all="ignore"):
        expected = [float(v) for v in interpret(fn.ir, SPECIAL)]
    assert_close(sd.compile(fn, cache=False)(*SPECIAL), expected)


@pytest.mark.parametrize("count", [2, 3, 7, 8, 9, 17])
@pytest.mark.usefixtures("all_long")
def test_groups_of_every_length(count: int, rng: np.random.Generator) -> None:
    fn = sd.value_and_grad("*".join(f"(sin(x{i}) + tanh(x{i}*x0))" for i in range(count)))
    kernel = sd.compile(fn, cache=False)
    at = rng.uniform(0.5, 1.5, count).tolist()
    value, gradient = kernel(*at)
    expected = [float(v) for v in interpret(fn.ir, at)]
    np.testing.assert_allclose([value, *gradient], expected, rtol=1e-13)
    batch = kernel(*[[x, x, 1.0] for x in at])
    assert batch[0][1] == value
    assert [g[0] for g in batch[1]] == list(gradient)


@pytest.mark.usefixtures("all_long")
def test_operands_that_are_no_results_of_chunks() -> None:
    """Parameters, constants, one operand twice, results of groups; results that are outputs."""
    source = "sin(x), sin(y), sin(sin(x)), sin(sin(y)), pow(x, 1.5), pow(y, 1.5), pow(x, x), exp(x)"
    fn = sd.function(f"{source}, exp(x + y), exp(sin(x)), y")
    found = sd.compile(fn, cache=False)(0.75, 1.25)
    assert_close(found, [float(v) for v in interpret(fn.ir, [0.75, 1.25])])


@pytest.mark.usefixtures("all_long")
def test_code_without_vector_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """One number at a time, as for an object file that is linked with libm alone."""
    fn = sd.value_and_grad("sin(x)*sin(y)*tanh(x)*tanh(y)")
    fast = sd.compile(fn, cache=False)
    monkeypatch.setattr(runtime, "vector_variants", lambda: ())
    slow = sd.compile(fn, cache=False)
    assert "_ZGV" not in slow.llvm_ir
    value, gradient = slow(0.5, 1.5)
    np.testing.assert_allclose([value, *gradient], [*fast(0.5, 1.5)[0:1], *fast(0.5, 1.5)[1]])


@pytest.mark.usefixtures("all_long")
def test_slots_of_groups() -> None:
    """Side by side, each written once before it is read, and not shared while it is needed."""
    fn = functions.lowered(sd.value_and_grad("*".join(f"sin(x{i} + x0)" for i in range(11))).ir)
    plan = plan_chunks(fn, 3)
    (whole,) = [v for v in fn.live() if v.op is ops.map_points]
    points = plan.points[whole]
    assert (points.count, points.extent) == (11, 2 * LANES)
    places = {slot for _, slot in points.copied}
    places |= {plan.slots[a] for a in whole.args if a in plan.slots}
    assert set(range(points.operands, points.operands + points.extent)) <= places
    assert plan.slot_count >= points.results + 2 * points.extent


def test_chunks_read_and_write_once() -> None:
    """The text of long code: what crosses a border is loaded once a chunk, and stored once."""

    def instructions(n: int) -> float:
        source = "\n".join(["a = x", *(f"a = a*y + {i}.5*x" for i in range(n)), "a"])
        fn = functions.lowered(sd.value_and_grad(source).optimized())
        return codegen.lower(codegen.layout(fn), ("batch",)).count("\n") / len(fn.live())

    assert instructions(8000) <= 1.05 * instructions(2000)


def test_large_code_is_loaded_by_the_other_linker(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all that code refers to: Python, libm, vector functions, SciPy."""

    source = "*".join(f"(sin(x{i}) + exp(x{i}*y))" for i in range(9)) + "*digamma(y)"
    fn = sd.value_and_grad(source)
    at = [0.1 * (i + 1) for i in range(10)]
    expected = sd.compile(fn, cache=False)(*at)
    monkeypatch.setattr(memory, "available", lambda: False)  # symdiff's own linker
    monkeypatch.setattr(engine, "LARGE", 0)
    assert sd.compile(fn, cache=False)(*at) == expected
    monkeypatch.setattr(module, "SMALL", 0)
    value, gradient = sd.compile(fn, cache=False)(*at)
    np.testing.assert_allclose([value, *gradient], [expected[0], *expected[1]], rtol=1e-13)
