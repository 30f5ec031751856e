"""SymPy expressions: what each node becomes, and what is refused by name."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from importlib import import_module
from typing import Any, cast

import numpy as np
import pytest

import symdiff as sd
from symdiff.errors import ParseError, UnsupportedError
from symdiff.ir import BOOL, F32, F64, interpret, print_function, verify
from symdiff.parser.sympy import is_sympy, parse_sympy

approx = cast("Any", pytest.approx)  # pyright: ignore[reportUnknownMemberType]
S: Any = import_module("sympy")
x, y, z, i, j = S.symbols("x y z i j")


def at(expr: Any, **point: float) -> float:
    """The value of `expr` where its symbols are as given."""
    fn = parse_sympy(expr)
    verify(fn)
    (value,) = interpret(fn, [point[name] for name in fn.param_names])
    return float(value)


def body(expr: Any) -> str:
    """The operations of `expr`, in order."""
    fn = parse_sympy(expr)
    return " ".join(v.op.name for v in fn.live() if v.op.name not in ("param", "const"))


EXPRESSIONS = [
    x + y, x - y, x * y, x / y, -x, x**y, x**3, x**-2, 1 / x, y - x, -x - y, 2 * x - 3 * y + 1,
    S.Rational(2, 3) * x, x / 7 - y / 2, -x / y**2 / S.sqrt(x), S.sqrt(x), 1 / S.sqrt(x), x**0.3,
    x ** S.Rational(1, 3), x ** (-y), 2**x, S.exp(x), S.exp(-x) * y, S.log(x), S.log(x, 3),
    S.Abs(-x), S.sign(x - y), S.Min(x, y, 1), S.Max(x, y, S.Rational(1, 2)), S.floor(5 * x),
    S.ceiling(5 * x), S.frac(5 * x), S.Mod(5 * x, y), S.Mod(-5 * x, y),
    S.sin(x), S.cos(x), S.tan(x), S.sec(x), S.csc(x), S.cot(x), S.asin(x / 2), S.acos(x / 2),
    S.atan(x), S.acot(x), S.asec(x + 1), S.acsc(x + 1), S.atan2(y, x), S.sinh(x), S.cosh(x),
    S.tanh(x), S.sech(x), S.csch(x), S.coth(x), S.asinh(x), S.acosh(x + 1), S.atanh(x / 2),
    S.acoth(x + 1), S.asech(x / 2), S.acsch(x), S.sinc(x), S.sinc(5 * x),
    S.erf(x), S.erfc(x), S.gamma(x), S.loggamma(x), S.digamma(x), S.trigamma(x), S.polygamma(3, x),
    S.beta(x, y), S.factorial(x), S.Heaviside(x - y), S.Heaviside(x - x + 0.0 * y, 1),
    S.pi * x, S.E + x, S.GoldenRatio * S.EulerGamma * x, S.Catalan + S.TribonacciConstant * x,
    S.Piecewise((x, x < y), (y, True)), S.Piecewise((x, x > 5), (y, x > 4), (x * y, True)),
    S.Piecewise((1, S.And(x > 0, S.Not(y > 3))), (2, S.Or(x > 1, S.Eq(y, 1))), (3, True)),
    S.Piecewise((1, S.Xor(x > 0, y > 0, x > y)), (2, True)),
    S.Piecewise((1, S.ITE(x > 0, y > 1, y < 1)), (2, S.Ne(x, y)), (3, True)),
    S.Piecewise((1, x >= y), (2, x <= y), (3, True)),
    S.Sum(x**i, (i, 0, 5)), S.Sum(i * j * x, (j, 1, i), (i, 1, 4)), S.Product(x + i, (i, 1, 4)),
    S.UnevaluatedExpr(x) + y,
]  # fmt: skip


@pytest.mark.parametrize("expr", EXPRESSIONS, ids=str)
def test_values_agree_with_sympy(expr: Any) -> None:
    point = {"x": 0.734375, "y": 1.359375}
    symbols = {S.Symbol(name): S.Rational(value) for name, value in point.items()}
    expected = float(S.N(expr.doit().subs(symbols), 30))
    assert at(expr, **point) == approx(expected, rel=1e-13)


@pytest.mark.parametrize(
    ("expr", "operations"),
    [
        (x / y, "div"),
        (1 / x, "div"),
        (x - y, "sub"),
        (y - x, "sub"),
        (-x - y, "neg sub"),
        (-2 * x, "mul"),
        (x / 3, "div"),
        (x / 2, "mul"),
        (S.Rational(2, 3) * x, "mul div"),
        (-x / y, "div neg"),
        (x / (y * z), "mul div"),
        (S.sqrt(x), "sqrt"),
        (1 / S.sqrt(x), "sqrt div"),
        (x**2, "pow"),
        (S.Pow(S.E, x, evaluate=False), "exp"),
        (S.Piecewise((x, x > 0), (y, True)), "lt where"),
    ],
    ids=str,
)
def test_nothing_is_computed_that_need_not_be(expr: Any, operations: str) -> None:
    assert body(expr) == operations


@pytest.mark.parametrize(
    ("number", "double"),
    [
        (S.Integer(2**53 + 1), 2.0**53),
        (-(S.Integer(10) ** 23), -1e23),
        (S.Integer(10) ** 400, math.inf),
        (S.Rational(1, 3), 1 / 3),
        (-S.Rational(10**40, 3), -(10**40) / 3),
        (S.Rational(1, 10**320), 1e-320),
        (S.Rational(-(10**400), 3), -math.inf),
        (S.Float("0.1"), 0.1),
        (S.Float("0.1", 50), 0.1),
        # Just above the middle of 1 and the next double, and that middle itself.
        (S.Float("1.00000000000000011102230246251565404236316680908203126", 60), 1 + 2**-52),
        (S.Float("1.00000000000000011102230246251565404236316680908203125", 60), 1.0),
        (S.Float("1e-320", 40), 1e-320),
        (S.Float("1e400", 20), math.inf),
        (S.Float("-1e100000"), -math.inf),
        (S.Float("1e-100000"), 0.0),
        (S.pi, math.pi),
        (S.E, math.e),
        (S.GoldenRatio, 1.618033988749895),
        (S.EulerGamma, np.euler_gamma),
        (S.Catalan, 0.915965594177219),
        (S.oo, math.inf),
        (-S.oo, -math.inf),
    ],
    ids=lambda p: str(p)[:30],
)
def test_numbers_are_rounded_once(number: Any, double: float) -> None:
    literal = parse_sympy(number).outputs[0].literal
    assert literal is not None
    assert literal.scalar == double


def test_a_rational_coefficient_is_not_rounded() -> None:
    # 0.1 * x with 0.1 rounded first is off by one bit at x = 3.
    assert at(x / 10, x=3.0) == 0.3
    assert at(S.Rational(3, 10) * x, x=1.0) == 0.3


def test_parameters_are_the_symbols_in_order_of_their_names() -> None:
    assert parse_sympy(z * x + y).param_names == ("x", "y", "z")


def test_args_fix_order_and_types() -> None:
    fn = parse_sympy(x * y, {"y": F32, "unused": F32, "x": F32})
    assert fn.param_names == ("y", "unused", "x")
    assert str(fn.outputs[0].type) == "f32"
    mixed = parse_sympy(S.Piecewise((x, S.Symbol("b")), (y, True)), {"b": BOOL, "x": F64, "y": F32})
    verify(mixed)
    assert interpret(mixed, [True, 2.0, 3.0]) == [2.0]
    assert interpret(mixed, [False, 2.0, 3.0]) == [3.0]


def test_a_symbol_that_is_not_among_args_is_named() -> None:
    with pytest.raises(ParseError, match="'y' is not among the parameters: x"):
        parse_sympy(x * y, {"x": F64})


def test_a_lambda_has_its_own_order() -> None:
    fn = parse_sympy(S.Lambda((y, x), x - y), name="g")
    assert fn.name == "g"
    assert fn.param_names == ("y", "x")
    assert interpret(fn, [1.0, 3.0]) == [2.0]
    with pytest.raises(ParseError, match="'z' is not among"):
        parse_sympy(S.Lambda((x,), x * z))
    with pytest.raises(ParseError, match="the Lambda's parameters are x"):
        parse_sympy(S.Lambda((x,), x), {"y": F64})


@pytest.mark.parametrize(
    "several", [[x, x * y, 2], (x, x * y, 2), S.Tuple(x, x * y, 2), S.Lambda((x, y), (x, x * y, 2))]
)
def test_several_expressions_give_several_outputs(several: Any) -> None:
    fn = parse_sympy(several)
    verify(fn)
    assert "-> (value_0, value_1, value_2)" in print_function(fn)
    assert interpret(fn, [3.0, 5.0]) == [3.0, 15.0, 2.0]


def test_two_symbols_of_one_name_are_told_apart() -> None:
    with pytest.raises(UnsupportedError, match=r"called 'x', Symbol\('x'\) and .*real=True"):
        parse_sympy(x + S.sin(S.Symbol("x", real=True)))


ODD = [
    "x y", r"\theta_{1}", r"\theta_{1,2}", "x}", "a{b}", "f(t)", "a\tb", " x ", "a\u2028b", '"',
    "'", "0", "", "a, b", "%x", "a\\",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_symbols_may_have_any_name(name: str) -> None:
    symbol = S.Symbol(name)
    fn = sd.value_and_grad(S.sin(symbol) * y, args=["y", name])
    assert fn.parameters == ("y", name)
    again = pickle.loads(pickle.dumps(fn))
    assert (str(again), again.parameters) == (str(fn), fn.parameters)
    kernel = sd.compile(fn)
    same = pickle.loads(pickle.dumps(kernel))
    assert same(2.0, 0.5) == kernel(2.0, 0.5) == kernel(y=2.0, **{name: 0.5})
    for text in (kernel.c_source, kernel.numpy_source, kernel.llvm_ir, kernel.ir, fn.latex()):
        assert text
    assert fn.graph()
    assert fn.assignments()
    with pytest.raises(ParseError):
        sd.function(fn.formula())


def test_infinite_and_nan_constants_do_not_read_back() -> None:
    """They are marked in the text: a bare nan would be a parameter."""
    for other, mark in (((), "<nan>"), ((S.oo, True), "<inf>"), ((-S.oo, True), "-<inf>")):
        text = sd.function(S.Piecewise((x, x > 0), *([other] if other else []))).formula()
        assert text == f"where(0 < x, x, {mark})"
        with pytest.raises(ParseError):
            sd.function(text)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("pi", "<pi>"), ("and", "<and>"), ("True", "<True>"), ("x y", "<x y>"), ("a\nb", r"<a\nb>"),
        ("\u210e", "<\u210e>"), ("x" * 300, f"<{'x' * 300}>"), ("x\u0302", "<x\u0302>"),
        ("lambda", "lambda"), ("nan", "nan"), ("inf", "inf"), ("for", "for"), ("t1", "t1"),
        ("\u03b8", "\u03b8"),
    ],
)  # fmt: skip
def test_formulas_show_names_that_text_cannot_spell(name: str, shown: str) -> None:
    text = sd.function(2 * S.Symbol(name)).formula()
    assert text == f"2 * {shown}"
    if shown == name:
        assert sd.function(text).parameters == (name,)
    else:
        with pytest.raises(ParseError):
            sd.function(text)


A = S.MatrixSymbol("A", 2, 2)
f = S.Function("f")


class gamma(S.Function):  # noqa: N801
    """A function of the user's that happens to bear the name of one of SymPy's."""


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        (x + S.I, "ImaginaryUnit is not supported here: I; symdiff works with real"),
        (S.nan, "NaN"),
        (S.zoo, "ComplexInfinity"),
        (S.Derivative(f(x), x), r"Derivative.*\.doit\(\)"),
        (1 + S.Integral(S.exp(x**x), x), r"Integral is not supported here: Integral\(exp\(x\*\*x"),
        (S.Limit(x, x, 0), "Limit"),
        (f(x) + 1, r"f\(x\); give the function a definition"),
        (S.Function("gamma")(x), "give the function a definition"),
        (gamma(x), r"gamma is not supported here: gamma\(x\)"),
        (S.LambertW(x), r"LambertW\(x\)"),
        (S.KroneckerProduct(A, A), "as_explicit"),
        (S.polygamma(y, x), "constant whole number"),
        (S.Sum(x**i, (i, 0, S.oo)), r"range 0\.\.oo"),
        (S.Sum(x**i, (i, 0, y)), r"range 0\.\.y"),
        (S.sin, "sin is a class of SymPy"),
        ([], "empty list"),
        ([[x]], "not a SymPy expression: list"),
        (S.Tuple(S.Tuple(x)), "give one list"),
        (["x", x], "not a SymPy expression: str"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_supported_is_named(expr: Any, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        parse_sympy(expr)


def test_no_default_gives_nan() -> None:
    expr = S.Piecewise((x, x > 0))
    assert at(expr, x=2.0) == 2.0
    assert math.isnan(at(expr, x=-2.0))


def test_conditions_are_outputs_too() -> None:
    fn = parse_sympy([x > y, S.true, S.Eq(x, y)])
    assert [o.type for o in fn.outputs] == [BOOL] * 3
    assert interpret(fn, [2.0, 1.0]) == [True, True, False]


def test_more_conditions_than_the_table_lists() -> None:
    many = S.And(*[x > k for k in range(100)], evaluate=False)
    assert interpret(parse_sympy(many), [200.0]) == [True]
    assert interpret(parse_sympy(many), [50.0]) == [False]


def test_sinc_is_exact_near_zero() -> None:
    assert at(S.sinc(x), x=0.0) == 1.0
    points = np.array([1e-8, 1e-3, 0.5, 0.999, 1.0, 3.0])
    (values,) = interpret(parse_sympy(S.sinc(x)), [points])
    np.testing.assert_allclose(values, np.sin(points) / points, rtol=1e-15)


def test_empty_ranges() -> None:
    assert at(S.Sum(i, (i, 1, 0))) == 0.0
    assert at(S.Product(i, (i, 1, 0))) == 1.0


def test_shared_parts_are_computed_once() -> None:
    part = S.sin(x * y)
    assert body(part**2 + S.exp(part)).split().count("sin") == 1


def test_depth_is_limited_by_memory_alone() -> None:
    deep = x
    for k in range(50_000):
        deep = S.sin(deep, evaluate=False) if k % 2 else S.Add(deep, y, evaluate=False)
    assert len(parse_sympy(deep).live()) == 50_002


def test_long_sums_and_products() -> None:
    terms = [S.Symbol(f"x{k}") for k in range(3000)]
    ones = [1.0] * 3000
    assert interpret(parse_sympy(S.Add(*terms)), ones) == [3000.0]
    assert interpret(parse_sympy(S.Mul(*terms)), ones) == [1.0]


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        (x, True), (S.pi, True), (x > 1, True), ([x, 1], True), ((x, x), True),
        (S.Matrix([x]), True), (S.Lambda((x,), x), True), (f(x), True), (gamma(x), True),
        ("x", False), (1.0, False), ([1, 2], False), ([], False), ([x, "x"], False), (abs, False),
    ],
    ids=str,
)  # fmt: skip
def test_is_sympy(source: Any, answer: bool) -> None:
    assert is_sympy(source) is answer


def test_sympy_is_loaded_when_needed() -> None:
    program = """if True:
        import sys
        from symdiff.parser.sympy import is_sympy
        assert not is_sympy("x") and not is_sympy([1, 2])
        assert "sympy" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", program], check=True)
