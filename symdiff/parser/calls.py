"""Calls of functions by their names: of elements, of arrays, and over generators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from symdiff.errors import ArgumentError, ParseError, ShapeError, ShapeParseError
from symdiff.ir import Value, boolean
from symdiff.ops import FUNCTIONS, NamedFunction, arrays
from symdiff.parser.affine import Affine
from symdiff.parser.array_calls import CALLABLE, SHAPES, call_array, is_array, shape_call
from symdiff.parser.coerce import build_call
from symdiff.parser.context import Context
from symdiff.parser.gates import Gate
from symdiff.parser.grammar import Node
from symdiff.parser.index_sums import REDUCTIONS, reduce_terms
from symdiff.parser.indexed import Indexed, aligned, along, value_of
from symdiff.parser.items import Collected, Extreme, Item, Keyword, Several
from symdiff.parser.lexer import near
from symdiff.parser.operators import condition_of, select
from symdiff.parser.subscripts import whole_number
from symdiff.parser.tracer import Tracer

# Functions of whole numbers that are whole numbers.
_WHOLE: Final = frozenset({"abs", "sign", "min", "max", "square", "clip", "mod", "floor_div"})

# What is called most, with a value of the formula's own type: nothing has to be converted.
_OF_ONE_NUMBER: Final = frozenset(
    name
    for name, entry in FUNCTIONS.items()
    if entry.least == entry.most == 1 and not entry.conditions and name not in CALLABLE
)


def call(b: Context, node: Node, operands: Sequence[Item]) -> Item:
    """The function that `node` calls, of its operands.

    Raises:
        ParseError: there is no such function, or it does not take these operands.
    """
    name = node.text
    if name in b.gates:
        return call_gate(b, b.gates[name], node, operands)
    if len(operands) == 1 and operands[0].type is b.type and name in _OF_ONE_NUMBER:
        return FUNCTIONS[name].build(operands[0])  # type: ignore[arg-type]
    if name == "Piecewise":
        return piecewise(b, node, operands)
    entry = FUNCTIONS.get(name)
    if operands and isinstance(operands[0], Collected):
        if name in REDUCTIONS:
            return reduce_terms(b, name, operands[0], node)
        hint = "sum, prod, max and min go over a generator"
        raise b.fail(f"{name[:40]} of a generator", node, hint)
    if name in CALLABLE and (entry is None or _reduces(operands)):
        return call_array(b, node, operands)
    if entry is None:
        if name in SHAPES:
            return shape_call(b, node, operands)
        raise unknown_function(b, node)
    for operand, child in zip(operands, node.children, strict=True):
        if isinstance(operand, Keyword):
            hint = f"write {name}(x) with the arguments by position"
            raise b.fail(f"{name} takes no argument called {operand.name[:40]}", child, hint)
    if not entry.least <= len(operands) <= entry.most:
        names = "x, y, z" if entry.least > 2 else "x, y" if entry.least > 1 else "x"
        reason = f"{name} takes {entry.expects}, not {len(operands)}"
        raise b.fail(reason, node, f"write {name}({names})")
    return apply(b, entry, node, operands)


def call_gate(b: Context, gate: Gate, node: Node, operands: Sequence[Item]) -> Item:
    """A gate of the user's own, which takes numbers and arrays."""
    name = node.text[:40]
    for operand, child in zip(operands, node.children, strict=True):
        if isinstance(operand, Keyword):
            raise b.fail(f"{name} takes its arguments by position", child, f"write {name}(x)")
    parts = [b.part(o, child) for o, child in zip(operands, node.children, strict=True)]
    if any(isinstance(part, Indexed) for part in parts):
        hint = "write it over whole arrays, outside of generators"
        raise b.fail(f"{name} is a gate, which takes no element by an index", node, hint)
    try:
        result = gate.on(b.graph, [value_of(part) for part in parts])
    except ArgumentError as error:
        raise b.fail(str(error), node, "give as many arguments as its forward has") from None
    except ShapeError as error:
        hint = "forward returns one value, backward a gradient in the shape of each operand"
        raise ShapeParseError(str(error), b.source, node.start, hint) from None
    if not isinstance(result, Tracer):
        raise b.fail(f"{name} returns several values", node, "return one from its forward")
    return result.value


def apply(b: Context, entry: NamedFunction, node: Node, operands: Sequence[Item]) -> Item:
    """A function of elements."""
    children = node.children
    if entry.name in ("where", "select"):
        condition = condition_of(b, operands[0], children[0], node.text)
        return select(b, condition, operands[1:], children[1:])
    if entry.name in ("min", "max"):
        bounds = [whole_number(b, o, c) for o, c in zip(operands, children, strict=True)]
        known = [bound for bound in bounds if bound is not None]
        if len(known) == len(bounds) and any(isinstance(o, Affine) for o in operands):
            return _extreme(entry.name, known)
    items = [
        condition_of(b, o, c, node.text) if entry.takes_condition(i) else o
        for i, (o, c) in enumerate(zip(operands, children, strict=True))
    ]
    items = [
        b.literal(float(i.offset)) if isinstance(i, Affine) and not i.terms else i for i in items
    ]
    try:
        if all(
            isinstance(i, Value) and i.type.dtype in (b.dtype, boolean) and not i.type.shape
            for i in items
        ):
            value = build_call(entry, items, b.dtype)  # type: ignore[arg-type]
            if all(i in b.constants for i in items):
                b.check_constant(value, node)
            return value
        if entry.conditions == "all":
            conditions, axes = aligned(items)
            return along(entry.build(*arrays.common(*conditions)), axes)
        return b.elementwise(entry.name, items, children, entry.name in _WHOLE)
    except ShapeError:
        raise
    except ValueError as error:
        hint = "write a number where a constant is asked for"
        raise b.fail(str(error), node, hint) from None


def piecewise(b: Context, node: Node, operands: Sequence[Item]) -> Item:
    """The value of the first pair whose condition holds; NaN if none does."""
    form = "write Piecewise((x, x > 0), (0, True))"
    if not operands:
        raise b.fail("Piecewise takes 1 or more arguments, not 0", node, form)
    whole: Item | None = None
    for item, child in zip(reversed(operands), reversed(node.children), strict=True):
        if not isinstance(item, Several) or item.is_list or len(item.items) != 2:
            raise b.fail("Piecewise takes pairs of a value and a condition", child, form)
        value, condition = item.items
        part = condition_of(b, condition, child.children[1], "Piecewise")
        literal = value_of(part).literal
        if literal and literal.scalar:
            whole = value
        else:
            rest = b.graph.const(math.nan, b.type) if whole is None else whole
            whole = select(b, part, [value, rest], [child.children[0], node])
    assert whole is not None
    return whole


def unknown_function(b: Context, node: Node) -> ParseError:
    """The error at the call of a name that is no function."""
    name = node.text
    if name == "range":
        hint = "write sum(x[i] for i in range(n))"
        return b.fail("a range stands only after `in`", node, hint)
    hint = f"for a product write {name[:40]}*(...)"
    if name not in b.params and name not in b.env:
        known = [*b.gates, *FUNCTIONS, *CALLABLE, *SHAPES, "Piecewise"]
        hint = near(name, known) or "functions are those of math, NumPy and SymPy; " + hint
    return b.fail(f"unknown function {name[:40]!r}", node, hint)


def _reduces(operands: Sequence[Item]) -> bool:
    """Whether a call of max or min goes over an array rather than its operands."""
    return any(isinstance(o, Keyword) for o in operands) or (
        len(operands) == 1 and is_array(operands[0])
    )


def _extreme(which: str, numbers: Sequence[Affine]) -> Item:
    """The least or greatest of whole numbers, which may be a bound of a range."""
    if any(number.terms for number in numbers):
        return Extreme(which, tuple(numbers))
    offsets = [number.offset for number in numbers]
    return Affine(min(offsets) if which == "min" else max(offsets))
