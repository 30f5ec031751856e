"""Python functions of scalars, run once on stand-ins that record what is done to them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from keyword import iskeyword
from typing import Any, cast

from symdiff.errors import ArgumentError, SymdiffError, TraceError, UnsupportedError
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
from symdiff.parser.tracer import (
    Tracer,
    apply,
    described,
    graph_of,
    is_number,
    lift,
    place_of,
    where,
)

__all__ = ["Tracer", "apply", "call_function", "trace", "where"]


def trace(function: Callable[..., Any], args: Mapping[str, Type] | None = None) -> Function:
    """What `function` computes, found by calling it once with a Tracer per parameter.

    Parameters are those of its signature: scalars, f64 unless `args` gives another type, and in
    the order of `args` where it names them all. What `function` raises passes through unchanged,
    except for a TypeError or AttributeError that Python raises because of a traced value.

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
    order = list(types) if len(types) == len(names) else names
    params = {n: graph.param(n, types.get(n, F64)) for n in order}
    result = _call(function, [Tracer(params[n]) for n in names])
    graph.location = None
    outputs: list[Value] = []
    tree = _structure(graph, result, outputs, name)
    if not outputs:
        raise TraceError(f"{name} returns nothing to compute: {result!r}")
    if isinstance(tree, Leaf):
        tree = Leaf("value")
    name = name if name.isidentifier() else "f"
    return Function(name, tuple(params.values()), tuple(outputs), tree)


def _call(function: Callable[..., Any], tracers: Sequence[Tracer]) -> Any:
    """What `function` returns.

    Raises:
        TraceError: a traced value was given to something in Python that has no use for it.
    """
    try:
        return function(*tracers)
    except (TypeError, AttributeError) as error:
        if isinstance(error, SymdiffError) or not re.search(r"\bTracer\b", str(error)):
            raise
        message = str(error).replace("'Tracer' object", "a traced value")
        message = re.sub(r"\bTracer\b", "traced value", message)
        raise TraceError(f"{place_of(error)}{message}; a traced value is a scalar") from error


def _parameters(function: Callable[..., Any]) -> list[str]:
    """The names of the parameters of `function`, all of which can be given by position."""
    name = getattr(function, "__name__", repr(function))
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise TraceError(
            f"{name} has no signature that Python can tell; {_wrapping(name)}"
        ) from None
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            raise TraceError(
                f"{name}: the parameter `{parameter}` cannot be given by position; "
                + _wrapping(name)
            )
    return [parameter.name for parameter in parameters]


def _wrapping(name: str) -> str:
    """How to come by a function whose parameters can be told, from the one called `name`."""
    if name.isidentifier() and not iskeyword(name):
        return f"wrap it in a function that names its arguments: lambda x, y: {name}(x, y)"
    return "give it plain parameters, as in `lambda x, y: x*y`, or call it in such a function"


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
