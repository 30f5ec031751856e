"""What the parts of the text front end share while they build a formula: items into values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.errors import ParseError
from symdiff.ir import SCALARS, DType, Graph, Type, Value, boolean, f64, i64
from symdiff.ops import arrays
from symdiff.parser.affine import Affine
from symdiff.parser.coerce import as_number
from symdiff.parser.gates import Gate
from symdiff.parser.grammar import Node
from symdiff.parser.indexed import (
    Indexed,
    Loops,
    Part,
    aligned,
    along,
    core_of,
    numbers_along,
    value_of,
)
from symdiff.parser.items import Extreme, Item, Remainder, Several

MOST_AXES = 32
DECLARE = 'declare an array: args={"x": "f64[3]"}, or def f(x: f64[n]): ...'


class Context:
    """A formula that is being built.

    Attributes:
        dtype: of the numbers in the formula; `type` is the scalar type.
        gates: functions of the user's own, by name.
        params: the parameters; `env` has what the names stand for, these among them.
        constants: values made of literals alone, as NumPy scalars and arrays.
        loops: the generators around what is being built, outer ones first.
        reordered: whether some names were not met in the order of the text.
    """

    def __init__(self, source: str, dtype: DType, gates: Mapping[str, Gate]) -> None:
        self.source = source
        self.graph = Graph()
        self.dtype = dtype
        self.gates = gates
        self.type = SCALARS[dtype]
        self.params: dict[str, Value] = {}
        self.env: dict[str, Item] = {}
        self.constants: dict[Value, Any] = {}
        self.loops: list[Loops] = []
        self.reordered = False

    def fail(self, reason: str, node: Node, hint: str) -> ParseError:
        return ParseError(reason, self.source, node.start, hint)

    def check_constant(self, value: Value, node: Node) -> None:
        """Compute `value`, which has no parameters below it, and make sure that it is finite."""
        constants, pending = self.constants, [value]
        while pending:
            top = pending[-1]
            missing = [a for a in top.args if a not in constants]
            if missing:
                pending += missing
            else:
                pending.pop()
                if top not in constants:
                    operands = [constants[a] for a in top.args]
                    constants[top] = top.op.value(*operands, **dict(top.attrs))
        if not np.all(np.isfinite(constants[value])):
            shown = constants[value].item() if not value.type.shape else "not finite"
            reason = f"this constant is {shown} in {self.dtype}"
            hint = "write constants that are finite real numbers"
            raise self.fail(reason, node, hint)

    # Operands as values.

    def part(self, item: Item, node: Node) -> Part:
        """`item` as a value, with the axes of the indices that it depends on.

        Raises:
            ParseError: it is no value: a tuple, quoted text.
        """
        if isinstance(item, (Value, Indexed)):
            return item
        if isinstance(item, Affine):
            if not item.terms:
                return self.literal(float(item.offset))
            return numbers_along(self.graph, item, i64)
        if isinstance(item, Remainder):
            return self._elementwise("mod", [self.part(item.number, node), item.modulus])
        if isinstance(item, Extreme):
            return self._elementwise(item.which, [self._whole(n, node) for n in item.numbers])
        if isinstance(item, Several) and item.is_list:
            return self._stacked(item)
        if isinstance(item, Several):
            hint = "several results stand at the end of the text only: a, b; a vector is [a, b]"
            raise self.fail("a tuple within a formula", node, hint)
        raise self.fail("this is no value", node, "write a number or an array here")

    def _whole(self, number: Affine, node: Node) -> Any:
        return self.part(number, node) if number.terms else number.offset

    def literal(self, number: float) -> Value:
        """A number of the formula."""
        value = self.graph.const(number, self.type)
        self.constants[value] = self.dtype.numpy.type(number)
        return value

    def numbers(
        self, items: Sequence[Item], nodes: Sequence[Node], whole: bool
    ) -> tuple[list[Any], tuple[Any, ...]]:
        """As `typed`, in shapes that broadcast, and the axes that come first in them."""
        return aligned(self.typed(items, nodes, whole))

    def typed(self, items: Sequence[Item], nodes: Sequence[Node], whole: bool) -> list[Any]:
        """The operands of an elementwise function: values, and Python numbers.

        Numbers that are written out, and whole numbers, adapt to the others as Python numbers do
        in NumPy; the first value among the results decides. `whole` says that the function of
        integers is one.
        """
        parts: list[Any] = []
        for item, node in zip(items, nodes, strict=True):
            if isinstance(item, Value) and not item.type.shape:
                number = self.constants.get(item)
                if number is not None:
                    parts.append(self._written(number, node))
                elif item.type.dtype is boolean:
                    parts.append(as_number(item, self.dtype))
                else:
                    parts.append(item)
            elif isinstance(item, Affine) and not item.terms:
                parts.append(item.offset)
            elif isinstance(item, (Affine, Remainder, Extreme)):
                parts.append(item)
            else:
                parts.append(self.part(item, node))
        if any(isinstance(p, (Affine, Remainder, Extreme)) for p in parts):
            dtype = self._counted_in(parts, whole)
            parts = [
                self._counted(p, dtype, node) if isinstance(p, (Affine, Remainder, Extreme)) else p
                for p, node in zip(parts, nodes, strict=True)
            ]
        if not any(isinstance(p, (Value, Indexed)) for p in parts):
            parts = [self.literal(float(p)) for p in parts]
        return parts

    def _written(self, number: Any, node: Node) -> float:
        """A literal as a Python number: an int if it was written as one."""
        whole = isinstance(number, int) or (is_whole(node) and number == int(number))
        return int(number) if whole else float(number)

    def _counted_in(self, parts: Sequence[Any], whole: bool) -> DType:
        """The dtype that indices take among `parts`."""
        given = [value_of(p).type.dtype for p in parts if isinstance(p, (Value, Indexed))]
        floats = [dtype for dtype in given if dtype.kind == "f"]
        if floats:
            return f64 if f64 in floats else floats[0]
        return i64 if whole and not any(isinstance(p, float) for p in parts) else self.dtype

    def _counted(self, item: Affine | Remainder | Extreme, dtype: DType, node: Node) -> Part:
        if isinstance(item, Affine):
            return numbers_along(self.graph, item, dtype)
        part = self.part(item, node)
        return along(arrays.cast(value_of(part), dtype), part.axes) if isinstance(
            part, Indexed
        ) else part  # fmt: skip

    def elementwise(
        self, name: str, items: Sequence[Item], nodes: Sequence[Node], whole: bool = False
    ) -> Part:
        """The function called `name` of numbers, promoted and broadcast as NumPy does it."""
        operands, axes = self.numbers(items, nodes, whole)
        return along(arrays.elementwise(name, *operands), axes)

    def _elementwise(self, name: str, parts: Sequence[Any]) -> Part:
        operands, axes = aligned(parts)
        return along(arrays.elementwise(name, *operands), axes)

    # Lists.

    def several(self, node: Node, items: Sequence[Item]) -> Several:
        """The elements of a tuple or a list; lists within a list that are not constant, stacked.

        Raises:
            ParseError: lists that are nested too deep.
        """
        if node.kind != "list":
            return Several(tuple(items), node)
        kept: list[Item] = []
        for item, child in zip(items, node.children, strict=True):
            rows = isinstance(item, Several) and item.is_list and not item.depth
            kept.append(self.part(item, child) if rows else item)
        constant = all(
            bool(i.depth) if isinstance(i, Several) else self._constant(i) is not None for i in kept
        )
        depth = 1 + max((i.depth for i in kept if isinstance(i, Several)), default=0)
        if depth > MOST_AXES or any(
            len(core_of(i)) >= MOST_AXES for i in kept if isinstance(i, (Value, Indexed))
        ):
            hint = f"an array has at most {MOST_AXES} axes"
            raise self.fail("lists are nested too deep", node, hint)
        return Several(tuple(kept), node, depth if constant else 0)

    def _stacked(self, several: Several) -> Part:
        """The array whose rows are the elements of a list."""
        nodes = several.nodes
        if not nodes:
            raise self.fail("an empty list", several.node, "write its elements: [x, y]")
        if several.depth:
            constant = self.constant_list(several).astype(self.dtype.numpy)
            value = self.graph.const(constant, Type(self.dtype, constant.shape))
            self.constants[value] = constant
            return value
        items = [
            self.part(item, node) if isinstance(item, Several) else item
            for item, node in zip(several.items, nodes, strict=True)
        ]
        rows = [core_of(i) if isinstance(i, (Value, Indexed)) else () for i in items]
        for row, node in zip(rows, nodes, strict=True):
            if row != rows[0]:
                reason = f"a list of rows of different shapes, {rows[0]} and {row}"
                hint = "write rows of equal length, or concatenate([x, y])"
                raise self.fail(reason, node, hint)
        operands, axes = self.numbers(items, nodes, whole=False)
        return along(arrays.stack(arrays.common(*operands), axis=len(axes)), axes)

    def constant_list(self, several: Several) -> Any:
        """The array that a list of literals, nested or not, denotes: of integers, or in f64.

        Raises:
            ParseError: rows of different lengths.
        """
        flat: list[Any] = []
        shape: list[int] = []
        leaf_depth = 0
        pending: list[tuple[Item, Node, int]] = [(several, several.node, 0)]
        while pending:
            item, node, depth = pending.pop()
            if isinstance(item, Several):
                count = len(item.items)
                if depth == len(shape) and not leaf_depth:
                    shape.append(count)
                if depth >= len(shape) or shape[depth] != count:
                    hint = "write rows of equal length"
                    raise self.fail("rows of different lengths in a list", node, hint)
                pairs = zip(item.items, item.nodes, strict=True)
                pending += reversed([(i, n, depth + 1) for i, n in pairs])
                continue
            if depth != len(shape):
                raise self.fail("numbers beside rows in a list", node, "write rows of equal length")
            leaf_depth = depth
            flat.append(self._written(self._constant(item), node))
        return np.array(
            flat, np.int64 if all(type(n) is int for n in flat) else np.float64
        ).reshape(shape)

    def _constant(self, item: Item) -> Any:
        """The number that a literal or a whole number is, or None."""
        if isinstance(item, Affine) and not item.terms:
            return item.offset
        if isinstance(item, Value) and not item.type.shape and item.type.dtype is self.dtype:
            return self.constants.get(item)
        return None


_WHOLE_KINDS = frozenset({"+", "-", "*", "//", "%", "**", "neg", "pos"})


def is_whole(node: Node) -> bool:
    """Whether the text under `node` is made of whole numbers and what makes such of them."""
    pending = [node]
    while pending:
        top = pending.pop()
        if top.kind == "number":
            if any(c in ".eE" for c in top.text) and top.text[:2].lower() != "0x":
                return False
        elif top.kind not in _WHOLE_KINDS:
            return False
        pending += top.children
    return True
