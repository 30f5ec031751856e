"""The ways in: text, SymPy and Python functions, each to an ir.Function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from symdiff.errors import UnsupportedError
from symdiff.ir import Function, Type
from symdiff.parser.custom import custom_jvp, custom_vjp
from symdiff.parser.gates import Gate, as_gate, as_gates
from symdiff.parser.loops import fori_loop, scan
from symdiff.parser.names import parameter_names, text_name
from symdiff.parser.recording import need_shapes, stop_gradient
from symdiff.parser.sympy import is_sympy, parse_sympy
from symdiff.parser.text import (
    DeclaredType,
    SymbolicType,
    declared_types,
    parse_text,
    read_type,
)
from symdiff.parser.trace import Tracer, apply, call_function, trace, where


def parse(
    source: Any,
    args: Mapping[str, Type] | None = None,
    gates: Mapping[str, Gate] | None = None,
) -> Function:
    """The function that `source` (text, SymPy or a Python function) denotes.

    `args` fixes the parameters, their order and their types; `gates` are functions of the user's
    own that text and SymPy call by these names.

    Raises:
        ParseError: text that is not a formula.
        TraceError: a Python function that cannot be traced.
        UnsupportedError: a source of another kind, or one with something that symdiff lacks.
    """
    if isinstance(source, str):
        return parse_text(source, args, gates=gates)
    if is_sympy(source):
        return parse_sympy(source, args, gates=gates)
    if callable(source):
        return trace(cast("Callable[..., Any]", source), args)
    raise UnsupportedError(
        f"cannot read a {type(source).__name__} as a formula; "
        "give text, a SymPy expression or a Python function"
    )


__all__ = [
    "DeclaredType", "Gate", "SymbolicType", "Tracer", "apply", "as_gate", "as_gates",
    "call_function", "custom_jvp", "custom_vjp", "declared_types", "fori_loop", "is_sympy",
    "need_shapes", "parameter_names", "parse", "parse_text", "read_type", "scan", "stop_gradient",
    "text_name", "trace", "where",
]  # fmt: skip
