"""The text front end: what it reads, what it refuses and where, and how far it goes."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from symdiff.errors import ParseError, SymdiffError, UnsupportedError
from symdiff.ir import (
    BOOL,
    F32,
    F64,
    Branch,
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
    places = {v.op.name: source[slice(*v.location)] for v in fn.live() if v.location}
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


@pytest.mark.parametrize("text", ["def f(W: f64[8,4]): return 1", "W + 1"])
def test_arrays_are_for_later(text: str) -> None:
    with pytest.raises(UnsupportedError, match=r"array parameters .* 'W' has type f64\[8,4\]"):
        parse_text(text, None if text.startswith("def") else {"W": parse_type("f64[8,4]")})


REFUSED = [
    # text, line, column, part of the message
    ("__import__('os').system('true')", 1, 12, "no quoted text"),
    ("__import__(os)", 1, 1, "unknown function '__import__'"),
    ("x.__class__", 1, 2, "attributes are not read"),
    ("np.sin(x)", 1, 3, "sin(x)"),
    ("lambda x: x", 1, 8, "`lambda` is a variable"),
    ("[x for x in y]", 1, 1, "lists are not read"),
    ('f"{x}"', 1, 1, "no quoted text"),
    ("'a'", 1, 1, "no quoted text"),
    ("{x: 1}", 1, 1, "dictionaries are not read"),
    ("(x := 1)", 1, 4, "statement of its own"),
    ("sin(x", 1, 4, "never closed"),
    ("a = ((x)\nb = 1\na", 2, 1, "close the `(` at line 1, column 5"),
    ("(x]", 1, 3, "the `(` at line 1, column 1"),
    (")", 1, 1, "closes no bracket"),
    ("(x))", 1, 4, "closes no bracket"),
    ("()", 1, 2, "nothing between"),
    ("sin()", 1, 1, "takes 1 argument, not 0"),
    ("1 + sin(x, y)", 1, 5, "takes 1 argument, not 2"),
    ("max()", 1, 1, "takes 1 or more"),
    ("Piecewise()", 1, 1, "Piecewise((x, x > 0), (0, True))"),
    ("Piecewise(x)", 1, 11, "pairs"),
    ("Piecewise((x, y))", 1, 15, "write y != 0"),
    ("polygamma(x, y)", 1, 1, "constant whole number"),
    ("foo(x)", 1, 1, "unknown function 'foo'"),
    ("sine(x)", 1, 1, "did you mean sin?"),
    ("x + a(x)", 1, 5, "a*(...)"),
    ("sum(x[i] for i in range(n))", 1, 6, "arrives with arrays"),
    ("sum(x for i in range(n))", 1, 7, "arrives with arrays"),
    ("sum(x)", 1, 1, "arrives with arrays"),
    ("x @ y", 1, 1, "arrives with arrays"),
    ("x.T", 1, 2, "arrives with arrays"),
    ("x[0]", 1, 2, "arrives with arrays"),
    ("log(x=1)", 1, 6, "given by position"),
    ("log(*x)", 1, 5, "star arguments"),
    ("x +", 1, 4, "the formula ends"),
    ("x + # more\ny", 1, 4, "goes over several lines"),
    ("", 1, 1, "the text is empty"),
    (" \n\t# nothing\n", 1, 1, "the text is empty"),
    ("9**9**9**9", 1, 4, "inf"),
    ("x + 1/0", 1, 5, "inf"),
    ("a = 2; b = a - 2; x + log(b - 1)", 1, 23, "nan"),
    ("0*sqrt(-1)", 1, 3, "nan"),
    ("1e999", 1, 1, "too large"),
    ("1" * 400, 1, 1, "too large"),
    ("0x" + "f" * 400, 1, 1, "too large"),
    ("1__0", 1, 1, "not a number"),
    ("x\0", 1, 2, "null character"),
    ("x + \ud800", 1, 5, r"'\ud800'"),
    ("a" * 256, 1, 1, "at most 255"),
    ("3j", 1, 2, "complex"),
    ("2x", 1, 2, "2*x"),
    ("2 x", 1, 3, "2*x"),
    ("2(x)", 1, 2, "2*(...)"),
    ("x²", 1, 2, "x**2"),
    ("x y", 1, 3, "x*y"),
    ("x − y", 1, 3, "write -"),
    ("x = 1", 1, 1, "nothing is returned"),
    ("x = 1\ny += 2\n", 2, 1, "return y"),
    ("x = ", 1, 4, "the formula ends"),
    ("f(x) = x", 1, 1, "def f(x)"),
    ("a, b = 1, 2", 1, 1, "one name at a time"),
    ("a = 1, 2; a", 1, 5, "one at a time"),
    ("True = 1", 1, 1, "True is a constant"),
    ("x + 1\ny", 2, 1, "after the result"),
    ("return x; y", 1, 11, "after the result"),
    ("  a = x\n   a", 2, 4, "unexpected indentation"),
    ("x,", 1, 2, "trailing comma"),
    ("(x,) + 1", 1, 3, "trailing comma"),
    ("x + (1, 2)", 1, 5, "a tuple within"),
    ("sin((x, y))", 1, 5, "a tuple within"),
    ("(x, y), z", 1, 1, "a tuple within"),
    ("a ? b : c", 1, 3, "`b if a else c`"),
    ("a if b", 1, 3, "`if` without `else`"),
    ("a else b", 1, 3, "`else` without `if`"),
    ("a if b if c else d else e", 1, 8, "put ( )"),
    ("if x: y", 1, 1, "`b if a else c`"),
    ("x!", 1, 2, "factorial(x)"),
    ("|x|", 1, 1, "abs(x)"),
    ("x && y", 1, 3, "`and`"),
    ("not", 1, 4, "the formula ends"),
    ("and x", 1, 1, "found `and`"),
    ("2 + not x", 1, 5, "(not c)"),
    ("x is y", 1, 3, "=="),
    ("x and y > 0", 1, 1, "write x != 0"),
    ("x > 0 & y > 0", 1, 5, "(a > 0) & (b > 0)"),
    ("where(x, 1, 2)", 1, 7, "write x != 0"),
    ("1 if x + 1 else 2", 1, 6, "write x != 0"),
    ("def f(x): x + zeta", 1, 15, "the parameters are x"),
    ("def f(theta): thета", 1, 15, "unknown name"),
    ("def f(theta): 2*teta", 1, 17, "did you mean theta?"),
    ("def f(x, x): x", 1, 10, "two parameters"),
    ("def f(x=1): x", 1, 8, "default values"),
    ("def f(x: f65): x", 1, 10, "'f65' is not a type"),
    ("def f(x) -> f32: x", 1, 10, "the result is f64, declared f32"),
    ("def f(x):\nx", 2, 1, "not indented"),
    ("def f(x):\n", 1, 10, "nothing is returned"),
    ("def f(x): 'doc'", 1, 11, "no quoted text"),
    ("def f(x):\n  x\ny", 3, 1, "unexpected indentation"),
    ("def f(x) x", 1, 10, "expected `:`"),
    ("def f(*x): x", 1, 7, "a parameter"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "part"), REFUSED, ids=lambda v: ascii(v)[:30])
def test_refused_with_place_and_hint(text: str, line: int, column: int, part: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_text(text)
    error = caught.value
    assert part in str(error)
    assert (error.line, error.column) == (line, column)
    assert error.hint
    assert len(str(error)) < 600
    str(error).encode()


def test_unknown_names_where_args_are_given() -> None:
    with pytest.raises(ParseError, match="unknown name 'yy'") as caught:
        parse_text("x*y + yy", {"x": F64, "y": F64})
    assert caught.value.column == 7
    with pytest.raises(ParseError, match="has no parameter 'z'"):
        parse_text("def f(x): x", {"z": F64})


@pytest.mark.parametrize("text", ["a" * 10**6, "2" + "a" * 10**6, "x." + "a" * 10**6, "'" * 10**6])
def test_messages_stay_short(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_text(text)
    assert len(str(caught.value)) < 600


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
    "' # 1e9 True Piecewise @ ~ \\ é \0"
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
