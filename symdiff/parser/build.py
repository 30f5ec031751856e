"""Syntax trees to a Function: one walk, operands first, with no recursion."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from collections.abc import Generator as Coroutine
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from symdiff.errors import IndexRangeError, ParseError, ShapeError, ShapeParseError
from symdiff.ir import (
    BOOL,
    Function,
    Leaf,
    Type,
    Value,
    f32,
    f64,
)
from symdiff.ops.bodies import flat_tree
from symdiff.parser import array_calls, calls, operators
from symdiff.parser.affine import Affine
from symdiff.parser.context import Context, is_whole
from symdiff.parser.declared import DeclaredType, SymbolicType
from symdiff.parser.gates import Gate
from symdiff.parser.grammar import Generator, Node
from symdiff.parser.index_sums import choose, collect
from symdiff.parser.indexed import Indexed, Part, value_of
from symdiff.parser.items import DOTS, NONE, Item, Keyword, Mark, Several, Span, Text
from symdiff.parser.lexer import near
from symdiff.parser.parameters import Parameters
from symdiff.parser.program import Program, Statement
from symdiff.parser.subscripts import subscript, whole_number


def build_function(
    program: Program,
    parameters: Parameters | None,
    name: str,
    gates: Mapping[str, Gate] | None = None,
) -> Function:
    """The Function of `program`; for `name` see `parse_text`.

    Without `parameters`, they are the names in the text.

    Raises:
        ParseError: an unknown function or name, operands that do not fit, an index out of range,
            or a constant that has no finite value. A ShapeError too where shapes do not fit.
    """
    builder = _Builder(program, parameters, gates or {})
    with np.errstate(all="ignore"):
        for statement in program.statements:
            builder.run(statement)
    return builder.function(name)


class _Builder(Context):
    def __init__(
        self, program: Program, parameters: Parameters | None, gates: Mapping[str, Gate]
    ) -> None:
        types = parameters.types if parameters else {}
        # Numbers that are written out are of the dtype of the parameters, f64 if those differ.
        dtypes = {type.dtype for type in types.values() if type.dtype.kind == "f"}
        super().__init__(program.source, f32 if dtypes == {f32} else f64, gates)
        self.program = program
        self.results: Part | Several | None = None
        self.numbers_read: dict[str, Value] = {}
        self.closed = parameters is not None
        self.symbols = parameters.symbols if parameters else {}
        for symbol, extent in self.symbols.items():
            self.env[symbol] = Affine(extent)
        places = {d.name: (d.start, d.end) for d in program.parameters or ()}
        for name, type in types.items():
            self.graph.location = places.get(name)
            self.params[name] = self.graph.param(name, self.type if type == self.type else type)

    # Statements.

    def run(self, statement: Statement) -> None:
        node = statement.node
        item = self.evaluate(node)
        if not statement.targets:
            with self.located(node):
                self.results = self.result(item, node)
            return
        if isinstance(item, Several) and not item.is_list:
            raise self.fail("several values for one name", node, "assign one at a time")
        if not isinstance(item, (Value, Affine, Several)):
            with self.located(node):
                item = self.part(item, node)
        number = self.constants.get(item) if isinstance(item, Value) else None
        if number is not None and not number.shape and abs(number) < 2**53 and is_whole(node):
            item = Affine(int(number))  # so that it can be an index
        for target in statement.targets:
            self.env[target.text] = item
            if isinstance(item, Value) and item.args:
                self.graph.names.setdefault(item, target.text)

    @contextmanager
    def located(self, node: Node) -> Coroutine[None, None, None]:
        """Errors about shapes, raised as errors at the place of `node`."""
        try:
            yield
        except ShapeError as error:
            if isinstance(error, ParseError):
                raise
            raise ShapeParseError(str(error), self.source, node.start, _SHAPES) from None
        except IndexRangeError as error:
            raise self.fail(str(error), node, "write an index that is in range") from None

    def result(self, item: Item, node: Node) -> Part | Several:
        """`item` as what the function returns."""
        if isinstance(item, Several) and not item.is_list:
            pairs = zip(item.items, item.nodes, strict=True)
            return Several(tuple([self.part(i, n) for i, n in pairs]), item.node)
        return self.part(item, node)

    def function(self, name: str) -> Function:
        program, results = self.program, self.results
        self.graph.location = None
        tree = Leaf("value")
        if isinstance(results, Several):
            outputs = tuple([value_of(o) for o in results.items if isinstance(o, (Value, Indexed))])
            tree = flat_tree(len(outputs))
        else:
            assert results is not None  # the last statement has no targets
            outputs = (value_of(results),)
        declared = program.returns
        for output in outputs:
            if declared is not None and output.type != self.concrete(declared.type):
                reason = f"the result is {output.type}, declared {declared.type}"
                hint = "leave the type of the result out, or correct it"
                raise ParseError(reason, program.source, declared.start, hint)
        params = list(self.params.values())
        if self.reordered and not self.closed:  # declared ones keep their order
            first = self.first_places()
            params.sort(key=lambda p: first.get(p.attr("name"), 0))
        return Function(program.name or name, tuple(params), outputs, tree)

    def concrete(self, type: DeclaredType | None) -> Type | None:
        """`type` with numbers for its symbols; None if it has others than the parameters."""
        if not isinstance(type, SymbolicType):
            return type
        extents = tuple(self.symbols.get(n, -1) if isinstance(n, str) else n for n in type.shape)
        return None if -1 in extents else Type(type.dtype, extents)

    def first_places(self) -> dict[str, int]:
        """Where each name stands first in the text."""
        found: dict[str, int] = {}
        pending = [statement.node for statement in self.program.statements]
        while pending:
            node = pending.pop()
            if node.kind == "name":
                found[node.text] = min(node.start, found.get(node.text, node.start))
            elif isinstance(node, Generator):
                pending += [node.element, *node.clauses]
            pending += node.children
        return found

    # Expressions.

    def evaluate(self, root: Node) -> Item:
        """What the tree under `root` comes to."""
        frames: list[Coroutine[Node, Any, Item]] = [self.walk(root)]
        found: Item | None = None
        while True:
            try:
                node = frames[-1].send(found)
            except StopIteration as stop:
                frames.pop()
                found = stop.value
                if not frames:
                    assert found is not None
                    return found
            else:
                frames.append(self.walk(node))
                found = None

    def walk(self, root: Node) -> Coroutine[Node, Item, Item]:
        """What the tree under `root` comes to; yields the trees within generators."""
        graph, constants = self.graph, self.constants
        items: list[Item] = []
        node = root
        try:
            lazy = bool(self.loops)  # whether branches are built where they are taken
            for node in _outside_choices(root) if lazy else _operands_first(root):
                leaf = _LEAVES.get(node.kind)
                if leaf is not None:
                    items.append(leaf(self, node))
                    continue
                graph.location = node.start, node.end
                if isinstance(node, Generator):
                    items.append((yield from collect(self, node)))
                    continue
                if lazy and node.kind == "choice":
                    items.append((yield from choose(self, node)))
                    continue
                count = len(node.children)
                operands = items[len(items) - count :]
                del items[len(items) - count :]
                item = _HANDLERS[node.kind](self, node, operands)
                # An operand in `constants` is a value; `all` stops at the first that is not.
                known = not operands or operands[0] in constants
                if known and all(o in constants for o in operands) and isinstance(item, Value):
                    self.check_constant(item, node)
                items.append(item)
        except (ShapeError, IndexRangeError):
            with self.located(node):
                raise
        return items.pop()

    # Leaves.

    def number(self, node: Node) -> Value:
        found = self.numbers_read.get(node.text)
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
        if not math.isfinite(scalar):
            hint = f"the largest {self.dtype} is {'1.8e308' if self.dtype is f64 else '3.4e38'}"
            raise self.fail(f"this number is too large for {self.dtype}", node, hint)
        self.graph.location = node.start, node.end
        value = self.graph.const(float(scalar), self.type)
        self.numbers_read[text], self.constants[value] = value, scalar
        return value

    def boolean(self, node: Node) -> Value:
        self.graph.location = node.start, node.end
        value = self.graph.const(node.text == "True", BOOL)
        self.constants[value] = np.bool_(node.text == "True")
        return value

    def name(self, node: Node) -> Item:
        found = self.env.get(node.text)
        return self._new_name(node) if found is None else found

    def _new_name(self, node: Node) -> Value:
        """The parameter called so, or pi, seen for the first time."""
        name = node.text
        if name not in self.params:
            self.graph.location = node.start, node.end
            if name == "pi":
                value = self.graph.const(math.pi, self.type)
                self.constants[value] = self.dtype.numpy.type(math.pi)
                self.env[name] = value
                return value
            if self.closed:
                hint = near(name, [*self.params, *self.env]) or self._known_names()
                if name == "None":
                    hint = "`None` stands in the subscripts of an array: x[:, None]"
                raise self.fail(f"unknown name {name[:40]!r}", node, hint)
            self.params[name] = self.graph.param(name, self.type)
        self.env[name] = self.params[name]
        return self.params[name]

    def _known_names(self) -> str:
        names = ", ".join(list(self.params)[:6])
        known = f"the parameters are {names[:80]}" if names else "there are no parameters"
        if any(param.type.shape for param in self.params.values()):
            known += "; an extent is len(x), or gets its name in a type: f64[n]"
        return known

    def string(self, node: Node) -> Item:
        return Text(node.text)

    def mark(self, node: Node) -> Mark:
        return NONE if node.kind == "none" else DOTS

    # Nodes with operands.

    def keyword(self, node: Node, operands: list[Item]) -> Item:
        return Keyword(node.text, operands[0])

    def slice(self, node: Node, operands: list[Item]) -> Item:
        ends: list[Affine | None] = []
        for item, child in zip(operands, node.children, strict=True):
            number = None if item is NONE else whole_number(self, item, child)
            if number is None and item is not NONE:
                hint = "write whole numbers, symbols of shapes, len(x) or sums of indices"
                raise self.fail("the bounds of a slice are whole numbers", child, hint)
            ends.append(number)
        return Span((ends[0], ends[1], ends[2]))

    def subscript(self, node: Node, operands: list[Item]) -> Item:
        if len(operands) == 1:
            raise self.fail("nothing between the brackets", node, "write an index: x[0]")
        return subscript(self, node, operands)


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


def _outside_choices(root: Node) -> list[Node]:
    """As `_operands_first`, without what stands in choices."""
    found: list[Node] = []
    pending = [root]
    while pending:
        node = pending.pop()
        found.append(node)
        if node.kind != "choice":
            pending += node.children
    found.reverse()
    return found


_SHAPES: Final = "write operands with shapes that fit"
_LEAVES: Final[dict[str, Callable[[_Builder, Node], Item]]] = {
    "number": _Builder.number,
    "boolean": _Builder.boolean,
    "name": _Builder.name,
    "string": _Builder.string,
    "none": _Builder.mark,
    "dots": _Builder.mark,
}
_HANDLERS: Final[dict[str, Callable[[_Builder, Node, list[Item]], Item]]] = {
    **dict.fromkeys(operators.ARITHMETIC, operators.arithmetic),
    **dict.fromkeys(operators.LOGIC, operators.logic),
    "neg": operators.sign,
    "pos": operators.sign,
    "compare": operators.compare,
    "choice": operators.choice,
    "call": calls.call,
    "tuple": _Builder.several,
    "list": _Builder.several,
    "keyword": _Builder.keyword,
    "slice": _Builder.slice,
    "index": _Builder.subscript,
    "@": array_calls.multiply_matrices,
    "T": array_calls.transpose,
}
