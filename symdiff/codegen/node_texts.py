"""How a single operation is written: for the nodes of drawings, and for messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from symdiff.codegen.array_notation import forms, sources
from symdiff.codegen.formula import TEXT, text_number
from symdiff.codegen.source import ATOM, UNARY, Term
from symdiff.errors import UnsupportedError
from symdiff.ir import ITEM, PARAM, Function, Literal, TupleType, Value
from symdiff.ops import GateUse, custom, gate

_MAX_ELEMENTS: Final = 6  # of a constant array that is shown


# Of operations on arrays, what users know them by.
_SYMBOLS: Final = {
    "contract": "@",
    "reduce_max": "max",
    "reduce_min": "min",
    "reduce_sum": "sum",
    "slice": "[ ]",
}


def symbol(value: Value) -> str:
    """What the operation is called by those who draw it: `+`, `max`, `x`, `2`."""
    if value.op is PARAM:
        return str(value.attr("name"))
    if value.literal is not None:
        return _constant(value.literal)
    if value.op is ITEM:
        return f"[{value.attr('index')}]"
    if value.op is custom:
        return str(value.attr("body").name)
    if value.op is gate:
        return str(value.attr("use").name)
    notation = value.op.notation
    if notation is not None:
        signs = notation.text.replace("{}", "").strip()
        if not any(c.isalnum() or c in "()" for c in signs):
            return signs  # + rather than add
    return _SYMBOLS.get(value.op.name, value.op.name)


def settings(value: Value) -> str:
    """The attributes that say more than the type of the result does, as `axis=0`."""
    shown = [(key, attr) for key, attr in value.attrs if key != "shape" and attr is not None]
    return ", ".join(f"{key}={_attribute(attr)}" for key, attr in shown)


def operation(value: Value, operands: Sequence[str]) -> str:
    """The operation of `value`, applied to operands that are written so."""
    if value.op is ITEM:
        return f"{operands[0]}{symbol(value)}"
    if value.op.elementwise:
        form = TEXT.form(value, dict(value.attrs))
        attrs: Mapping[str, Any] = dict(value.attrs)
    else:
        attrs = {}
        try:
            if isinstance(value.type, TupleType) or sources(value) != value.args:
                raise UnsupportedError("")
            form = TEXT.choose(forms(value))
        except UnsupportedError:
            plain = not any(isinstance(attr, (Function, GateUse)) for _, attr in value.attrs)
            inside = [*operands, settings(value)] if plain and settings(value) else operands
            return f"{symbol(value)}({', '.join(inside)})"
    # Negative constants are put in parentheses wherever their operator could be misread.
    terms = [Term(text, UNARY if text.startswith("-") else ATOM) for text in operands]
    needed = form.operands or [0] * len(terms)
    texts = [term.within(power) for term, power in zip(terms, needed, strict=True)]
    return form.template.format(*texts, **attrs)


def _constant(literal: Literal) -> str:
    if literal.scalar is not None:
        return text_number(literal).text
    return str(literal.array.tolist()) if literal.type.size <= _MAX_ELEMENTS else "const"


def _attribute(attr: Any) -> str:
    return attr.name if isinstance(attr, Function) else str(attr)
