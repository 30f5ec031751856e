"""The text front end: what it reads, what it refuses and where, and how far it goes."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from symdiff.errors import ParseError, SymdiffError
from symdiff.ir import (
    BOOL,
    F32,
    F64,
    Branch,
    Call,
    Leaf,
    Type,
    i32,
    interpret,
    parse_type,
    print_function,
    verify,
)
from symdiff.parser.text import parse_text

POINT = {"x": 0.75, "y": -1.5, "z": 2.25}


def value(text: str, **at: float) -> Any:
    """The only output of `text` at POINT, or `at` where that is given."""
    fn = parse_text(text)
    verify(fn)
    (result,) = interpret(fn, [(at or POINT)[name] for name in fn.param_names])
    return result.item()


def body(text: str, **types: str) -> str:
    """The IR of `text` without its first and last line."""
    args = {name: parse_type(type) for name, type in types.items()}
    printed = print_function(parse_text(text, args or None))
    return "\n".join(line.strip() for line in printed.splitlines()[1:-1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1_000", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e-3", 1e-3),
        ("1.e2", 100.0),
        ("0x1F", 31.0),
        ("0b101", 5.0),
        ("0o17", 15.0),
        ("9007199254740993", 9007199254740992.0),
        ("123456789" * 30, float("123456789" * 30)),
        ("pi", math.pi),
        ("-x**2", -0.5625),
        ("2**-x", 2**-0.75),
        ("2^3^2", 512.0),
        ("-2**2", -4.0),
        ("2**-2**2", 0.0625),
        ("x - y - z", 0.0),
        ("z / x / 2", 1.5),
        ("y // z", -1.0),
        ("y % z", 0.75),
        ("- - + x", 0.75),
        ("x*-y", 1.125),
        ("0 < x < 1", True),
        ("0 < x < 1 < y", False),
        ("x != y == y", True),
        ("x >= y", True),
        ("not x < y", True),
        ("not x < y and y < x", True),
        ("x < y or y < x and z > 2", True),
        ("(x > 0) & (y > 0) | (z > 0)", True),
        ("~(x > 0)", False),
        ("x if x > y else y", 0.75),
        ("1 if x < 0 else 2 if y > 0 else 3", 3.0),
        ("1 if (2 if x > 0 else 3) > 2 else 4", 4.0),
        ("(x > 0) + True", 2.0),
        ("(x > 0) == (y < 0)", True),
        ("(x > 0 if y > 0 else z > 0) and True", True),
        ("where(x > 0, x, 1)", 0.75),
        ("Piecewise((1, x < 0), (2, x < 0.5), (3, True))", 3.0),
        ("Piecewise((1, x > 0))", 1.0),
        ("Max(x, y, z) + min(x, y)", 0.75),
        ("And(x > 0, z > 0, y < 0)", True),
        ("log(8, 2)", 3.0),
        ("ln(x) - log(x)", 0.0),
        ("arcsin(x) - asin(x)", 0.0),
        ("max(x, y,)", 0.75),
        ("gamma(5)", 24.0),
        ("polygamma(0, x) - digamma(x)", 0.0),
        ("y if y > 0 else # a comment\n", None),
        ("( x +\n\n  y ) # both", -0.75),
        ("x + \\\n  y", -0.75),
        ("\ufeffx\r\n", 0.75),
        ("\tx +\ty\t", -0.75),
    ],
)
def test_value(text: str, expected: float | bool | None) -> None:
    if expected is None:
        with pytest.raises(ParseError):
            parse_text(text)
        return
    result = value(text)
    assert type(result) is type(expected)
    assert math.isclose(result, expected, rel_tol=1e-15)


def test_no_branch_of_piecewise_is_nan() -> None:
    assert math.isnan(value("Piecewise((x, x > 1))"))


@pytest.mark.parametrize(
    "name",
    [*"IESNQe_α", "lambda", "beta", "gamma", "inf", "None", "sin", "for", "in", "import", "is",
     "x_1", "λ2", "a" * 255],
)  # fmt: skip
def test_any_other_identifier_is_a_parameter(name: str) -> None:
    assert parse_text(f"2*{name} + y").param_names == (name, "y")


def test_function_and_variable_of_one_name() -> None:
    fn = parse_text("gamma(gamma) + beta(x, beta)")
    assert fn.param_names == ("gamma", "x", "beta")


def test_names_are_normalized_as_python_does() -> None:
    assert parse_text("ﬁ + fi").param_names == ("fi",)
    assert parse_text("ﬁ", {"fi": F64}).param_names == ("fi",)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("b + a*b", ("b", "a")),
        ("a if c > 0 else b", ("a", "c", "b")),
        ("f = x; f*y", ("x", "y")),
        ("y, x", ("y", "x")),
        ("a**b**c", ("a", "b", "c")),
        ("Piecewise((a, b < 0), (c, True))", ("a", "b", "c")),
    ],
)
def test_parameters_come_in_order_of_first_appearance(text: str, names: tuple[str, ...]) -> None:
    assert parse_text(text).param_names == names


def test_args_fix_order_and_types() -> None:
    fn = parse_text("x + y", {"unused": F64, "y": F64, "x": F64})
    assert fn.param_names == ("unused", "y", "x")


def test_declared_names_win_over_constants() -> None:
    assert parse_text("pi*x", {"pi": F64, "x": F64}).param_names == ("pi", "x")
    assert value("pi = 3; pi + x") == 3.75


def test_float32_formulas_stay_float32() -> None:
    assert body("2*x", x="f32") == "%0: f32 = const {value=2.0}\n%1: f32 = mul %0, %x\nreturn %1"


def test_mixed_dtypes_meet_in_float64() -> None:
    assert body("x*y", x="f32", y="f64") == (
        '%0: f64 = convert %x {dtype="f64"}\n%1: f64 = mul %0, %y\nreturn %1'
    )
    (output,) = parse_text("x + n", {"x": F32, "n": Type(i32)}).outputs
    assert output.type == F64


def test_boolean_parameters_are_conditions() -> None:
    assert body("x if b else b", x="f64", b="bool") == (
        '%0: f64 = convert %b {dtype="f64"}\n%1: f64 = where %b, %x, %0\nreturn %1'
    )


def test_ir() -> None:
    assert body("0 < x <= y") == (
        "%0: f64 = const {value=0.0}\n%1: bool = lt %0, %x\n%2: bool = le %x, %y\n"
        "%3: bool = and %1, %2\nreturn %3"
    )
    assert body("Piecewise((x, x > 1), (y, True))") == (
        "%0: f64 = const {value=1.0}\n%1: bool = lt %0, %x\n%2: f64 = where %1, %x, %y\nreturn %2"
    )


def test_values_know_their_place() -> None:
    source = "a = x\n(a + y)*sin(y)"
    fn = parse_text(source)
    located = {v.op.name: v.location for v in fn.live()}
    places = {
        op: source[slice(*at)]
        for op, at in located.items()
        if at is not None and not isinstance(at, Call)
    }
    assert places == {"param": "y", "add": "(a + y)", "sin": "sin(y)", "mul": "(a + y)*sin(y)"}


@pytest.mark.parametrize("text", ["x*y, x+y", "(x*y, x+y)", "x*y, x+y,", "a = x*y; return a, x+y"])
def test_several_results(text: str) -> None:
    fn = parse_text(text)
    verify(fn)
    assert fn.result == Branch((Leaf("value_0"), Leaf("value_1")))
    assert [v.op.name for v in fn.outputs] == ["mul", "add"]


def test_one_result_is_bare() -> None:
    fn = parse_text("x < 1", name="g")
    assert (fn.result, fn.name, fn.outputs[0].type) == (Leaf("value"), "g", BOOL)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = x + y\nb = a*a\na + b", -0.1875),
        ("\n\n   a = x\n\n   # about a\n   return a + 1\n", 1.75),
        ("x = x + 1; x = x*2; x", 3.5),
        ("x += 1; x *= 2; x -= y; x /= 2; x **= 2; x", 6.25),
        ("x ^= 2; x", 0.5625),
        ("z //= x; z %= 2; z", 1.0),
        ("a = b = x; a + b;", 1.5),
        ("a = (x +\n y\n)\na", -0.75),
        ("def f(x): return x*2", 1.5),
        ("def f(x): y = x*2; return y", 1.5),
        (
            "def f(x: f64, y: float64,) -> f64:\n  '''Sum: a (b.'''\n  s = x + y\n\n  return s\n",
            -0.75,
        ),
        ('    def f(x):\n        "Doc"\n        # more\n        2*x', 1.5),
    ],
)
def test_programs(text: str, expected: float) -> None:
    assert math.isclose(value(text), expected, rel_tol=1e-15)


def test_def_names_function_and_parameters() -> None:
    fn = parse_text("def area(w: f32, h: f32, unused):\n    return w*h")
    assert (fn.name, fn.param_names) == ("area", ("w", "h", "unused"))
    assert [p.type for p in fn.params] == [F32, F32, F64]
    fn = parse_text("def area(w, h): w*h", {"h": F32, "w": F32})
    assert (fn.param_names, fn.outputs[0].type) == (("h", "w"), F32)
    assert parse_text("def area(w, h): w*h", {"h": F32}).param_names == ("w", "h")


def test_a_number_of_a_million_digits() -> None:
    assert value("0." + "3" * 10**6) == float("0." + "3" * 17)


# Random texts, flat so that Python's grammar decides what belongs together.


NUMBERS = st.sampled_from(["1.0", "2.0", "0.5", "3.", ".25", "1e1", *POINT])


def _joined(head: str, tail: list[str]) -> str:
    return head + "".join(tail)


def sums(atoms: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    signs = st.sampled_from(["", "", "-", "+", "- -"])
    operators = st.sampled_from(["+", "-", "*", "/", "//", "%", "**"])
    operands = st.builds("{}{}".format, signs, atoms)
    tails = st.lists(st.builds(" {} {}".format, operators, operands), max_size=3)
    return st.builds(_joined, operands, tails)


def conditions(atoms: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    symbols = st.sampled_from(["<", "<=", "==", "!=", ">=", ">"])
    links = st.lists(st.builds(" {} {}".format, symbols, sums(atoms)), min_size=1, max_size=2)
    single = st.builds(_joined, sums(atoms), links)
    negated = st.builds("{}{}".format, st.sampled_from(["", "not "]), single)
    words = st.sampled_from([" and ", " or "])
    return st.one_of(
        negated, st.builds("{}{}{}{}{}".format, negated, words, negated, words, negated)
    )


ATOMS = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.builds("({})".format, sums(inner)),
        st.builds("abs({})".format, sums(inner)),
        st.builds("max({}, {})".format, sums(inner), sums(inner)),
        st.builds("({} if {} else {})".format, sums(inner), conditions(inner), sums(inner)),
        st.builds(
            "({} if {} else {} if {} else {})".format,
            sums(inner), conditions(inner), sums(inner), conditions(inner), sums(inner),
        ),
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=80, derandomize=True, deadline=None)
@given(st.one_of(sums(ATOMS), conditions(ATOMS)))
def test_means_what_python_means(text: str) -> None:
    try:
        expected = eval(text, {"__builtins__": {}, "abs": math.fabs, "max": max}, POINT)
    except (ArithmeticError, TypeError):  # division by 0, or a complex number compared
        assume(False)
    assume(isinstance(expected, (bool, float)) and math.isfinite(expected))
    try:
        result = value(text)
    except ParseError as error:
        result, refusal = expected, error.reason
    else:
        refusal = ""
    # A constant that is not finite may stand on a branch that Python does not take.
    assert refusal.startswith("this constant is" if refusal else "")
    assert math.isclose(result, expected, rel_tol=1e-12)


WORDS = (
    "x y 2 .5 sin log ( ( ) ) + - * ** / < == , = ; \n and not if else def return : for . [ ] "
    "' # 1e9 True Piecewise @ ~ \\ é \0 sum range in ... .T axis None i"
)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(WORDS.split(" ")), max_size=25))
def test_any_text_is_read_or_refused(words: list[str]) -> None:
    text = " ".join(words)
    try:
        verify(parse_text(text))
    except SymdiffError as error:
        message = str(error)
    else:
        return
    assert len(message) < 600


LONG = {
    "nested parentheses": ("(" * 100_000 + "x" + ")" * 100_000, 0.5),
    "nested calls": ("sin(" * 10_000 + "x" + ")" * 10_000, None),
    "signs": ("-" * 100_000 + "x", 0.5),
    "powers": ("x" + "**1" * 20_000, None),
    "choices": ("".join(f"{i} if x < {-i} else " for i in range(20_000)) + "x", 0.5),
    "sum": ("x" + "+1" * 50_000, 50_000.5),
    "comparisons": ("x" + "<= x" * 20_000, True),
    "statements": ("x = 1 - x\n" * 20_000 + "x", 0.5),
    "arguments": (f"max({', '.join(['x'] * 20_000)})", 0.5),
}


@pytest.mark.parametrize(("text", "expected"), LONG.values(), ids=LONG)
def test_deep_and_long(text: str, expected: float | None) -> None:
    result = value(text, x=0.5)
    assert expected is None or result == expected


@pytest.mark.slow
def test_time_is_linear() -> None:
    def seconds(terms: int) -> float:
        text = "+".join(f"x{i % 1000}*{i}" for i in range(terms))
        start = time.process_time()
        parse_text(text)
        return time.process_time() - start

    small = min(seconds(10_000) for _ in range(3))
    assert seconds(200_000) < 20 * small * 3


@pytest.mark.slow
def test_a_million_terms() -> None:
    fn = parse_text("+".join(["x"] * 1_000_000))
    assert len(fn.graph.values) == 1_000_000


@pytest.mark.slow
def test_a_million_parentheses_left_open() -> None:
    with pytest.raises(ParseError, match="never closed"):
        parse_text("(" * 1_000_000 + "x")


def test_float32_numbers() -> None:
    assert np.float32(0.1) == parse_text("0.1*x", {"x": F32}).live()[1].literal.scalar  # type: ignore[union-attr]
    with pytest.raises(ParseError, match="too large for f32"):
        parse_text("1e39*x", {"x": F32})
