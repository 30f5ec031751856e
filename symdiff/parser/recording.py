"""Operations on traced values, recorded in the graph of the function being traced."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np

from symdiff.errors import (
    ArgumentError,
    IndexRangeError,
    NeedsShapes,
    ShapeError,
    TraceError,
    UnsupportedError,
)
from symdiff.ir import F64, SCALARS, Call, DType, Function, Graph, Value, boolean, f64, interpret
from symdiff.ops import FUNCTIONS, NamedFunction, arrays
from symdiff.parser.capture import captured, depth, is_nested
from symdiff.parser.coerce import compute_call
from symdiff.parser.places import place, trace_error, user_frame


class Traced:
    """The base of traced values: what they stand for.

    Attributes:
        value: the node of the graph.
    """

    __slots__ = ("value",)

    value: Value

    def __init__(self, value: Value) -> None:
        self.value = value


# Operands.


def is_number(x: Any) -> bool:
    """Whether `x` is a real number or truth value, of Python or NumPy."""
    if isinstance(x, np.ndarray):
        array = cast("np.ndarray[Any, Any]", x)
        return array.shape == () and array.dtype.kind in "fiub"
    # Fractions and the like come with __float__; so do complex numbers of NumPy.
    if isinstance(x, (str, bytes, complex, np.complexfloating, Traced)):
        return False
    return isinstance(x, (int, float, np.bool)) or hasattr(x, "__float__")


def described(x: Any) -> str:
    """`x` in a message: its beginning, and its type."""
    text = repr(x)
    return f"{text if len(text) <= 40 else text[:37] + '...'} (a {type(x).__name__})"


def first_traced(operands: Any) -> Traced | None:
    """The first traced value among `operands`, also within lists, tuples and dicts.

    Where functions are traced inside others, the first one of the innermost.
    """
    pending: list[Any] = [operands]
    found: Traced | None = None
    while pending:
        operand = pending.pop()
        if isinstance(operand, Traced):
            if not is_nested():
                return operand
            if found is None or depth(operand.value.graph) > depth(found.value.graph):
                found = operand
        elif isinstance(operand, (list, tuple)):
            pending.extend(reversed(cast("list[Any]", operand)))
        elif isinstance(operand, dict):
            pending.extend(reversed(list(cast("dict[Any, Any]", operand).values())))
        elif isinstance(operand, slice):
            bounds = cast("Any", operand)
            pending.extend((bounds.step, bounds.stop, bounds.start))
    return found


def graph_of(operands: Sequence[Any]) -> Graph:
    """The graph of the first traced operand."""
    found = first_traced(operands)
    if found is None:
        raise ArgumentError("none of the arguments is a traced value")
    return found.value.graph


def lift(graph: Graph, operand: Any, dtype: DType | None = None) -> Value:
    """`operand` in `graph`: a traced value, a number or an array.

    A Python number takes `dtype` (f64 unless given), a truth value stays one.
    """
    known = lowered(graph, operand)
    if isinstance(known, Value):
        return known
    if isinstance(known, (int, float)) and not isinstance(known, bool):
        return graph.const(known, SCALARS[dtype or f64])
    value = arrays.constant(graph, known)
    scalar = not value.type.shape and value.type.dtype is not boolean
    return arrays.cast(value, dtype or f64) if scalar else value


def lowered(graph: Graph, operand: Any) -> Any:
    """`operand` as the functions of `symdiff.ops` take it: a Value, a number or a NumPy array.

    Raises:
        TraceError: it is none of these, or a traced value of another function.
        NeedsShapes: it is an array, and the function is traced without shapes.
    """
    if isinstance(operand, Traced):
        if operand.value.graph is graph:
            return operand.value
        try:
            return captured(graph, operand.value)
        except TraceError as error:
            raise trace_error(str(error)) from None
    if is_number(operand):
        return _number(operand)
    if isinstance(operand, (np.ndarray, list, tuple)):
        need_shapes(graph, "an array meets a traced value")
        return _array(graph, cast("Any", operand))
    raise trace_error(f"a traced value cannot be combined with {described(operand)}")


def _number(operand: Any) -> Any:
    if isinstance(operand, np.ndarray):
        return cast("Any", operand)[()]
    if isinstance(operand, (bool, float, np.generic)):
        return cast("Any", operand)
    try:
        number = float(operand)
    except (TypeError, ValueError, OverflowError) as error:
        raise trace_error(f"{described(operand)} is not a number: {error}") from None
    return operand if isinstance(operand, int) else number


def _array(graph: Graph, operand: Any) -> Any:
    """Lists with traced values in them are stacked, other arrays constants."""
    if isinstance(operand, (list, tuple)) and first_traced(operand) is not None:
        parts = [lowered(graph, part) for part in cast("list[Any]", operand)]
        return arrays.stack(parts)
    try:
        return arrays.as_array(operand)
    except (ShapeError, UnsupportedError) as error:
        raise type(error)(place() + str(error)) from None


def need_shapes(graph: Graph, what: str) -> None:
    """Nothing, if the function is traced with the shapes of its parameters.

    Raises:
        NeedsShapes: it is traced without them. The trace fails then, whatever becomes of the error.
    """
    if graph.unshaped is not None:
        raise NeedsShapes(note_need(graph, what))


def note_need(graph: Graph, what: str) -> str:
    """The message that says what needs shapes; it is noted in the graph."""
    message = (
        f"{place()}{what}, which depends on the shapes of the parameters; "
        'give them, as in args={"x": "f64[3]"}, or call the function with arrays'
    )
    if graph.unshaped is not None:
        graph.unshaped.append(message)
    return message


# Recording.


def recorded(graph: Graph, build: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `build` returns; values that it adds to `graph` know the user's line, and so do errors.

    Raises:
        TraceError: `build` raised a ValueError.
    """
    frame = user_frame()
    graph.location = Call(frame.f_code, frame.f_lasti) if frame else None
    try:
        return build(*args, **kwargs)
    except (ShapeError, IndexRangeError, UnsupportedError) as error:
        raise type(error)(place() + str(error)) from None
    except ValueError as error:
        raise trace_error(str(error)) from None


def apply(name: str, *operands: Any) -> Any:
    """The function called `name` in the table, element by element: of traced values a traced
    value, otherwise what NumPy computes.

    Raises:
        TraceError: an operand is neither real numbers nor a traced value of this function.
        ArgumentError: too few or too many operands.
        ShapeError: the shapes of the operands do not broadcast.
    """
    entry = FUNCTIONS[name]
    if not entry.least <= len(operands) <= entry.most:
        raise ArgumentError(f"{name} takes {entry.expects}, got {len(operands)}")
    traced = first_traced(operands)
    if traced is None:
        try:
            return compute_call(entry, operands)
        except ValueError as error:
            raise trace_error(str(error)) from None
    graph = traced.value.graph
    values = _scalars(graph, entry, operands)
    if values is not None:
        return traced.__class__(recorded(graph, entry.build, *values))
    known = [lowered(graph, o) for o in operands]
    return traced.__class__(recorded(graph, arrays.elementwise, name, *known))


def _scalars(graph: Graph, entry: NamedFunction, operands: Sequence[Any]) -> list[Value] | None:
    """The operands as f64 scalars, if that is what they are: nothing to promote or broadcast."""
    if entry.conditions:
        return None
    values: list[Value] = []
    for operand in operands:
        if isinstance(operand, Traced):
            value = operand.value
            if value.type.dtype is not f64 or value.type.shape or value.graph is not graph:
                return None
            values.append(value)
        elif operand.__class__ is float:
            values.append(graph.const(operand, F64))
        else:
            return None
    return values


def stop_gradient(x: Any) -> Any:
    """`x`, a number or an array, taken as a constant by differentiation."""
    return apply("stop_gradient", x) if isinstance(x, Traced) else x


def where(condition: Any, x: Any, y: Any) -> Any:
    """`x` where `condition` holds, `y` elsewhere; see `apply`."""
    return apply("where", condition, x, y)


def record(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A function of `symdiff.ops.arrays`: of traced values traced values, otherwise computed.

    Raises:
        NeedsShapes: the trace is without shapes.
        TraceError: an argument that the function does not take.
    """
    traced = first_traced((args, kwargs))
    graph = Graph() if traced is None else traced.value.graph
    if traced is not None:
        need_shapes(graph, f"{function.__name__} of a traced value")
    kinds = _annotations(function)
    operands = [_argument(graph, a, kinds[min(i, len(kinds) - 1)][1]) for i, a in enumerate(args)]
    named = dict(kinds)
    options = {k: _argument(graph, a, named.get(k, "")) for k, a in kwargs.items()}
    result: Any = recorded(graph, function, *operands, **options)
    made: Any = _evaluated if traced is None else traced.__class__
    if isinstance(result, list):
        return [made(part) for part in cast("list[Any]", result)]
    if isinstance(result, tuple):
        return tuple([made(part) for part in cast("tuple[Any, ...]", result)])
    return made(result)


@lru_cache(maxsize=256)
def _annotations(function: Callable[..., Any]) -> tuple[tuple[str, str], ...]:
    """The names of the parameters and what they are annotated as, in text."""
    parameters = inspect.signature(function).parameters.values()
    return tuple((p.name, str(p.annotation)) for p in parameters)


def _argument(graph: Graph, argument: Any, kind: str) -> Any:
    """`argument` with Values in place of traced values, for a parameter annotated as `kind`."""
    if kind == "Value":
        known = lowered(graph, argument)
        return known if isinstance(known, Value) else arrays.constant(graph, known)
    if isinstance(argument, Traced) or (kind == "Operand" and first_traced(argument) is not None):
        return lowered(graph, argument)
    if isinstance(argument, (list, tuple)) and first_traced(argument) is not None:
        return [_argument(graph, part, "Operand") for part in cast("Sequence[Any]", argument)]
    return cast("Any", argument)


def index_key(graph: Graph, key: Any) -> Any:
    """The `key` of `x[key]` with Values in place of traced values."""
    if isinstance(key, tuple):
        return tuple([index_key(graph, item) for item in cast("tuple[Any, ...]", key)])
    if isinstance(key, slice) and first_traced(key) is not None:
        raise trace_error(
            "a slice needs Python numbers, not traced values; "
            "write x[start + np.arange(n)] for n elements from a computed start"
        )
    return lowered(graph, key) if first_traced(key) is not None else cast("Any", key)


def _evaluated(value: Value) -> Any:
    """The elements of a value without parameters."""
    (result,) = interpret(Function("f", (), (value,)), [])
    return np.asarray(result)[()]
