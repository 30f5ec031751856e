"""Vector functions: accuracy, C's special values, and lanes that know nothing of each other."""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import re
import struct
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from vector_math_accuracy import MACHINE, Applied, Points, error, exact, measured

import symdiff as sd
from symdiff.codegen import layout, lower
from symdiff.codegen.vector_math import FUNCTIONS, PORTABLE, Machine, function
from symdiff.codegen.vectors import VectorMath
from symdiff.runtime.engine import assembly, binding

# The largest errors that are allowed, in units in the last place; 2 for all others.
BOUNDS: dict[str, float] = dict.fromkeys(
    ("exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "sincos"), 1.0
)
WIDTHS = (1, 2, 8, 16)
MACHINES = tuple({MACHINE: 0, Machine(MACHINE.fused): 0, PORTABLE: 0})

every_function = pytest.mark.parametrize("name", FUNCTIONS)
applied = cache(Applied)


def bound(name: str) -> float:
    return BOUNDS.get(name, 2.0)


def bits(results: tuple[Any, ...]) -> list[Any]:
    """The results as integers, all NaNs alike."""
    return [np.where(np.isnan(y), np.nan, y).view(np.int64) for y in results]


@every_function
def test_accuracy(name: str) -> None:
    found = measured(name, applied(name, 8, MACHINE), Points(60).of(name))
    assert found.error <= bound(name), found


@pytest.mark.skipif(
    not binding().get_process_triple().startswith("x86_64"), reason="x86's oldest processors"
)
@every_function
def test_accuracy_without_multiply_add(name: str) -> None:
    """Where products are rounded before they are added to, errors may be a little larger."""
    old = applied(name, 2, PORTABLE, cpu="x86-64")
    assert "fma" not in " ".join(old.text.split("@llvm.fmuladd"))
    found = measured(name, old, Points(40).of(name))
    assert found.error <= bound(name) + 0.5, found


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES, ids=str)
@every_function
def test_accuracy_at_many_points(name: str, machine: Machine) -> None:
    found = measured(name, applied(name, 8, machine), Points(4000, seed=7).of(name))
    assert found.error <= bound(name), found


@every_function
def test_bits_are_those_of_any_number_of_lanes(name: str) -> None:
    """On one machine, whatever of it is used."""
    operands = Points(100, seed=3).of(name)
    operands = [np.concatenate([x, np.resize(SPECIAL, 100)]) for x in operands]
    expected = bits(applied(name, 1, MACHINE)(*operands))
    for lanes in WIDTHS:
        for machine in (MACHINE, Machine(MACHINE.fused)):
            assert_array_equal(bits(applied(name, lanes, machine)(*operands)), expected)


@every_function
def test_bits_do_not_depend_on_neighbours(name: str) -> None:
    """Beside numbers that take the slow way, or in another lane, a number gives the same bits."""
    function = applied(name, 8, MACHINE)
    operands = [x[:96] for x in Points(24, seed=5).of(name)]
    expected = bits(function(*operands))
    for i in (0, 3):
        spread = [np.repeat(np.resize(SPECIAL, len(x)), 8) for x in operands]
        for x, alone in zip(spread, operands, strict=True):
            x[i::8] = alone
        assert_array_equal([y[i::8] for y in bits(function(*spread))], expected)


# Special values.


def from_bits(pattern: int) -> float:
    return struct.unpack("<d", struct.pack("<Q", pattern))[0]


SPECIAL = [
    0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, -1.5,
    # NaNs with other bits, one of them signalling.
    from_bits(0x7FF800000000DEAD), from_bits(0xFFF8000000000FFF), from_bits(0x7FF0000000000001),
    # Subnormal numbers, their border, the largest number.
    5e-324, -5e-324, 1e-310, -1e-310, 2.0**-1022, -(2.0**-1022), 1.7976931348623157e308,
    -1.7976931348623157e308,
    # Where exp overflows and underflows, and where it becomes subnormal.
    709.782712893384, 709.7827128933841, 710.5, 745.0, -708.4, -709.0, -745.1332191019411,
    -745.1332191019412, -746.0, 1023.9, 1024.0, -1022.0, -1074.0, -1074.9, -1075.0, -1075.1,
    # Where sin and the like take the slow way.
    2.0**20, -(2.0**20), 1e17, -1e17, 1e300, -1e300, 2.0**1023,
    1e-17, -1e-17, 1 - 2.0**-53, 1 + 2.0**-52, -1 + 2.0**-53, 19.0, -19.0, 40.0, -40.0,
]  # fmt: skip


@cache
def library() -> ctypes.CDLL:
    return ctypes.CDLL(ctypes.util.find_library("m"))


def libm(name: str, *operands: float) -> float:
    found = getattr(library(), name)
    found.restype, found.argtypes = ctypes.c_double, [ctypes.c_double] * len(operands)
    return found(*operands)


@every_function
def test_special_values_are_those_of_C(name: str) -> None:
    """The same signs of zeros, infinities and NaNs, and finite numbers to a few units."""
    points = [(x,) for x in SPECIAL]
    if FUNCTIONS[name].arity == 2:
        points = [(x, y) for x in SPECIAL for y in SPECIAL]
    operands = [np.asarray(x) for x in zip(*points, strict=True)]
    meanings = ("sin", "cos") if name == "sincos" else (name,)
    expected = [np.asarray([libm(m, *point) for point in points]) for m in meanings]
    for machine, lanes in product(MACHINES, (1, 8)):
        for y, right in zip(applied(name, lanes, machine)(*operands), expected, strict=True):
            assert_array_equal(np.isnan(y), np.isnan(right))
            assert_array_equal(np.isinf(y), np.isinf(right))
            assert_array_equal(y == 0, right == 0)
            assert_array_equal(np.copysign(1, y)[y == 0], np.copysign(1, right)[y == 0])
            assert_allclose(y, right, rtol=1e-15, atol=5e-324)


# Zeros are special values: mpmath does not know that they have signs.
anything = st.floats(allow_nan=False, allow_infinity=False).filter(bool)


@every_function
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_generated_points(name: str, data: st.DataObject) -> None:
    point = [data.draw(anything) for _ in range(FUNCTIONS[name].arity)]
    results = applied(name, 4, MACHINE)(*(np.asarray([x]) for x in point))
    meanings = ("sin", "cos") if name == "sincos" else (name,)
    for meaning, y in zip(meanings, results, strict=True):
        reference = libm(meaning, *point)
        if math.isfinite(reference):
            assert error(y[0].item(), exact(meaning, *point)) <= bound(name)
        else:
            assert_array_equal(y[0], reference)


@settings(deadline=None)
@given(st.integers(-1074, 1023))
@example(0)
def test_powers_of_two_are_exact(n: int) -> None:
    x = math.ldexp(1.0, n)
    assert applied("exp2", 8, MACHINE)(np.asarray([float(n)]))[0][0] == x
    assert applied("log2", 8, MACHINE)(np.asarray([x]))[0][0] == n


def test_sincos_gives_the_bits_of_sin_and_cos() -> None:
    (x,) = Points(100).of("sincos")
    x = np.concatenate([x, SPECIAL])
    alone = (applied("sin", 8, MACHINE)(x)[0], applied("cos", 8, MACHINE)(x)[0])
    assert_array_equal(bits(applied("sincos", 8, MACHINE)(x)), bits(alone))


# float32.


@every_function
def test_float32_is_rounded_from_doubles(name: str) -> None:
    rng = np.random.default_rng(1)
    low, high = (0.01, 1.0) if name.startswith(("log", "pow", "a")) else (-3.0, 3.0)
    shape = FUNCTIONS[name]
    operands = [rng.uniform(low, high, 100).astype(np.float32) for _ in range(shape.arity)]
    wide = applied(name, 8, MACHINE)(*(x.astype(np.float64) for x in operands))
    narrow = applied(name, 8, MACHINE, "f32")(*operands)
    assert_array_equal(narrow, np.asarray(wide).astype(np.float32))


# The text.


@every_function
def test_text_has_one_name_per_lanes_and_type(name: str) -> None:
    symbols = {function(name, w, d).symbol for w in WIDTHS for d in ("f64", "f32")}
    assert len(symbols) == 2 * len(WIDTHS)
    assert function(name, 8).symbol in symbols
    assert f"@{function(name, 8).symbol}(" in function(name, 8).text


@pytest.mark.parametrize("target", ["aarch64-linux-gnu", "wasm32-unknown", "riscv64-linux-gnu"])
def test_kernels_are_portable(target: str) -> None:
    for name in ("exp", "sincos", "pow"):
        assert assembly(applied(name, 2, PORTABLE).text, target)


@every_function
def test_a_loop_calls_nothing_but_what_rare_operands_need(name: str) -> None:
    ours = applied(name, 8, MACHINE)
    text = assembly(ours.text, loops=True)
    loop = text[text.index("\nover:") :].split("ret", 1)[0]
    calls = re.findall(r"\b(?:call|callq|bl)\s+(\S+)", loop)
    assert all(".cold" in symbol for symbol in calls), calls


# Loops that LLVM vectorises.


@pytest.mark.parametrize("name", ["exp", "log", "sin", "cos", "tanh"])
def test_loops_over_arrays_compute_with_them(name: str) -> None:
    """With their bits, which are not those of another library."""
    (x,) = Points(200).of(name)
    x = x[:512]
    kernel = sd.compile(lambda x: getattr(np, name)(x), args={"x": f"f64[{x.size}]"})
    assert_array_equal(bits((kernel(x),)), bits(applied(name, 8, MACHINE)(x)))


def test_loops_need_no_library_of_vector_functions() -> None:
    here = VectorMath(8, MACHINE)
    fn = sd.function(lambda x: np.sum(np.sin(x) * np.exp(x)), args={"x": "f64[64]"})
    text = lower(layout(fn.ir), ["c"], False, here)
    assert "_ZGV_LLVM_N8v_exp(symdiff.exp.v8)" in text
    code = assembly(text, loops=True)
    assert "_ZGVeN8v" not in code
    assert "symdiff.exp.v8:" not in code  # it was inlined, and what was not needed went
