"""C source compiles without a warning under strict flags and computes what the interpreter does."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from op_functions import ELEMENTWISE, NOT_IN_LIBM, ULPS, lowered, of_op, samples

from symdiff import ops
from symdiff.autodiff.transforms import gradient
from symdiff.codegen.texts import c_header, c_source
from symdiff.errors import UnsupportedError
from symdiff.ir import (
    BOOL,
    F64,
    Branch,
    DType,
    Function,
    Graph,
    Leaf,
    Op,
    Type,
    f32,
    f64,
    interpret,
)

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")

FLAGS = "-Wall -Wextra -Werror -pedantic -O1 -ffp-contract=off".split()  # noqa: SIM905
C_TYPES = {"f64": ctypes.c_double, "f32": ctypes.c_float, "bool": ctypes.c_ubyte}


def compile_c(fn: Function, folder: Path, standard: str = "c99") -> Any:
    """The function of the C source of `fn`, compiled and loaded."""
    source, library = folder / f"{fn.name}.c", folder / f"{fn.name}.so"
    source.write_text(c_source(fn), encoding="ascii")
    command = ["gcc", f"-std={standard}", *FLAGS, "-shared", "-fPIC", "-o", library, source, "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stderr}\n{source.read_text()}"
    symbol = next(line for line in c_source(fn).splitlines() if line.startswith("void "))
    return ctypes.CDLL(str(library))[symbol[len("void ") : symbol.index("(")]]


def call_c(compiled: Any, fn: Function, point: Sequence[Any]) -> list[float]:
    """What `compiled` writes for the numbers in `point`."""

    def cell(type: Type, number: Any) -> Any:
        return C_TYPES[type.dtype.name](number.item() if hasattr(number, "item") else number)

    inputs = [cell(p.type, x) for p, x in zip(fn.params, point, strict=True)]
    outputs = [cell(v.type, 0) for v in fn.outputs]
    compiled(*map(ctypes.byref, (*inputs, *outputs)))
    return [output.value for output in outputs]


def assert_agrees(fn: Function, args: Sequence[Any], folder: Path, ulps: int = 4) -> None:
    compiled = compile_c(fn, folder)
    expected = np.broadcast_arrays(*args, *interpret(fn, args))[len(args) :]
    got = [call_c(compiled, fn, point) for point in zip(*args, strict=True)]
    for output, column, wanted in zip(fn.outputs, zip(*got, strict=True), expected, strict=True):
        dtype: Any = output.type.dtype.numpy
        if output.type.dtype.kind == "f":
            np.testing.assert_array_max_ulp(np.array(column, dtype), wanted.astype(dtype), ulps)
        else:
            np.testing.assert_array_equal(np.array(column, dtype), wanted)


@pytest.mark.parametrize("dtype", [f64, f32], ids=str)
@pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)
def test_every_operation(op: Op, dtype: DType, tmp_path: Path) -> None:
    fn = lowered(of_op(op), dtype)
    if op.name in NOT_IN_LIBM:
        with pytest.raises(UnsupportedError, match="digamma has no counterpart in C's libm"):
            c_source(fn)
        return
    args = [a if a.dtype == bool else a.astype(dtype.numpy) for a in samples(op)]
    assert_agrees(fn, args, tmp_path, ULPS.get(op.name, 4))


def test_value_and_gradient(tmp_path: Path) -> None:
    graph = Graph()
    x, y = graph.param("x", F64), graph.param("y", F64)
    z = ops.max(ops.mul(x, ops.sin(y)), ops.tanh(ops.sub(x, ops.cos(y))))
    fn = lowered(gradient(Function("f", (x, y), (z,)), [0, 1], False, with_value=True))
    rng = np.random.default_rng(1)
    assert_agrees(fn, [rng.normal(size=50), rng.normal(size=50)], tmp_path)
    assert "void f_value_and_grad(" in c_source(fn)
    assert "double *value" in c_source(fn)
    assert "double *d_x" in c_source(fn)


def test_source_is_readable() -> None:
    graph = Graph()
    x, y = graph.param("x", F64), graph.param("y", F64)
    assert c_source(Function("f", (x, y), (ops.exp(ops.add(x, y)),))) == (
        "/* f: writes value given x, y.\n"
        " * Written by symdiff; link with -lm. */\n"
        "#include <math.h>\n"
        "\n"
        "void f(const double *x, const double *y, double *value)\n"
        "{\n"
        "    const double t1 = *x + *y;\n"
        "    const double t2 = exp(t1);\n"
        "\n"
        "    *value = t2;\n"
        "}\n"
    )


@pytest.mark.parametrize("op", [ops.min, ops.max], ids=lambda op: op.name)
def test_extrema_propagate_nans_from_either_side(op: Op, tmp_path: Path) -> None:
    nan, inf = np.nan, np.inf
    args = [np.array([nan, 1, nan, 2, 3, -inf, nan]), np.array([1, nan, nan, 3, 2, inf, inf])]
    assert_agrees(lowered(of_op(op)), args, tmp_path)
    graph = Graph()
    x = graph.param("x", F64)
    both = Function("ends", (x,), (op(x, 0.5), op(0.5, x)), Branch((Leaf("a"), Leaf("b"))))
    assert_agrees(lowered(both), args[:1], tmp_path)


NUMBERS = [
    0.0,
    -0.0,
    1.0,
    -2.0,
    0.1,
    1e-5,
    1e22,
    5e-324,
    1.7976931348623157e308,
    np.pi,
    np.inf,
    -np.inf,
    np.nan,
    3.4e38,
    1e-45,
]


@pytest.mark.parametrize("dtype", [f64, f32], ids=str)
def test_constants_are_exact(dtype: DType, tmp_path: Path) -> None:
    graph = Graph()
    x = graph.param("x", Type(dtype))
    with np.errstate(over="ignore", under="ignore"):
        outputs = tuple(graph.const(c, Type(dtype)) for c in NUMBERS)
        wanted = np.array(NUMBERS).astype(dtype.numpy)
    tree = Branch(tuple(Leaf(f"c{i}") for i in range(len(NUMBERS))))
    operands = tuple(ops.sub(x, ops.neg(c)) for c in outputs)
    fn = Function("constants", (x,), outputs, tree)
    got = np.array(call_c(compile_c(fn, tmp_path), fn, [0.0]), dtype.numpy)
    np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(wanted))
    compile_c(Function("operands", (x,), operands, tree), tmp_path)


NAMES = [
    "double", "lambda", "class", "sin", "sinf", "NAN", "isnan", "M_PI", "t1", "t2", "value",
    "value_", "d_x", "α", "Ω", "é", "e", "x′", "变", "f", "_x", "__linux__", "linux", "y0", "1a",
    "a b", "gamma", "main", "", "*/", "/*", "??/", "x\\", "signbit", "exp", "new", "v", "INFINITY",
]  # fmt: skip


@pytest.mark.parametrize("standard", ["c99", "gnu99", "gnu17"])
@pytest.mark.parametrize("name", ["f", "sin", "gamma", "main", "double", "t1", "exp", "δ f", "_"])
def test_any_name_can_be_a_parameter(name: str, standard: str, tmp_path: Path) -> None:
    graph = Graph()
    params = tuple(graph.param(n, F64) for n in NAMES)
    total = ops.sin(ops.exp(params[0]))
    for p in params[1:]:
        total = ops.add(total, p)
    fn = Function(name, params, (total, params[3]), Branch((Leaf("value"), Leaf("d_x"))))
    point = list(np.random.default_rng(2).normal(size=len(params)))
    got = call_c(compile_c(fn, tmp_path, standard), fn, point)
    np.testing.assert_array_max_ulp(got, interpret(fn, point), 4)


def test_outputs_may_overwrite_inputs(tmp_path: Path) -> None:
    graph = Graph()
    x, y = graph.param("x", F64), graph.param("y", F64)
    tree = Branch((Leaf("a"), Leaf("b"), Leaf("c")))
    fn = Function("swap", (x, y), (y, x, ops.sub(x, y)), tree)
    cells = [ctypes.c_double(3.0), ctypes.c_double(5.0), ctypes.c_double()]
    places = [ctypes.byref(c) for c in cells]
    compile_c(fn, tmp_path)(*places[:2], *places)
    assert [c.value for c in cells] == [5.0, 3.0, -2.0]


def test_booleans_in_and_out(tmp_path: Path) -> None:
    graph = Graph()
    p, q, x = graph.param("p", BOOL), graph.param("q", BOOL), graph.param("x", F64)
    logic = ops.or_(ops.and_(p, ops.not_(q)), ops.ne(p, q))
    number = ops.convert(ops.lt(x, 0.0), dtype="f64")
    outputs = (logic, ops.where(q, x, number), p, ops.convert(x, dtype="bool"))
    fn = Function("logic", (p, q, x), outputs, Branch(tuple(map(Leaf, "abcd"))))
    assert "unsigned char *a" in c_source(fn)
    args = [np.array(a) for a in ([0, 0, 1, 1], [0, 1, 0, 1])]
    assert_agrees(fn, [*(a.astype(bool) for a in args), np.array([-1.0, 2.0, 0.0, 3.0])], tmp_path)


def test_parameters_need_not_be_used(tmp_path: Path) -> None:
    graph = Graph()
    x = graph.param("x", F64)
    fn = Function("one", (x,), (graph.const(1.0, F64),))
    assert call_c(compile_c(fn, tmp_path), fn, [2.0]) == [1.0]


def test_header_is_included_from_c_and_cpp(tmp_path: Path) -> None:
    graph = Graph()
    x = graph.param("new", F64)
    fn = Function("f", (x,), (ops.sin(x),))
    (tmp_path / "f.h").write_text(c_header(fn))
    for compiler, suffix in (("gcc", "c"), ("g++", "cpp")):
        if shutil.which(compiler):
            user = tmp_path / f"user.{suffix}"
            user.write_text('#include "f.h"\n#include "f.h"\nvoid g(double *x) { f(x, x); }\n')
            subprocess.run([compiler, *FLAGS, "-c", "-o", tmp_path / "user.o", user], check=True)
