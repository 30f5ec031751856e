"""Programs: a lone expression, statements, or a whole `def`."""

from __future__ import annotations

from dataclasses import dataclass

from symdiff.parser.declared import DeclaredType, read_type
from symdiff.parser.grammar import AUGMENTED, STATEMENT_ENDS, ExpressionParser, Node


@dataclass(frozen=True, slots=True)
class Declaration:
    """A parameter in the head of a `def`, or its result, with the type where one is given.

    The extents of the type may be symbols; see `declared`.
    """

    name: str
    type: DeclaredType | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Statement:
    """`targets = node`; without targets, the result."""

    targets: tuple[Node, ...]
    node: Node
    start: int


@dataclass(frozen=True, slots=True)
class Program:
    """Statements, the last of which is the result. A `def` has a name and parameters."""

    source: str
    statements: list[Statement]
    name: str | None = None
    parameters: tuple[Declaration, ...] | None = None
    returns: Declaration | None = None


def parse_program(source: str) -> Program:
    """The syntax trees of an expression, of statements, or of a `def`.

    Raises:
        ParseError: not a formula; says where and what to write instead.
    """
    return _ProgramParser(source).program()


class _ProgramParser(ExpressionParser):
    def __init__(self, source: str) -> None:
        super().__init__(source)
        self._statements: list[Statement] = []

    def program(self) -> Program:
        self.advance()
        if self.kind == "end":
            raise self.fail("the text is empty", "write a formula, for example x*sin(y)", 0)
        indent = self.text
        self.advance()
        if self.kind == "def":
            return self._definition(indent)
        self._block(indent)
        return Program(self.source, self._statements)

    def _block(self, indent: str) -> None:
        """Statements on lines indented by `indent`, up to the end of the text."""
        self._line()
        while self.kind == "line":
            found = self.text
            self.advance()
            if found != indent:
                hint = "indent all lines alike, or put ( ) around what goes over several lines"
                raise self.fail("unexpected indentation", hint)
            self._line()
        if not self._statements:
            raise self.fail("nothing is returned", "end with a formula, or with `return x`")
        last = self._statements[-1]
        if last.targets:
            hint = f"end with a formula, or with `return {last.targets[-1].text[:40]}`"
            raise self.fail("nothing is returned", hint, last.start)

    def _line(self) -> None:
        self._statement()
        while self.kind == ";":
            if self.advance() not in ("line", "end"):
                self._statement()

    def _statement(self) -> None:
        if self._statements and not self._statements[-1].targets:
            hint = "end with one result; put ( ) around a formula that goes over several lines"
            raise self.fail("a statement after the result", hint)
        start, targets = self.start, list[Node]()
        if self.kind == "return":
            self.advance()
            node = self.expression()
        else:
            node = self.expression()
            while self.kind == "=":
                targets.append(self._target(node))
                self.advance()
                node = self.expression()
            if self.kind in AUGMENTED and not targets:
                kind = AUGMENTED[self.kind]
                targets.append(self._target(node))
                self.advance()
                right = self.expression()
                node = Node("**" if kind == "^" else kind, (node, right), start, right.end)
        if self.kind not in STATEMENT_ENDS:
            raise self.unexpected()
        self._statements.append(Statement(tuple(targets), node, start))

    def _target(self, node: Node) -> Node:
        if node.kind == "name":
            return node
        hints = {
            "call": "write a function as `def f(x): return x**2`",
            "tuple": "assign one name at a time: a = 1; b = 2",
            "index": "arrays do not change; make a new one, for example with where or concatenate",
            "boolean": f"{node.text} is a constant; choose another name",
        }
        hint = hints.get(node.kind, "write == to compare")
        raise self.fail("only a name can be assigned to", hint, node.start)

    def _definition(self, indent: str) -> Program:
        self.advance()
        name = self._expect("name", "the function's name", "write def f(x): return x**2").text
        self._expect("(", "`(`", "write def f(x): return x**2")
        parameters = self._parameters()
        returns = None
        if self.kind == "->":
            start, type = self.start, self._annotation((":", "line"))
            returns = Declaration("return", type, start, self.end)
        self._expect(":", "`:`", "write def f(x): return x**2")
        if self.kind == "line":
            outer, indent = indent, self.text
            first = self.advance()
            if not (indent.startswith(outer) and len(indent) > len(outer)):
                raise self.fail("the body of the `def` is not indented", "indent it by four spaces")
            if first == "string":
                self._docstring(indent)
        if self.kind == "end":
            raise self.fail("nothing is returned", "end with `return` and a formula")
        self._block(indent)
        return Program(self.source, self._statements, name, parameters, returns)

    def _parameters(self) -> tuple[Declaration, ...]:
        """What stands between the parentheses of a `def`; moves past the closing one."""
        found: dict[str, Declaration] = {}
        form = "parameters are written x, y: f64"
        while self.kind != ")":
            node = self._expect("name", "a parameter", form)
            type = self._annotation((",", ")", "=")) if self.kind == ":" else None
            if self.kind == "=":
                hint = "leave the default out and give the value in the call"
                raise self.fail("default values are not read", hint)
            if node.text in found:
                hint = "give each parameter a name of its own"
                raise self.fail(f"two parameters are called {node.text}", hint, node.start)
            found[node.text] = Declaration(node.text, type, node.start, self.end)
            if self.kind != ")":
                self._expect(",", "`,` or `)`", form)
        self.advance()
        return tuple(found.values())

    def _docstring(self, indent: str) -> None:
        self.advance()
        if self.kind not in STATEMENT_ENDS:
            raise self.fail("quoted text in a formula", "a docstring stands on lines of its own")
        if self.kind == "line" and self.text != indent:
            raise self.fail("unexpected indentation", "indent all lines of the body alike")
        if self.kind != "end":
            self.advance()

    def _annotation(self, ends: tuple[str, ...]) -> DeclaredType:
        """The type after `:` or `->`, up to one of `ends` outside square brackets."""
        self.advance()
        start, depth = self.start, 0
        while self.kind != "end" and (depth or self.kind not in ends):
            depth += (self.kind == "[") - (self.kind == "]")
            self.advance()
        written = self.source[start : max(start, self.end)].strip("'\"")
        try:
            return read_type(written)
        except (ValueError, SyntaxError):  # a ShapeError, or what NumPy raises for odd texts
            reason = f"{written[:40]!r} is not a type"
            raise self.fail(
                reason, "types are written f64, f32, f64[3,4] or f64[m,n]", start
            ) from None

    def _expect(self, kind: str, what: str, hint: str) -> Node:
        """The current token, which must be of this kind; moves past it."""
        if self.kind != kind:
            raise self.fail(f"expected {what}", hint)
        text, start = self.text, self.start
        self.advance()
        return Node(kind, (), start, self.end, text)
