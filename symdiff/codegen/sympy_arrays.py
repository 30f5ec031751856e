"""Operations on arrays as SymPy's matrices: a vector is a column, and more axes are refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from symdiff.codegen.array_notation import entries, matrix_product
from symdiff.errors import UnsupportedError
from symdiff.ir import CONST, PARAM, TupleType, Value
from symdiff.ops import broadcast, reshape

if TYPE_CHECKING:
    from symdiff.codegen.sympy import Writer


def export(writer: Writer, value: Value) -> Any:
    """The expression of `value`, an array or computed from arrays.

    Raises:
        UnsupportedError: SymPy's matrices have no counterpart of the operation.
    """
    if not isinstance(value.type, TupleType) and len(value.type.shape) <= 2:
        rule = _RULES.get(value.op.name, _elementwise if value.op.elementwise else None)
        found = rule(writer, value) if rule else None
        if found is not None:
            return found
    raise UnsupportedError(f"SymPy has no equivalent of {value.op.name} of type {value.type}")


def _extents(shape: Sequence[int]) -> tuple[int, int]:
    """The rows and columns of a matrix that stands for an array."""
    return (shape[0] if shape else 1, shape[1] if len(shape) > 1 else 1)


def _ones(writer: Writer, rows: int, columns: int) -> Any:
    return writer.sympy.OneMatrix(rows, columns)


# Sources.


def _param(writer: Writer, value: Value) -> Any:
    return writer.sympy.MatrixSymbol(value.attr("name"), *_extents(value.type.shape))


def _const(writer: Writer, value: Value) -> Any:
    literal = value.literal
    assert literal is not None
    rows, columns = _extents(value.type.shape)
    if literal.scalar is not None and value.type.dtype.kind != "b":
        return writer.number(literal.scalar) * _ones(writer, rows, columns)
    elements = [writer.number(x) for x in literal.array.ravel().tolist()]
    return writer.sympy.ImmutableMatrix(rows, columns, elements)


# Element by element.


def _scalar(writer: Writer, value: Value) -> Any:
    """The number that every element of `value` is, or None."""
    while value.op is broadcast or (value.op is reshape and value.type.size == 1):
        (value,) = value.args
    number = value.literal.scalar if value.literal is not None else None
    if number is not None:
        return writer.number(number)
    return None if value.type.shape else writer.read(value)


def _elementwise(writer: Writer, value: Value) -> Any:
    """An operation on the elements of one array and on numbers: a Lambda applied to the array."""
    numbers = [_scalar(writer, a) for a in value.args]
    arrays = [a for a, number in zip(value.args, numbers, strict=True) if number is None]
    if len(set(arrays)) != 1:
        return None
    element = writer.sympy.Dummy("x")
    body = writer.of_elements(value, [element if n is None else n for n in numbers])
    function = writer.sympy.Lambda(element, body)
    applied: Any = writer.sympy.matrices.expressions.applyfunc.ElementwiseApplyFunction
    return applied(function, writer.read(arrays[0]))


def _add(writer: Writer, value: Value) -> Any:
    x, y = (writer.read(a) for a in value.args)
    return x - y if value.op.name == "sub" else x + y


def _mul(writer: Writer, value: Value) -> Any:
    numbers = [_scalar(writer, a) for a in value.args]
    for number, other in zip(numbers, value.args[::-1], strict=True):
        if number is not None:
            return number * writer.read(other)
    return writer.sympy.HadamardProduct(*(writer.read(a) for a in value.args))


def _div(writer: Writer, value: Value) -> Any:
    x, y = value.args
    below = _scalar(writer, y)
    if below is not None:
        return writer.read(x) / below
    above = _scalar(writer, x)
    inverse = writer.sympy.HadamardPower(writer.read(y), -1)
    if above is not None:
        return above * inverse
    return writer.sympy.HadamardProduct(writer.read(x), inverse)


def _pow(writer: Writer, value: Value) -> Any:
    x, y = value.args
    exponent = _scalar(writer, y)
    if exponent is None or _scalar(writer, x) is not None:
        return _elementwise(writer, value)
    return writer.sympy.HadamardPower(writer.read(x), exponent)


def _convert(writer: Writer, value: Value) -> Any:
    kinds = {value.type.dtype.kind, value.args[0].type.dtype.kind}
    return writer.read(value.args[0]) if kinds == {"f"} else None


# Shapes.


def _broadcast(writer: Writer, value: Value) -> Any:
    rows, columns = _extents(value.type.shape)
    (arg,) = value.args
    x = writer.read(arg)
    if not arg.type.shape:
        return x * _ones(writer, rows, columns)
    if len(arg.type.shape) == 1 and len(value.type.shape) == 2:
        x = x.T  # the last axes are aligned, so that a vector is a row
    if x.shape[0] != rows:
        x = _ones(writer, rows, 1) * x
    return x if x.shape[1] == columns else x * _ones(writer, 1, columns)


def _reshape(writer: Writer, value: Value) -> Any:
    listed = entries(value)
    if listed is not None:
        return _matrix(writer, value, listed)
    (arg,) = value.args
    x = writer.read(arg)
    if not arg.type.shape:
        return writer.sympy.ImmutableMatrix([[x]])
    if not value.type.shape:
        return x[0, 0]
    extents = _extents(value.type.shape)
    if tuple(x.shape) == extents:
        return x
    return x.T if 1 in extents and tuple(x.shape[::-1]) == extents else None


def _transpose(writer: Writer, value: Value) -> Any:
    x = writer.read(value.args[0])
    return x.T if value.attr("axes") == (1, 0) else x


def _slice(writer: Writer, value: Value) -> Any:
    if 0 in value.type.shape:
        return None
    places = zip(
        value.attr("start"), value.attr("step"), value.type.shape, value.args[0].type.shape,
        strict=True,
    )  # fmt: skip
    ranges: list[slice] = []
    for start, step, n, extent in places:
        stop = start + step * n
        if not 0 <= stop <= extent:  # SymPy counts the elements up to the end itself
            return None
        ranges.append(slice(start, stop, step))
    return writer.read(value.args[0])[(*ranges, slice(0, 1))[:2]]


def _concatenate(writer: Writer, value: Value) -> Any:
    listed = entries(value)
    if listed is not None:
        return _matrix(writer, value, listed)
    parts = [writer.read(a) for a in value.args]
    rows = [parts] if value.attr("axis") else [[part] for part in parts]
    return writer.sympy.BlockMatrix(rows)


def _matrix(writer: Writer, value: Value, listed: Sequence[Value]) -> Any:
    """A matrix of expressions."""
    numbers = [_scalar(writer, entry) for entry in listed]
    return writer.sympy.ImmutableMatrix(*_extents(value.type.shape), numbers)


# Sums and products.


def _sum(writer: Writer, value: Value) -> Any:
    (arg,) = value.args
    x = writer.read(arg)
    if not value.type.shape:
        indices = [writer.sympy.Dummy(name, integer=True) for name in "ij"[: len(arg.type.shape)]]
        element = x[(*indices, 0)[:2]]
        ends = zip(indices, arg.type.shape, strict=True)
        return writer.sympy.Sum(element, *((index, 0, n - 1) for index, n in ends))
    rows, columns = _extents(value.type.shape)
    if len(arg.type.shape) == 2 and len(value.type.shape) == 1:
        rows, columns = 1, rows
    total = x if x.shape[0] == rows else _ones(writer, 1, x.shape[0]) * x
    total = total if x.shape[1] == columns else total * _ones(writer, x.shape[1], 1)
    return total.T if tuple(total.shape) != _extents(value.type.shape) else total


def _contract(writer: Writer, value: Value) -> Any:
    operands, _, result = value.attr("spec").partition("->")
    left, _, right = operands.partition(",")
    x, y = (writer.read(a) for a in value.args)
    if max(len(left), len(right)) > 2:
        return None
    product = matrix_product(left, right, result)
    if product is not None and not set(left) & set(right) & set(result):
        first, second = (x, y) if product.places == (0, 1) else (y, x)
        first = first.T if product.flipped[0] else first
        second = second.T if product.flipped[1] else second
        if product.ranks == (1, 1):
            return (first.T * second)[0, 0]
        return second.T * first if product.ranks[0] == 1 else first * second
    if len(left) == len(right) == 1 and len(result) == 2:
        return x * y.T if result == left + right else y * x.T
    if not result and len(left) == len(right) == 2:
        return writer.sympy.Trace(x.T * y if left == right else x * y)
    return None


_RULES: Final[dict[str, Callable[[Writer, Value], Any]]] = {
    PARAM.name: _param,
    CONST.name: _const,
    "add": _add,
    "sub": _add,
    "neg": lambda writer, value: -writer.read(value.args[0]),
    "mul": _mul,
    "div": _div,
    "pow": _pow,
    "convert": _convert,
    "broadcast": _broadcast,
    "reshape": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "concatenate": _concatenate,
    "reduce_sum": _sum,
    "contract": _contract,
}
