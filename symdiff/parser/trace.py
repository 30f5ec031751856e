"""Python functions, run once on stand-ins that record what is done to them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from keyword import iskeyword
from typing import Any, cast

import numpy as np

from symdiff.errors import ArgumentError, NeedsShapes, ShapeError, SymdiffError, TraceError
from symdiff.ir import (
    CONST,
    F64,
    Function,
    Graph,
    Leaf,
    Literal,
    Tree,
    Type,
    Value,
    boolean,
    build,
    copy_into,
    destructure,
    f64,
    leaves,
    live,
)
from symdiff.ops import arrays
from symdiff.parser.capture import tracing
from symdiff.parser.places import place, place_of
from symdiff.parser.recording import (
    Traced,
    apply,
    described,
    graph_of,
    is_number,
    lift,
    where,
)
from symdiff.parser.tracer import Tracer

__all__ = ["Tracer", "apply", "call_function", "trace", "where"]


def trace(
    function: Callable[..., Any],
    args: Mapping[str, Any] | None = None,
    strict_scalars: bool | None = None,
) -> Function:
    """What `function` computes, found by calling it once with a Tracer per parameter.

    Parameters are those of its signature, in the order of `args` where it names them all. `args`
    gives their types: each a Type, or a structure (tuples, dicts, dataclasses, ...) of Types,
    which becomes one parameter per leaf, named as `ir.destructure` does. Those that it does not
    give are f64 scalars. What `function` raises passes through unchanged, except for a TypeError
    or AttributeError that Python raises because of a traced value.

    With `strict_scalars` (the default without `args`) nothing is taken to be known about the
    shapes of the parameters: the function may compute with scalars, element by element.

    Raises:
        NeedsShapes: it did more than that.
        TraceError: the signature or the result cannot be traced, or the function did what a
            traced value cannot do.
        ShapeError: operands do not fit; the message begins with the user's line.
        ArgumentError: `args` names a parameter that the function does not have.
    """
    name = getattr(function, "__name__", "f")
    names = _parameters(function)
    types = dict(args or {})
    for unknown in types.keys() - set(names):
        raise ArgumentError(
            f"{name} has no parameter {unknown!r}; it has {', '.join(names) or 'none'}"
        )
    graph = Graph()
    if strict_scalars or (strict_scalars is None and args is None):
        graph.unshaped = []
    params: list[Value] = []
    arguments: dict[str, Any] = {}
    taken: set[str] = set()
    for parameter in list(types) if len(types) == len(names) else names:
        tree, kinds = destructure(types.get(parameter, F64), parameter, _is_type, taken)
        pairs = zip(leaves(tree), kinds, strict=True)
        inner = [graph.param(leaf.name, type) for leaf, type in pairs]
        arguments[parameter] = build(tree, iter([Tracer(p) for p in inner]))
        params += inner
    result = _call(graph, function, [arguments[n] for n in names])
    graph.location = None
    outputs: list[Value] = []
    tree = _structure(graph, result, outputs, name)
    if not outputs:
        raise TraceError(f"{name} returns nothing to compute: {result!r}")
    name = name if name.isidentifier() else "f"
    return Function(name, tuple(params), tuple(outputs), tree)


def _is_type(part: Any) -> bool:
    return isinstance(part, Type)


def _call(graph: Graph, function: Callable[..., Any], operands: Sequence[Any]) -> Any:
    """What `function` returns.

    Raises:
        TraceError: a traced value was given to something in Python that has no use for it.
        NeedsShapes: the trace is without shapes and ran into something that needs them.
    """
    try:
        with tracing(graph):
            result = function(*operands)
    except NeedsShapes:
        raise
    except Exception as error:
        if graph.unshaped:  # the function caught the error that told so, and failed later
            raise NeedsShapes(graph.unshaped[0]) from error
        if not isinstance(error, (TypeError, AttributeError)) or isinstance(error, SymdiffError):
            raise
        if not re.search(r"\bTracer\b", str(error)):
            raise
        message = str(error).replace("'Tracer' object", "a traced value")
        message = re.sub(r"\bTracer\b", "traced value", message)
        raise TraceError(f"{place_of(error)}{message}") from error
    if graph.unshaped:
        raise NeedsShapes(graph.unshaped[0])
    return result


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
    tree, parts = destructure(result, "value", lambda part: isinstance(part, Traced))
    for part in parts:
        if not isinstance(part, (Traced, np.ndarray)) and not is_number(part):
            what = described(result) if part is result else f"{described(part)} in its result"
            raise TraceError(
                f"{name} returns {what}; it must return numbers or arrays "
                "computed from its parameters, or tuples, lists or dicts of such"
            )
        outputs.append(lift(graph, part, f64))
    return Leaf("value") if isinstance(tree, Leaf) else tree


# Functions of symdiff called while another one is traced.


def call_function(fn: Function, operands: Sequence[Any]) -> list[Tracer]:
    """The outputs of `fn` at `operands`, of which one at least is traced, recorded in its trace.

    A function of scalars maps over arrays, element by element.

    Raises:
        ArgumentError: the number of operands is not that of the parameters.
        TraceError: an operand is neither real numbers nor a traced value of this function.
        ShapeError: an operand does not have the shape of its parameter.
    """
    if len(operands) != len(fn.params):
        raise ArgumentError(
            f"{fn.name} takes {len(fn.params)} arguments ({', '.join(fn.param_names)}), "
            f"got {len(operands)}"
        )
    graph = graph_of(operands)
    known: dict[Value, Value] = {}
    for param, operand in zip(fn.params, operands, strict=True):
        dtype = param.type.dtype
        value = lift(graph, operand, f64 if dtype is boolean else dtype)
        known[param] = arrays.cast(value, dtype)
    if all(v.type.shape == p.type.shape for p, v in known.items()):
        return [Tracer(value) for value in copy_into(graph, fn.outputs, known)]
    values = fn.live()
    if any(v.type.shape for v in known) or not all(v.op.elementwise or not v.args for v in values):
        given = ", ".join(str(v.type) for v in known.values())
        wanted = ", ".join(str(p.type) for p in fn.params)
        raise ShapeError(f"{place()}{fn.name} takes {wanted}, got {given}; map over it by sd.vmap")
    return [Tracer(value) for value in _mapped(graph, fn, known)]


def _mapped(graph: Graph, fn: Function, known: dict[Value, Value]) -> list[Value]:
    """The outputs of `fn`, all of whose operations act on elements, at arrays."""
    shape = arrays.common_shape(fn.name, [v.type.shape for v in known.values()])
    made = {param: arrays.spread(value, shape) for param, value in known.items()}
    for value in live(fn.outputs):
        if value in made:
            continue
        if value.op is CONST:
            literal = cast("Literal", value.literal)
            made[value] = graph.const(literal.array, value.type.with_shape(()))
            made[value] = arrays.spread(made[value], shape)
        else:
            made[value] = graph.add(value.op, tuple([made[a] for a in value.args]), value.attrs)
    return [made[output] for output in fn.outputs]
