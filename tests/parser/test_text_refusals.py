"""The text front end: what it refuses, where, and with which hint."""

from __future__ import annotations

import pytest

from symdiff.errors import ParseError
from symdiff.ir import F64
from symdiff.parser.text import parse_text

REFUSED = [
    # text, line, column, part of the message
    ("__import__('os').system('true')", 1, 12, "no quoted text"),
    ("__import__(os)", 1, 1, "unknown function '__import__'"),
    ("x.__class__", 1, 2, "attributes are not read"),
    ("np.sin(x)", 1, 3, "sin(x)"),
    ("lambda x: x", 1, 8, "`lambda` is a variable"),
    ("[x for x in y]", 1, 4, "only in the call of a function"),
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
    ("sum(x[i] for i in range(n))", 1, 25, "def f(x: f64[n])"),
    ("sum(x[i] for i in range(3))", 1, 6, "`x` is a number"),
    ("sum(x)", 1, 5, "sum takes an array, `x` is a number"),
    ("x @ y", 1, 1, "`@` takes arrays, `x` is a number"),
    ("x.T", 1, 1, "`.T` takes an array"),
    ("x[0]", 1, 2, 'args={"x": "f64[3]"}'),
    ("log(x=1)", 1, 5, "by position"),
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
    ("x > 0 & y > 0", 1, 5, "put each comparison in parentheses: (a > 0) & (b > 0)"),
    ("x>0 | x<1", 1, 3, "put each comparison in parentheses: (a > 0) | (b > 0)"),
    ("~x > 0", 1, 2, "put each comparison in parentheses: ~(a > 0)"),
    ("where(x, 1, 2)", 1, 7, "write x != 0"),
    ("1 if x + 1 else 2", 1, 6, "write x != 0"),
    ("def f(x): x + zeta", 1, 15, "the parameters are x"),
    ("def f(theta): thета", 1, 15, "unknown name"),
    ("def f(theta): 2*teta", 1, 17, "did you mean theta?"),
    ("def f(x, x): x", 1, 10, "two parameters"),
    ("def f(x=1): x", 1, 8, "default values"),
    ("def f(x: f65): x", 1, 10, "'f65' is not a type"),
    ("def f(x: '2f8,('): x", 1, 10, "'2f8,(' is not a type"),
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
