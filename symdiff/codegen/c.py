"""Function -> C99 source that needs libm alone."""

from __future__ import annotations

import math
import re
import textwrap
from typing import Final

import numpy as np

from symdiff.codegen.c_names import RESERVED, RESERVED_FUNCTIONS
from symdiff.codegen.names import Names, ascii_identifier
from symdiff.codegen.origins import mark
from symdiff.codegen.source import (
    ATOM,
    CHOICE,
    COMPARE,
    LOGIC,
    UNARY,
    InfixEmitter,
    Term,
    call,
    element_type,
    infix,
    require_scalars,
    write_lines,
)
from symdiff.errors import UnsupportedError
from symdiff.ir import PARAM, DType, Function, Value, boolean, f32, f64, i32, i64, leaves

TYPES: Final = {f64: "double", f32: "float", i64: "long long", i32: "int", boolean: "int"}
POINTEES: Final = {**TYPES, boolean: "unsigned char"}
_WIDTH: Final = 100


def scalar_source(fn: Function, traced: bool = False) -> str:
    """A C99 file with one function: a pointer per parameter, then one per output.

    The outputs are called as the leaves of `fn.result`. Booleans are passed as `unsigned char`,
    0 or 1. All inputs are read before an output is written, so outputs may overwrite inputs.

    Raises:
        UnsupportedError: a tensor, or an operation that libm does not have.
    """
    require_scalars(fn, "C source")
    interface = CInterface(fn)
    terms = {
        p: Term(f"*{name}") if p.type.dtype is not boolean else Term(f"*{name} != 0", COMPARE)
        for p, name in zip(fn.params, interface.inputs, strict=True)
    }
    lines = write_lines(fn, CEmitter(), interface.names, terms, _declare, traced)
    used = set(fn.live())
    unread = [
        f"(void){name};"
        for param, name in zip(fn.params, interface.inputs, strict=True)
        if param not in used
    ]
    if len(fn.outputs) > 1:
        for param in dict.fromkeys(v for v in fn.outputs if v.op is PARAM):
            name = interface.names.temporary()
            lines.append(_declare(param, name, terms[param].text))
            terms[param] = Term(name)
    stores = [
        f"*{name} = {terms[value].text};{mark(value.location) if traced else ''}"
        for name, value in zip(interface.outputs, fn.outputs, strict=True)
    ]
    groups = [unread, lines, stores]
    body = "\n\n".join("\n".join(f"    {line}" for line in group) for group in groups if group)
    return f"{interface.comment()}\n#include <math.h>\n\n{interface.prototype()}\n{{\n{body}\n}}\n"


def c_header(fn: Function) -> str:
    """The header that declares the function of `c_source`, for C and C++."""
    interface = CInterface(fn)
    guard = f"SYMDIFF_{interface.name.upper()}_H"
    return f"""\
{interface.comment()}
#ifndef {guard}
#define {guard}

#ifdef __cplusplus
extern "C" {{
#endif

{interface.prototype()};

#ifdef __cplusplus
}}
#endif

#endif
"""


class CInterface:
    """What C callers see of a function: its name and those of its arguments."""

    def __init__(self, fn: Function) -> None:
        self.fn = fn
        self.name = Names(RESERVED_FUNCTIONS).claim(ascii_identifier(fn.name))
        self.names = Names({*RESERVED, self.name})
        self.inputs = [self.names.claim(ascii_identifier(name)) for name in fn.param_names]
        self.result = [leaf.name for leaf in leaves(fn.result)]
        self.outputs = [self.names.claim(ascii_identifier(name)) for name in self.result]

    def comment(self) -> str:
        """What goes in, what comes out, and what had to be called differently."""
        given = f" given {', '.join(self.inputs)}" if self.inputs else ""
        lines = textwrap.wrap(f"{self.name}: writes {', '.join(self.outputs)}{given}.", _WIDTH - 6)
        values = (*self.fn.params, *self.fn.outputs)
        if any(v.type.dtype is boolean for v in values):
            lines.append("Conditions are 0 or 1.")
        arrays = [
            f"{name}{list(v.type.shape)}"
            for v, name in zip(values, (*self.inputs, *self.outputs), strict=True)
            if v.type.shape
        ]
        if arrays:
            shapes = f"Arrays, contiguous and apart: {', '.join(arrays)}."
            lines += textwrap.wrap(shapes, _WIDTH - 6)
        pairs = zip(
            (*self.fn.param_names, *self.result), (*self.inputs, *self.outputs), strict=True
        )
        lines += [f"{new} stands for {_in_comment(old)}." for old, new in pairs if old != new]
        return "/* " + "\n * ".join([*lines, "Written by symdiff; link with -lm."]) + " */"

    def arguments(self) -> list[str]:
        """The declarations of the arguments."""
        inputs = zip(self.fn.params, self.inputs, strict=True)
        outputs = zip(self.fn.outputs, self.outputs, strict=True)
        arguments = [f"const {POINTEES[v.type.dtype]} *{name}" for v, name in inputs]
        return arguments + [f"{POINTEES[v.type.dtype]} *{name}" for v, name in outputs]

    def prototype(self) -> str:
        """The declaration, without the semicolon."""
        arguments = self.arguments()
        line = f"void {self.name}({', '.join(arguments)})"
        if len(line) <= _WIDTH:
            return line
        return f"void {self.name}(\n    " + ",\n    ".join(arguments) + ")"


def _in_comment(name: str) -> str:
    """`name` in ASCII, and unable to end the comment."""
    spelt = name.encode("ascii", "namereplace").decode().replace("\\N", "")
    return re.sub(r"[^ -~]|[*/?\\]", "_", spelt)


def _declare(value: Value, name: str, expression: str) -> str:
    return f"const {TYPES[element_type(value)]} {name} = {expression};"


class CEmitter(InfixEmitter):
    """C expressions of the operations; `ops.Emitter` says what each one means."""

    def const(self, number: float) -> Term:
        return c_number(number, self.dtype)

    def libm(self, name: str, *operands: Term) -> Term:
        return call(f"{name}f" if self.dtype is f32 else name, *operands)

    def special(self, name: str, *operands: Term) -> Term:
        named = {"psi": "digamma"}.get(name, name)
        raise UnsupportedError(f"{named} has no counterpart in C's libm")

    def fma(self, x: Term, y: Term, z: Term) -> Term:
        return self.libm("fma", x, y, z)

    def abs(self, x: Term) -> Term:
        if self.dtype.kind == "i":
            return self.select(infix(x, "<", Term("0"), COMPARE), self.neg(x), x)
        return self.libm("fabs", x)

    def sqrt(self, x: Term) -> Term:
        return self.libm("sqrt", x)

    def floor(self, x: Term) -> Term:
        return self.libm("floor", x)

    def ceil(self, x: Term) -> Term:
        return self.libm("ceil", x)

    def trunc(self, x: Term) -> Term:
        return self.libm("trunc", x)

    def rint(self, x: Term) -> Term:
        return self.libm("rint", x)

    def copysign(self, x: Term, y: Term) -> Term:
        return self.libm("copysign", x, y)

    def minimum(self, x: Term, y: Term) -> Term:
        return _extremum(x, "<", y, self.dtype)

    def maximum(self, x: Term, y: Term) -> Term:
        return _extremum(x, ">", y, self.dtype)

    def and_(self, x: Term, y: Term) -> Term:
        return infix(x, "&&", y, LOGIC)

    def or_(self, x: Term, y: Term) -> Term:
        return infix(x, "||", y, LOGIC)

    def not_(self, x: Term) -> Term:
        return Term(f"!{x.within(ATOM)}", UNARY)

    def select(self, condition: Term, x: Term, y: Term) -> Term:
        chosen = (condition.within(CHOICE + 1), x.within(CHOICE + 1), y.within(CHOICE + 1))
        return Term("{} ? {} : {}".format(*chosen), CHOICE)

    def convert(self, x: Term, dtype: str) -> Term:
        target = next(d for d in TYPES if d.name == dtype)
        if target is boolean:
            return infix(x, "!=", self.const(0.0), COMPARE)
        return Term(f"({TYPES[target]}){x.within(ATOM)}", UNARY)


def _extremum(x: Term, before: str, y: Term, dtype: DType) -> Term:
    """The operand x if it comes before y or is a NaN, else y, which may be a NaN then."""
    chosen = f"{x.within(COMPARE + 1)} {before} {y.within(COMPARE + 1)}"
    if dtype.kind == "f" and not x.text.lstrip("-")[0].isdigit():
        chosen = f"({chosen} || isnan({x.text}))"
    return Term(f"{chosen} ? {x.text} : {y.text}", CHOICE)


def c_number(number: float, dtype: DType) -> Term:
    """A C constant with the value of `number` in `dtype`, as short as it can be said."""
    if dtype.kind != "f":
        suffix = "LL" if dtype is i64 else ""
        return Term(f"{int(number)}{suffix}", UNARY if number < 0 else ATOM)
    if math.isnan(number):
        return Term("NAN")
    sign = "-" if math.copysign(1.0, number) < 0 else ""
    if math.isinf(number):
        digits = "INFINITY"
    else:
        digits = f"{np.float32(number)!s}f" if dtype is f32 else repr(number)
        digits = digits.lstrip("-")
    return Term(sign + digits, UNARY if sign else ATOM)
