"""Operators: arithmetic, logic, comparisons and choices of numbers, arrays and indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from symdiff.ir import BOOL, Op, Value, boolean
from symdiff.ops import (
    add,
    and_,
    arrays,
    div,
    eq,
    floor_div,
    le,
    lt,
    mod,
    mul,
    ne,
    neg,
    not_,
    or_,
    pow,
    sub,
    where,
)
from symdiff.parser.affine import Affine
from symdiff.parser.coerce import as_number
from symdiff.parser.context import Context
from symdiff.parser.grammar import Node
from symdiff.parser.indexed import Part, aligned, along, value_of
from symdiff.parser.items import Item, Several
from symdiff.parser.subscripts import whole_number
from symdiff.parser.whole_numbers import arithmetic_of

ARITHMETIC: Final[dict[str, Op]] = {
    "+": add, "-": sub, "*": mul, "/": div, "//": floor_div, "%": mod, "**": pow,
}  # fmt: skip
LOGIC: Final[dict[str, Op]] = {"and": and_, "&": and_, "or": or_, "|": or_, "not": not_, "~": not_}
_COMPARISONS: Final[dict[str, tuple[Op, bool]]] = {
    "<": (lt, False), "<=": (le, False), "==": (eq, False), "!=": (ne, False),
    ">": (lt, True), ">=": (le, True),  # with the operands exchanged
}  # fmt: skip


def arithmetic(b: Context, node: Node, operands: Sequence[Item]) -> Item:
    """`x + y` and the other operations of two numbers."""
    left, right = operands
    op = ARITHMETIC[node.kind]
    if left.type is b.type and right.type is b.type:
        return b.graph.add(op, (left, right))  # type: ignore[arg-type]
    first, second = node.children
    whole = arithmetic_of(node.kind, whole_number(b, left, first), whole_number(b, right, second))
    if whole is not None:
        return whole
    numbers = scalars(b, operands, node.children)
    if numbers is None:
        return b.elementwise(op.name, operands, node.children, whole=node.kind != "/")
    value = b.graph.add(op, numbers)
    if all(number in b.constants for number in numbers):
        b.check_constant(value, node)
    return value


def scalars(b: Context, items: Sequence[Item], nodes: Sequence[Node]) -> tuple[Value, ...] | None:
    """The items as scalars of the formula's dtype; None if one is something else."""
    found: list[Value] = []
    for item, node in zip(items, nodes, strict=True):
        if isinstance(item, Affine) and not item.terms:
            item = b.literal(float(item.offset))
        if isinstance(item, Several):
            item = b.part(item, node)
        if not isinstance(item, Value) or item.type.shape:
            return None
        if item.type.dtype is boolean:
            item = as_number(item, b.dtype)
        if item.type.dtype is not b.dtype:
            return None
        found.append(item)
    return tuple(found)


def sign(b: Context, node: Node, operands: Sequence[Item]) -> Item:
    """`-x` and `+x`."""
    (item,) = operands
    if item.type is b.type:
        return b.graph.add(neg, (item,)) if node.kind == "neg" else item  # type: ignore[arg-type]
    if isinstance(item, Affine):
        return item.times(-1) if node.kind == "neg" else item
    numbers = scalars(b, operands, node.children)
    if numbers is not None:
        return b.graph.add(neg, numbers) if node.kind == "neg" else numbers[0]
    part = b.part(item, node.children[0])
    return b.elementwise("neg", [part], node.children, True) if node.kind == "neg" else part


def logic(b: Context, node: Node, operands: Sequence[Item]) -> Item:
    """`c and d`, `c or d`, `not c`."""
    whose = f"`{node.kind}`"
    pairs = zip(operands, node.children, strict=True)
    parts = [condition_of(b, o, c, whose) for o, c in pairs]
    return combined(b, LOGIC[node.kind], parts)


def combined(b: Context, op: Op, parts: Sequence[Part]) -> Part:
    """An operation of conditions, broadcast where they are arrays."""
    if all(isinstance(p, Value) and not p.type.shape for p in parts):
        return b.graph.add(op, tuple(parts))  # type: ignore[arg-type]
    operands, axes = aligned(parts)
    return along(op(*arrays.common(*operands)), axes)


def compare(b: Context, node: Node, operands: Sequence[Item]) -> Item:
    """`x < y <= z`: the comparisons that stand in a chain, joined."""
    whole: Part | None = None
    for i, symbol in enumerate(node.text.split()):
        link = comparison(b, symbol, operands[i : i + 2], node.children[i : i + 2])
        whole = link if whole is None else combined(b, and_, [whole, link])
    assert whole is not None  # a comparison has at least one symbol
    return whole


def comparison(b: Context, symbol: str, operands: Sequence[Item], nodes: Sequence[Node]) -> Part:
    """One comparison of two operands."""
    op, exchanged = _COMPARISONS[symbol]
    if op in (eq, ne) and all(o.type == BOOL for o in operands):
        left, right = operands
        return b.graph.add(op, (left, right))  # type: ignore[arg-type]
    numbers = scalars(b, operands, nodes)
    if numbers is not None:
        return b.graph.add(op, numbers[::-1] if exchanged else numbers)
    if exchanged:
        operands, nodes = operands[::-1], nodes[::-1]
    return b.elementwise(op.name, operands, nodes, whole=True)


def choice(b: Context, node: Node, operands: Sequence[Item]) -> Item:
    """`x if c else y`."""
    value, condition, other = node.children
    return select(
        b,
        condition_of(b, operands[1], condition, "`if`"),
        [operands[0], operands[2]],
        [value, other],
    )


def select(b: Context, condition: Part, items: Sequence[Item], nodes: Sequence[Node]) -> Part:
    """The first of two items where `condition` holds, the second elsewhere."""
    x, y = items
    if isinstance(condition, Value) and not condition.type.shape:
        if isinstance(x, Value) and x.type == BOOL and y.type == BOOL:
            return b.graph.add(where, (condition, x, y))  # type: ignore[arg-type]
        numbers = scalars(b, items, nodes)
        if numbers is not None:
            return b.graph.add(where, (condition, *numbers))
    operands, axes = aligned([condition, *b.typed(items, nodes, whole=True)])
    return along(arrays.where(*operands), axes)


def condition_of(b: Context, item: Item, node: Node, whose: str) -> Part:
    """`item` as a condition.

    Raises:
        ParseError: it is a number.
    """
    part = b.part(item, node)
    if value_of(part).type.dtype is boolean:
        return part
    short = not node.children and node.end - node.start <= 40
    written = b.source[node.start : node.end] if short else "x"
    # These bind tighter than comparisons do: x > 0 | x < 1 is x > (0 | x) < 1.
    grouped = {"`&`": "(a > 0) & (b > 0)", "`|`": "(a > 0) | (b > 0)", "`~`": "~(a > 0)"}
    hint = f"write {written} != 0"
    if whose in grouped:
        hint = f"put each comparison in parentheses: {grouped[whose]}"
    raise b.fail(f"{whose} needs a condition, this is a number", node, hint)
