"""Python functions of scalars, run once on stand-ins that record what is done to them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from symdiff.errors import ArgumentError, TraceError, UnsupportedError
from symdiff.ir import (
    F64,
    Branch,
    Function,
    Graph,
    Leaf,
    Tree,
    Type,
    Value,
    boolean,
    copy_into,
    f64,
)
from symdiff.parser.coerce import as_condition, as_number
from symdiff.parser.tracer import Tracer, apply, described, graph_of, is_number, lift, where

__all__ = ["Tracer", "apply", "call_function", "trace", "where"]


def trace(function: Callable[..., Any], args: Mapping[str, Type] | None = None) -> Function:
    """What `function` computes, found by calling it once with a Tracer per parameter.

    Parameters are those of its signature: scalars, f64 unless `args` gives another type. What
    `function` raises passes through unchanged.

    Raises:
        TraceError: the signature or the result cannot be traced, or the function did what a
            traced value cannot do.
        ArgumentError: `args` names a parameter that the function does not have.
        UnsupportedError: a parameter is an array.
    """
    name = getattr(function, "__name__", "f")
    names = _parameters(function)
    types = dict(args or {})
    for unknown in types.keys() - set(names):
        raise ArgumentError(
            f"{name} has no parameter {unknown!r}; it has {', '.join(names) or 'none'}"
        )
    for parameter, type in types.items():
        if type.shape:
            raise UnsupportedError(f"parameter {parameter!r} is an array ({type}); only scalars")
    graph = Graph()
    params = tuple([graph.param(n, types.get(n, F64)) for n in names])
    result = function(*map(Tracer, params))
    graph.location = None
    outputs: list[Value] = []
    tree = _structure(graph, result, outputs, name)
    if not outputs:
        raise TraceError(f"{name} returns nothing to compute: {result!r}")
    if isinstance(tree, Leaf):
        tree = Leaf("value")
    return Function(name if name.isidentifier() else "f", params, tuple(outputs), tree)


def _parameters(function: Callable[..., Any]) -> list[str]:
    """The names of the parameters of `function`, all of which can be given by position."""
    name = getattr(function, "__name__", repr(function))
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise TraceError(
            f"{name} has no signature that Python can tell; wrap it: lambda x, y: {name}(x, y)"
        ) from None
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            raise TraceError(
                f"{name}: the parameter `{parameter}` cannot be given by position; "
                f"wrap the function: lambda x, y: {name}(...)"
            )
    return [parameter.name for parameter in parameters]


def _structure(graph: Graph, result: Any, outputs: list[Value], name: str) -> Tree:
    """The tree of `result`, whose leaves are appended to `outputs`."""
    if isinstance(result, (tuple, list)):
        parts = cast("tuple[Any, ...]", result)
        children = tuple([_structure(graph, part, outputs, name) for part in parts])
        fields = cast("tuple[str, ...] | None", getattr(parts, "_fields", None))
        return Branch(children, fields, parts.__class__.__name__ if fields else "")
    if not isinstance(result, Tracer) and not is_number(result):
        raise TraceError(
            f"{name} returns {described(result)}; it must return a number "
            "computed from its parameters, or a tuple of such numbers"
        )
    outputs.append(lift(graph, result, f64))
    return Leaf(f"value_{len(outputs) - 1}")


def call_function(fn: Function, operands: Sequence[Any]) -> list[Tracer]:
    """The outputs of `fn` at `operands`, of which one at least is traced, recorded in its trace.

    Raises:
        ArgumentError: the number of operands is not that of the parameters.
        TraceError: an operand is neither a real number nor a traced value of this function.
        UnsupportedError: a parameter is an array.
    """
    if len(operands) != len(fn.params):
        raise ArgumentError(
            f"{fn.name} takes {len(fn.params)} arguments ({', '.join(fn.param_names)}), "
            f"got {len(operands)}"
        )
    graph = graph_of(operands)
    known: dict[Value, Value] = {}
    for param, operand in zip(fn.params, operands, strict=True):
        if param.type.shape:
            raise UnsupportedError(
                f"{fn.name} is called with traced values, "
                f"but its parameter {param.attr('name')!r} is an array ({param.type})"
            )
        dtype = param.type.dtype
        value = lift(graph, operand, f64 if dtype is boolean else dtype)
        known[param] = as_condition(value) if dtype is boolean else as_number(value, dtype)
    return [Tracer(value) for value in copy_into(graph, fn.outputs, known)]
