"""Syntax trees to a Function: one walk, operands first, with no recursion."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final

import numpy as np

from symdiff.errors import ParseError, ShapeError, UnsupportedError
from symdiff.ir import BOOL, Branch, Function, Graph, Leaf, Op, Type, Value, boolean, f32, f64
from symdiff.ops import (
    FUNCTIONS,
    add,
    and_,
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
from symdiff.parser.coerce import as_number, build_call
from symdiff.parser.grammar import Node
from symdiff.parser.lexer import normalized
from symdiff.parser.program import Program, Statement

_Item = Value | tuple[Value, ...]  # what a node comes to; a tuple node, to several values

_ARITHMETIC: Final[dict[str, Op]] = {
    "+": add, "-": sub, "*": mul, "/": div, "//": floor_div, "%": mod, "**": pow,
}  # fmt: skip
_LOGIC: Final[dict[str, Op]] = {"and": and_, "&": and_, "or": or_, "|": or_, "not": not_, "~": not_}
_COMPARISONS: Final[dict[str, tuple[Op, bool]]] = {
    "<": (lt, False), "<=": (le, False), "==": (eq, False), "!=": (ne, False),
    ">": (lt, True), ">=": (le, True),  # with the operands exchanged
}  # fmt: skip


def build_function(program: Program, args: Mapping[str, Type] | None, name: str) -> Function:
    """The Function of `program`; for `args` and `name` see `parse_text`.

    Raises:
        ParseError: an unknown function or name, operands that do not fit, or a constant that has
            no finite value.
        UnsupportedError: a parameter is an array.
    """
    builder = _Builder(program, args)
    with np.errstate(all="ignore"):
        for statement in program.statements:
            builder.run(statement)
    return builder.function(name)


class _Builder:
    def __init__(self, program: Program, args: Mapping[str, Type] | None) -> None:
        self.program = program
        self.graph = Graph()
        self.env: dict[str, Value] = {}
        self.params: dict[str, Value] = {}
        self.results: _Item = ()
        self.constants: dict[Value, Any] = {}  # values made of literals alone, as NumPy scalars
        self.numbers: dict[str, Value] = {}
        self.closed = args is not None or program.parameters is not None
        types = self._declared(args)
        # Operations want one dtype: parameters of mixed dtypes meet in f64.
        dtypes = {type.dtype for type in types.values()} - {boolean}
        self.dtype = f32 if dtypes == {f32} else f64
        self.type = Type(self.dtype)
        places = {d.name: (d.start, d.end) for d in program.parameters or ()}
        for name, type in types.items():
            self.graph.location = places.get(name)
            self.params[name] = self.graph.param(name, type)

    def _declared(self, args: Mapping[str, Type] | None) -> dict[str, Type]:
        """The parameters that are known before the formula is read, in order."""
        given = {normalized(name): type for name, type in (args or {}).items()}
        if self.program.parameters is not None:
            head = {p.name: p.type or Type(f64) for p in self.program.parameters}
            for name in given.keys() - head.keys():
                raise ParseError(
                    f"`def {self.program.name}` has no parameter {name[:40]!r}",
                    self.program.source,
                    hint=_near(name, head) or "name the parameters as the `def` does",
                )
            given = given if given.keys() == head.keys() else head | given
        for name, type in given.items():
            if type.shape:
                raise UnsupportedError(
                    f"array parameters are not read yet: {name[:40]!r} has type {type}; "
                    "write its elements as scalars of their own"
                )
        return given

    def fail(self, reason: str, node: Node, hint: str) -> ParseError:
        return ParseError(reason, self.program.source, node.start, hint)

    # Statements.

    def run(self, statement: Statement) -> None:
        item = self.evaluate(statement.node)
        if not statement.targets:
            self.results = item
        elif isinstance(item, tuple):
            raise self.fail("several values for one name", statement.node, "assign one at a time")
        else:
            for target in statement.targets:
                self.env[target.text] = item

    def function(self, name: str) -> Function:
        program, results = self.program, self.results
        self.graph.location = None
        outputs = results if isinstance(results, tuple) else (results,)
        tree = Leaf("value")
        if isinstance(results, tuple):
            tree = Branch(tuple([Leaf(f"value_{i}") for i in range(len(results))]))
        declared = program.returns
        for output in outputs:
            if declared is not None and output.type != declared.type:
                reason = f"the result is {output.type}, declared {declared.type}"
                hint = "leave the type of the result out, or correct it"
                raise ParseError(reason, program.source, declared.start, hint)
        return Function(program.name or name, tuple(self.params.values()), outputs, tree)

    # Expressions.

    def evaluate(self, root: Node) -> _Item:
        """The value of the tree under `root`."""
        graph, constants = self.graph, self.constants
        items: list[_Item] = []
        for node in _operands_first(root):
            graph.location = node.start, node.end
            count = len(node.children)
            if count == 0 and node.kind != "call":
                items.append(_LEAVES[node.kind](self, node))
                continue
            operands = items[len(items) - count :]
            del items[len(items) - count :]
            item = _HANDLERS[node.kind](self, node, operands)
            # An operand in `constants` is a value; `all` stops at the first that is not.
            if all(o in constants for o in operands) and isinstance(item, Value):
                self.check_constant(item, node)
            items.append(item)
        return items.pop()

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
        if not np.isfinite(constants[value]):
            reason = f"this constant is {float(constants[value])} in {self.dtype}"
            hint = "write constants that are finite real numbers"
            raise self.fail(reason, node, hint)

    # Leaves.

    def number(self, node: Node) -> Value:
        found = self.numbers.get(node.text)
        return self._new_number(node) if found is None else found

    def _new_number(self, node: Node) -> Value:
        text = node.text
        try:
            # float rounds a decimal of any length correctly, int reads the other bases exactly.
            number = float(int(text, 0) if text[:2].lower() in ("0x", "0b", "0o") else text)
        except ValueError:
            raise self.fail(
                "this is not a number", node, "a single _ may stand between two digits"
            ) from None
        except OverflowError:
            number = math.inf
        scalar: Any = self.dtype.numpy.type(number)
        if not np.isfinite(scalar):
            hint = f"the largest {self.dtype} is {'1.8e308' if self.dtype is f64 else '3.4e38'}"
            raise self.fail(f"this number is too large for {self.dtype}", node, hint)
        value = self.graph.const(float(scalar), self.type)
        self.numbers[text], self.constants[value] = value, scalar
        return value

    def boolean(self, node: Node) -> Value:
        value = self.graph.const(node.text == "True", BOOL)
        self.constants[value] = np.bool_(node.text == "True")
        return value

    def name(self, node: Node) -> Value:
        found = self.env.get(node.text)
        return self._new_name(node) if found is None else found

    def _new_name(self, node: Node) -> Value:
        """The parameter called so, or pi, seen for the first time."""
        name = node.text
        if name not in self.params:
            if name == "pi":
                value = self.graph.const(math.pi, self.type)
                self.constants[value] = self.dtype.numpy.type(math.pi)
                self.env[name] = value
                return value
            if self.closed:
                hint = _near(name, [*self.params, *self.env]) or self._known_names()
                raise self.fail(f"unknown name {name[:40]!r}", node, hint)
            self.params[name] = self.graph.param(name, self.type)
        param = self.params[name]
        value = param if param.type.dtype is boolean else as_number(param, self.dtype)
        self.env[name] = value
        return value

    def _known_names(self) -> str:
        names = ", ".join(list(self.params)[:6])
        return f"the parameters are {names[:80]}" if names else "there are no parameters"

    # Nodes with operands.

    def arithmetic(self, node: Node, operands: list[_Item]) -> Value:
        left, right = operands
        dtype = self.dtype
        if not (isinstance(left, Value) and left.type.dtype is dtype):
            left = self.as_number(left, node.children[0])
        if not (isinstance(right, Value) and right.type.dtype is dtype):
            right = self.as_number(right, node.children[1])
        return self.graph.add(_ARITHMETIC[node.kind], (left, right))

    def sign(self, node: Node, operands: list[_Item]) -> Value:
        number = self.as_number(operands[0], node.children[0])
        return self.graph.add(neg, (number,)) if node.kind == "neg" else number

    def logic(self, node: Node, operands: list[_Item]) -> Value:
        whose = f"`{node.kind}`"
        pairs = zip(operands, node.children, strict=True)
        conditions = tuple([self.as_condition(o, c, whose) for o, c in pairs])
        return self.graph.add(_LOGIC[node.kind], conditions)

    def compare(self, node: Node, operands: list[_Item]) -> Value:
        values = [self.as_value(o, c) for o, c in zip(operands, node.children, strict=True)]
        whole: Value | None = None
        for i, symbol in enumerate(node.text.split()):
            op, exchanged = _COMPARISONS[symbol]
            left, right = values[i], values[i + 1]
            if op in (lt, le) or left.type.dtype is not right.type.dtype:
                left, right = as_number(left, self.dtype), as_number(right, self.dtype)
            link = self.graph.add(op, (right, left) if exchanged else (left, right))
            whole = link if whole is None else self.graph.add(and_, (whole, link))
        assert whole is not None  # a comparison has at least one symbol
        return whole

    def choice(self, node: Node, operands: list[_Item]) -> Value:
        value, condition, other = node.children
        return self.select(
            self.as_condition(operands[1], condition, "`if`"),
            self.as_value(operands[0], value),
            self.as_value(operands[2], other),
        )

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        if x.type.dtype is not y.type.dtype:
            x, y = as_number(x, self.dtype), as_number(y, self.dtype)
        return self.graph.add(where, (condition, x, y))

    def call(self, node: Node, operands: list[_Item]) -> Value:
        if node.text == "Piecewise":
            return self.piecewise(node, operands)
        entry = FUNCTIONS.get(node.text)
        if entry is None:
            raise self.unknown_function(node)
        if not entry.least <= len(operands) <= entry.most:
            names = "x, y, z" if entry.least > 2 else "x, y" if entry.least > 1 else "x"
            reason = f"{node.text} takes {entry.expects}, not {len(operands)}"
            raise self.fail(reason, node, f"write {node.text}({names})")
        values: list[Value] = []
        for i, (operand, child) in enumerate(zip(operands, node.children, strict=True)):
            if entry.takes_condition(i):
                values.append(self.as_condition(operand, child, node.text))
            else:
                values.append(self.as_value(operand, child))
        if entry.name in ("where", "select"):
            return self.select(*values)
        try:
            return build_call(entry, values, self.dtype)
        except (ValueError, ShapeError) as error:
            hint = "write a number where a constant is asked for"
            raise self.fail(str(error), node, hint) from None

    def piecewise(self, node: Node, operands: list[_Item]) -> Value:
        """The value of the first pair whose condition holds; NaN if none does."""
        form = "write Piecewise((x, x > 0), (0, True))"
        if not operands:
            raise self.fail("Piecewise takes 1 or more arguments, not 0", node, form)
        whole: Value | None = None
        for item, child in zip(reversed(operands), reversed(node.children), strict=True):
            if not isinstance(item, tuple) or len(item) != 2:
                raise self.fail("Piecewise takes pairs of a value and a condition", child, form)
            value, condition = item
            self.as_condition(condition, child.children[1], "Piecewise")
            if condition.literal and condition.literal.scalar:
                whole = value
            else:
                rest = self.graph.const(math.nan, self.type) if whole is None else whole
                whole = self.select(condition, value, rest)
        assert whole is not None
        return whole

    def tuple(self, node: Node, operands: list[_Item]) -> _Item:
        return tuple([self.as_value(o, c) for o, c in zip(operands, node.children, strict=True)])

    def matmul(self, node: Node, operands: list[_Item]) -> _Item:
        raise self.fail("`@` arrives with arrays", node, "write * for the product of two numbers")

    # Operands.

    def as_value(self, item: _Item, node: Node) -> Value:
        if isinstance(item, Value):
            return item
        hint = "several results stand at the end of the text only: a, b"
        raise self.fail("a tuple within a formula", node, hint)

    def as_number(self, item: _Item, node: Node) -> Value:
        return as_number(self.as_value(item, node), self.dtype)

    def as_condition(self, item: _Item, node: Node, whose: str) -> Value:
        value = self.as_value(item, node)
        if value.type.dtype is boolean:
            return value
        short = not node.children and node.end - node.start <= 40
        written = self.program.source[node.start : node.end] if short else "x"
        # These bind tighter than comparisons do: x > 0 | x < 1 is x > (0 | x) < 1.
        grouped = {"`&`": "(a > 0) & (b > 0)", "`|`": "(a > 0) | (b > 0)", "`~`": "~(a > 0)"}
        hint = f"write {written} != 0"
        if whose in grouped:
            hint = f"put each comparison in parentheses: {grouped[whose]}"
        raise self.fail(f"{whose} needs a condition, this is a number", node, hint)

    def unknown_function(self, node: Node) -> ParseError:
        name = node.text
        if name == "sum":
            return self.fail("`sum` arrives with arrays", node, "write the terms out: a + b + c")
        hint = f"for a product write {name[:40]}*(...)"
        if name not in self.params and name not in self.env:
            hint = _near(name, [*FUNCTIONS, "Piecewise"]) or (
                "functions are those of math, NumPy and SymPy; " + hint
            )
        return self.fail(f"unknown function {name[:40]!r}", node, hint)


def _operands_first(root: Node) -> list[Node]:
    """The nodes under `root`, children before their parents and in the order of the text."""
    found: list[Node] = []
    pending = [root]
    while pending:
        node = pending.pop()
        found.append(node)
        pending += node.children
    found.reverse()
    return found


def _near(name: str, known: Collection[str]) -> str | None:
    """`did you mean ...?` with the nearest of the known names, if one is near."""
    matches = get_close_matches(name, known, 1)
    return f"did you mean {matches[0]}?" if matches else None


_LEAVES: Final[dict[str, Callable[[_Builder, Node], Value]]] = {
    "number": _Builder.number,
    "boolean": _Builder.boolean,
    "name": _Builder.name,
}
_HANDLERS: Final[dict[str, Callable[[_Builder, Node, list[_Item]], _Item]]] = {
    **dict.fromkeys(_ARITHMETIC, _Builder.arithmetic),
    **dict.fromkeys(_LOGIC, _Builder.logic),
    "neg": _Builder.sign,
    "pos": _Builder.sign,
    "compare": _Builder.compare,
    "choice": _Builder.choice,
    "call": _Builder.call,
    "tuple": _Builder.tuple,
    "@": _Builder.matmul,
}
