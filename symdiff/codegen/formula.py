"""Function -> formulas as people type them."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from symdiff.codegen.array_notation import Form, Forms
from symdiff.codegen.names import Names, python_identifier
from symdiff.codegen.notation import Equations, Style, equations
from symdiff.codegen.source import ATOM, UNARY, Term
from symdiff.ir import DType, Function, Literal, Value, f32, leaves

# What no name of the text front end can be.
_RESERVED: Final = frozenset(
    {"and", "or", "not", "if", "else", "def", "return", "True", "False", "pi"}
)
_LONGEST_NAME: Final = 255
MAX_ELEMENTS: Final = 64  # of a constant array that is written out
_PI32: Final = np.float32(math.pi).item()


def assignments(fn: Function) -> list[tuple[str, str]]:
    """Names and expressions: shared parts `t1`, `t2`, ... in order, then one entry per output.

    An output is called as its leaf of `fn.result`, with an underscore if that is taken.

    Raises:
        UnsupportedError: an operation on arrays that formulas have no notation for.
    """
    named, outputs = _named(fn)
    return [*named.shared, *zip(outputs, named.outputs, strict=True)]


def formula(fn: Function) -> str:
    """The text of `fn` that parses back to it: an expression, on lines of their own before it
    the parts that it shares. Several outputs are assigned, too, and listed in the last line.

    The text says nothing of the order and the types of parameters, nor of those that `fn` does not
    use; who reads it back gives them as `args`. Some things it can only show to people, such that
    reading them is a ParseError: infinite and NaN constants (`<inf>`, `<nan>`), large constant
    arrays (`<f64[1000]>`), parameters with a name that text cannot spell (`<x y>`, `<pi>`),
    conversions (`convert(x, dtype=f64)`), and indices as arrays (`arange(5)`).

    Raises:
        UnsupportedError: an operation on arrays that formulas have no notation for.
    """
    named, outputs = _named(fn)
    lines = [f"{name} = {text}" for name, text in named.shared]
    if len(outputs) == 1:
        return "\n".join([*lines, named.outputs[0]])
    lines += [f"{name} = {text}" for name, text in zip(outputs, named.outputs, strict=True)]
    return "\n".join([*lines, ", ".join(outputs)])


def _named(fn: Function) -> tuple[Equations, list[str]]:
    names = Names(_RESERVED)
    params = {
        name: names.claim(name) if _is_readable(name) else f"<{_visible(name)}>"
        for name in fn.param_names
    }
    outputs = [names.claim(python_identifier(leaf.name)) for leaf in leaves(fn.result)]
    return equations(fn, TEXT, params, names), outputs


def _is_readable(name: str) -> bool:
    """Whether the text front end reads `name` as the parameter called so."""
    plain = re.fullmatch(r"[^\W\d]\w*", name) and name.isidentifier()
    short = len(name) <= _LONGEST_NAME and name not in _RESERVED
    return bool(plain) and short and unicodedata.is_normalized("NFKC", name)


def _visible(name: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


class _Text(Style):
    """Python's notation."""

    width = 100
    group = "({})"

    def temporary(self, name: str) -> str:
        return name

    def number(self, literal: Literal) -> Term:
        number = literal.scalar
        if number is None or math.isfinite(number):
            return text_number(literal)
        marked = "<nan>" if math.isnan(number) else "<inf>"
        return Term(f"-{marked}", UNARY) if number < 0 else Term(marked)

    def array(self, literal: Literal) -> Term:
        if literal.type.size > MAX_ELEMENTS:
            return Term(f"<{literal.type}>")
        return Term(_nested(literal.array, literal.type.dtype))

    def choose(self, forms: Forms) -> Form:
        return forms.text

    def form(self, value: Value, attrs: Mapping[str, Any]) -> Form:
        op = value.op
        if op.notation is None:
            slots = ["{}"] * len(value.args) + [f"{key}={{{key}}}" for key in attrs]
            return Form(f"{op.name}({', '.join(slots)})", ATOM, ())
        return Form(op.notation.text, op.notation.precedence, op.notation.operands)


TEXT: Final = _Text()


def _nested(array: Any, dtype: DType) -> str:
    """The elements in brackets."""
    if not array.ndim:
        return number_text(array.item(), dtype)
    return f"[{', '.join([_nested(part, dtype) for part in array])}]"


def text_number(literal: Literal) -> Term:
    """A constant that is one number, as short as it can be said; whole ones without a point."""
    number = literal.scalar
    text = number_text(math.nan if number is None else number, literal.type.dtype)
    return Term(text, UNARY if text.startswith("-") else ATOM)


def number_text(number: float, dtype: DType) -> str:
    """A number of the given dtype in digits, or pi."""
    if dtype.kind == "b":
        return str(number)
    single = dtype is f32
    if number == (_PI32 if single else math.pi):
        return "pi"
    shortest = np.float32(number) if single else number
    text = str(shortest).replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    return text if text == "-0.0" else text.removesuffix(".0")
