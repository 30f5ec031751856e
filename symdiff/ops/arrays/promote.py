"""Operands of array functions: one dtype by NumPy's rules, one shape by broadcasting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from symdiff.errors import ArgumentError, ShapeError, UnsupportedError
from symdiff.ir import (
    BOOL,
    CONST,
    DType,
    Graph,
    Literal,
    Type,
    Value,
    boolean,
    dtype_named,
    f32,
    f64,
    i64,
)
from symdiff.ops.arithmetic import mul
from symdiff.ops.comparison import and_, eq, lt, ne, or_
from symdiff.ops.comparison import where as select
from symdiff.ops.define import like
from symdiff.ops.functions import FUNCTIONS, NamedFunction
from symdiff.ops.rounding import floor_div, fmod, mod
from symdiff.ops.structure import Ints, broadcast, convert
from symdiff.ops.transcendental import pow

Operand = Any  # a Value, a Python number, which takes the dtype of the others, or a NumPy array


def graph_of(operands: Sequence[Operand]) -> Graph:
    """The graph of the first Value among `operands`.

    Raises:
        ArgumentError: there is none.
    """
    for operand in operands:
        if isinstance(operand, Value):
            return operand.graph
    raise ArgumentError("none of the operands is a value of a graph")


def constant(graph: Graph, array: Operand, dtype: DType | None = None) -> Value:
    """A constant with the elements of `array`: a number, an array, or nested lists of numbers.

    The dtype is that of the array, or the nearest one that symdiff has, unless given.

    Raises:
        ShapeError: ragged lists.
        UnsupportedError: elements that are not real numbers.
    """
    elements = as_array(array)
    dtype = dtype or nearest(elements.dtype)
    if dtype.kind == "i" and elements.size and elements.dtype.kind in "iuO":
        limits = np.iinfo(dtype.numpy.name)
        for worst in (elements.min(), elements.max()):
            if not limits.min <= worst <= limits.max:
                raise ShapeError(f"the integer {worst} does not fit in {dtype}")
    try:
        return graph.const(elements, Type(dtype, elements.shape))
    except OverflowError:
        raise ShapeError(f"the integer {elements} does not fit in {dtype}") from None


def as_array(array: Operand) -> Any:
    """`array` as a NumPy array of real numbers; see `constant`."""
    try:
        elements = np.asarray(array)
    except ValueError as error:
        raise ShapeError(f"rows of different lengths make no array: {error}") from None
    if elements.dtype.kind == "O" and elements.ndim == 0 and isinstance(array, int):
        return elements  # a Python int beyond 64 bits, as a constant of floating-point dtype
    nearest(elements.dtype)
    return elements


def nearest(dtype: Any) -> DType:
    """The DType that holds the numbers of a NumPy dtype.

    Raises:
        UnsupportedError: complex numbers, objects, texts, dates, long doubles.
    """
    if dtype.kind == "b":
        return boolean
    if dtype.kind == "f" and dtype.itemsize <= 8:
        return f64 if dtype.itemsize == 8 else f32
    if dtype.kind in "iu":
        return dtype_named("int32") if dtype == np.int32 else i64
    raise UnsupportedError(f"an array of dtype {dtype}; symdiff works with real numbers")


def shape_of(operand: Operand) -> Ints:
    """The shape of a Value, a number or an array."""
    if isinstance(operand, Value):
        return operand.type.shape
    return () if isinstance(operand, (int, float)) else as_array(operand).shape


def common_dtype(operands: Sequence[Operand]) -> DType:
    """The dtype to which NumPy 2 promotes `operands`; Python numbers adapt to the others."""
    kinds = {o.type.dtype for o in operands if isinstance(o, Value)}
    if len(kinds) == 1 and all(isinstance(o, Value) for o in operands):
        return kinds.pop()
    parts: list[Any] = [
        o.type.dtype.numpy
        if isinstance(o, Value)
        else bool(o)
        if isinstance(o, bool)
        else 0
        if type(o) is int
        else o
        if isinstance(o, (float, np.generic))
        else as_array(o).dtype
        for o in operands
    ]
    return nearest(np.result_type(*parts))


def common_shape(name: str, shapes: Sequence[Ints]) -> Ints:
    """The shape to which `shapes` broadcast.

    Raises:
        ShapeError: they do not.
    """
    first = shapes[0]
    if all(shape == first for shape in shapes):
        return first
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(
            f"{name}: the shapes {' and '.join(map(str, shapes))} do not broadcast"
        ) from None


def cast(x: Value, dtype: DType) -> Value:
    """`x` with elements of `dtype`; numbers become truth values by comparison with 0."""
    if x.type.dtype is dtype:
        return x
    literal = x.literal
    if literal is not None:
        scalar = literal.scalar
        number = literal.array if scalar is None else scalar
        with np.errstate(all="ignore"):
            converted = np.asarray(number).astype(dtype.numpy)
        return x.graph.const(converted, x.type.with_dtype(dtype))
    if dtype is boolean:
        return ne(x, like(x, 0.0))
    return convert(x, dtype=dtype.name)


def spread(x: Value, shape: Ints) -> Value:
    """`x` broadcast to `shape`; itself where it has that shape."""
    if x.type.shape == shape:
        return x
    literal = x.literal
    if literal is not None and len(literal.data) == literal.type.dtype.itemsize:
        whole = Literal(x.type.with_shape(shape), literal.data)
        return x.graph.add(CONST, (), (("value", whole),))
    return broadcast(x, shape=shape)


def value_in(graph: Graph, operand: Operand, dtype: DType | None = None) -> Value:
    """`operand` as a Value of `graph`, converted to `dtype` where one is given."""
    if isinstance(operand, Value):
        return operand if dtype is None else cast(operand, dtype)
    if dtype is boolean:
        operand = as_array(operand).astype(np.bool)
    return constant(graph, operand, dtype)


def common(
    *operands: Operand, name: str = "broadcasting", dtype: DType | None = None
) -> list[Value]:
    """`operands` in one dtype (NumPy 2's unless given) and one shape.

    Raises:
        ShapeError: the shapes do not broadcast.
        UnsupportedError: an operand has elements that are not real numbers.
    """
    graph = graph_of(operands)
    dtype = dtype or common_dtype(operands)
    shape = common_shape(name, [shape_of(o) for o in operands])
    return [spread(value_in(graph, o, dtype), shape) for o in operands]


# Functions of elements.

_INTEGERS: Final = frozenset(
    ("add", "sub", "mul", "neg", "abs", "sign", "min", "max", "lt", "le", "eq", "ne", "gt", "ge",
     "square", "relu", "clip", "where", "select", "stop_gradient")
)  # fmt: skip
_WHOLE: Final = frozenset(("floor", "ceil", "trunc", "round"))
_LOGICAL: Final = {"add": or_, "mul": and_, "max": or_, "min": and_, "abs": and_}
_ANY_DTYPE: Final = frozenset(("eq", "ne", "where", "select", "stop_gradient"))


def elementwise(name: str, *operands: Operand) -> Value:
    """The function called `name` in `FUNCTIONS`, element by element, as NumPy computes it.

    Operands broadcast and are promoted to one dtype; integers become f64 for functions that
    are not closed over them. Truth values count as 1 and 0.

    Raises:
        ArgumentError: too few or too many operands.
        ShapeError: the shapes do not broadcast.
        ValueError: an operand that the function does not take, such as a variable order.
    """
    entry = FUNCTIONS[name]
    if not entry.least <= len(operands) <= entry.most:
        raise ArgumentError(f"{name} takes {entry.expects}, got {len(operands)}")
    graph = graph_of(operands)
    numbers = [o for i, o in enumerate(operands) if not entry.takes_condition(i)]
    shape = common_shape(name, [shape_of(o) for o in operands])
    dtype = _computed_in(entry, numbers, shape)
    values = [
        spread(value_in(graph, o, boolean if entry.takes_condition(i) else dtype), shape)
        for i, o in enumerate(operands)
    ]
    if dtype.kind == "f" or not numbers:
        return entry.build(*values)
    if dtype is boolean and entry.name in _LOGICAL:
        return values[0] if len(values) == 1 else _LOGICAL[entry.name](*values)
    if entry.name in _INTEGERS:
        return entry.build(*values)
    return values[0] if entry.name in _WHOLE else _OF_INTEGERS[entry.name](*values)


def _computed_in(entry: NamedFunction, numbers: Sequence[Operand], shape: Ints) -> DType:
    """The dtype that `numbers` are converted to before `entry` is applied to them."""
    if not numbers:
        return boolean
    dtype = common_dtype(numbers)
    if dtype.kind == "f":
        return dtype
    of_values = {o.type.dtype for o in numbers if isinstance(o, Value)}
    name = entry.name
    if dtype is boolean and name in ("eq", "ne"):
        return boolean
    if not shape and of_values <= {boolean}:
        return f64  # conditions among scalars count as floating-point numbers, as in Python
    if dtype is boolean and (name in _ANY_DTYPE or name in _LOGICAL):
        return boolean
    if name in _INTEGERS or name in _WHOLE or name in _OF_INTEGERS:
        return i64 if dtype is boolean else dtype
    return f64


# Integers up to 2**53 go through f64 without loss.


def _by_floats(function: Any) -> Any:
    def rule(x: Value, y: Value) -> Value:
        dtype = x.type.dtype
        quotient = function(cast(x, f64), cast(y, f64))
        if y.literal and y.literal.scalar:
            return cast(quotient, dtype)
        safe = select(cast(eq(y, like(y, 0)), boolean), like(quotient, 0.0), quotient)
        return cast(safe, dtype)  # by zero gives 0, as in NumPy

    return rule


def _integer_power(x: Value, y: Value) -> Value:
    exponent = y.literal.scalar if y.literal else None
    if exponent is not None and exponent < 0:
        raise ShapeError("pow: integers to negative integer powers; make one of them a float")
    if exponent is None or exponent > 64:
        return cast(pow(cast(x, f64), cast(y, f64)), x.type.dtype)
    result, base, left = like(x, 1), x, int(exponent)
    while left:
        if left & 1:
            result = mul(result, base)
        base = mul(base, base) if left > 1 else base
        left >>= 1
    return result


_OF_INTEGERS: Final[dict[str, Any]] = {
    "floor_div": _by_floats(floor_div),
    "mod": _by_floats(mod),
    "fmod": _by_floats(fmod),
    "pow": _integer_power,
}


def where(condition: Operand, x: Operand, y: Operand) -> Value:
    """`x` where `condition` holds, `y` elsewhere."""
    return elementwise("where", condition, x, y)


def clip(x: Operand, low: Operand = None, high: Operand = None) -> Value:
    """`x` within [low, high], either of which may be None; at the ends the derivative is 1."""
    if low is not None and high is not None:
        return elementwise("clip", x, low, high)
    if low is not None:
        return where(elementwise("lt", x, low), low, x)
    return x if high is None else where(elementwise("lt", high, x), high, x)


def astype(x: Value, dtype: object) -> Value:
    """`x` converted to `dtype`: a DType, its name, or NumPy's dtype."""
    return cast(x, dtype_named(dtype))


def isfinite(x: Value) -> Value:
    """Where `x` is neither infinite nor NaN."""
    if x.type.dtype.kind != "f":
        return x.graph.const(True, Type(BOOL.dtype, x.type.shape))
    return lt(elementwise("abs", x), like(x, np.inf))
