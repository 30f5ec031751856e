"""Tokens to syntax trees: operator precedence over an explicit stack, with no recursion.

The tree knows nothing of types or values, so that one tree can be built for several shapes of
arguments. Kinds of nodes, children in the order of the text:

    name, number, boolean   leaves; `text` is what was written
    + - * / // % @ **       two operands (`^` is `**`)
    neg pos not ~           one operand
    and or & |              two operands
    compare                 n + 1 operands and n symbols in `text`, separated by spaces
    choice                  value, condition, other value
    call                    the operands of the function `text`
    tuple                   its elements
"""

from __future__ import annotations

from typing import Final, NamedTuple

from symdiff.errors import ParseError
from symdiff.parser.lexer import tokens


class Node:
    """A piece of the text, from `start` to `end`, and what it means."""

    __slots__ = ("children", "end", "kind", "start", "text")

    def __init__(self, kind: str, children: tuple[Node, ...], start: int, end: int, text: str = ""):
        self.kind = kind
        self.children = children
        self.start = start
        self.end = end
        self.text = text


class _Pending(NamedTuple):
    """An operator or a bracket that waits for what follows it."""

    power: int
    kind: str
    start: int
    base: int = 0  # brackets: how many operands stand before them


# Binding powers, those of Python's grammar. A bracket, an `if` before its `else` and the bottom
# of the stack have power 0: nothing is combined across them.
_CHOICE, _OR, _AND, _NOT, _COMPARE, _BIT_OR, _BIT_AND = 10, 20, 30, 40, 50, 52, 54
_SUM, _PRODUCT, _UNARY, _POWER = 60, 70, 80, 90
COMPARISONS: Final = frozenset({"<", "<=", "==", "!=", ">=", ">"})
_BINARY: Final = {
    "or": _OR, "and": _AND, **dict.fromkeys(COMPARISONS, _COMPARE), "|": _BIT_OR, "&": _BIT_AND,
    "+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "//": _PRODUCT, "%": _PRODUCT,
    "@": _PRODUCT, "**": _POWER, "^": _POWER,
}  # fmt: skip
# What stands before an operator is combined while it binds tighter than this: powers group from
# the right, comparisons gather into one chain, all else groups from the left.
_YIELDS: Final = {k: p if p in (_POWER, _COMPARE) else p - 1 for k, p in _BINARY.items()}
_PREFIX: Final = {
    "-": ("neg", _UNARY), "+": ("pos", _UNARY), "~": ("~", _UNARY), "not": ("not", _NOT),
}  # fmt: skip
AUGMENTED: Final = {f"{k}=": k for k in _BINARY if k not in COMPARISONS | {"and", "or"}}
STATEMENT_ENDS: Final = frozenset({"line", "end", ";"})
_ENDS: Final = STATEMENT_ENDS | {"="} | AUGMENTED.keys()
_LEAVES: Final = frozenset({"name", "number", "boolean"})

_OPERAND_HINTS: Final = {
    "*": "star arguments are not read; write the arguments out",
    "**": "a power needs a base; write x**2",
    "|": "write abs(x) for |x|",
    "||": "write abs(x) for |x|",
    "[": "lists are not read; several results are written a, b",
    "{": "sets and dictionaries are not read; group with ( )",
    "string": "a formula has no quoted text",
    "return": "`return` opens a statement",
    "def": "one `def` is read, with nothing before it",
    "if": "write a choice as `b if a else c`",
    ":": "`:` stands only in the head of a `def`",
    "line": "put ( ) around a formula that goes over several lines",
}
_OPERATOR_HINTS: Final = {
    "=": "write == to compare; arguments are given by position",
    ":=": "assign in a statement of its own: x = 1",
    "!=": "write a != b",
    "&&": "write `and`",
    "||": "write `or`",
    ":": "`:` stands only in the head of a `def`; a choice is written `b if a else c`",
    "<<": "shifts are not read; write x * 2**n",
    ">>": "shifts are not read; write x / 2**n",
    "{": "braces are not read; group with ( )",
    "string": "a formula has no quoted text",
    "not": "write `a and not b`, or a != b",
    "return": "put `return` on a line of its own",
    "def": "put `def` on a line of its own",
    ";": "close the parenthesis before the end of the statement",
}
_SCALARS: Final = "write the elements as scalars of their own: x_0 + x_1"


class ExpressionParser:
    """A cursor over the tokens of `source`, and the trees of the expressions found there."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.kind, self.text, self.start, self.stop = "", "", 0, 0  # the current token
        self.previous, self.end = "", 0  # the kind and the end of the token before it
        self._tokens = tokens(source)
        self._operands: list[Node] = []
        self._stack: list[_Pending] = []

    def advance(self) -> str:
        """The kind of the next token, which becomes the current one."""
        self.previous, self.end = self.kind, self.stop
        self.kind, self.text, self.start, self.stop = next(self._tokens)
        return self.kind

    def fail(self, reason: str, hint: str, at: int | None = None) -> ParseError:
        """The error to raise, at the current token or at the offset `at`."""
        return ParseError(reason, self.source, self.start if at is None else at, hint)

    def expression(self) -> Node:
        """The tree of the expression at the cursor, which moves to the token after it.

        That token ends a statement, or is `=` or an augmented assignment.

        Raises:
            ParseError: not an expression.
        """
        self._operands = []
        self._stack = [_Pending(0, "bottom", self.start)]
        self.previous = ""
        wants_operand = True
        while self._stack:
            wants_operand = self._operand() if wants_operand else self._operator()
        return self._operands.pop()

    # Both of these read one token and return whether an operand is expected after it.

    def _operand(self) -> bool:
        kind = self.kind
        if kind in _LEAVES:
            self._operands.append(Node(kind, (), self.start, self.stop, self.text))
            self.advance()
            return False
        if kind in _PREFIX:
            name, power = _PREFIX[kind]
            if power == _NOT and self._stack[-1].power > _NOT:
                raise self.fail("`not` needs parentheses here", "write (not c)")
            return self._push(power, name)
        if kind == "(":
            return self._push(0, "(", len(self._operands))
        after_comma = self.previous == "," and (kind == ")" or kind in _ENDS)
        if after_comma or (kind == ")" and self.previous == "(" and self._stack[-1].kind == "call"):
            return self._close()
        raise self._missing_operand()

    def _operator(self) -> bool:
        kind = self.kind
        yields = _YIELDS.get(kind)
        if yields is not None:
            self._combine(yields)
            return self._push(_BINARY[kind], "**" if kind == "^" else kind)
        if kind == "(" and self.previous == "name":
            return self._push(0, "call", len(self._operands))
        if kind == ")" or kind in _ENDS:
            return self._close()
        if kind == ",":
            self._combine(0)
            self._check_choice()
            self.advance()
            return True
        if kind == "if":
            self._combine(_CHOICE)
            if self._stack[-1].kind == "if":
                reason = "a choice in the condition of a choice"
                raise self.fail(reason, "put ( ) around the inner `b if a else c`")
            return self._push(0, "if")
        if kind == "else":
            self._combine(0)
            if self._stack[-1].kind != "if":
                raise self.fail("`else` without `if`", "write a choice as `b if a else c`")
            self._stack.pop()
            return self._push(_CHOICE, "else")
        raise self.unexpected()

    def _push(self, power: int, kind: str, base: int = 0) -> bool:
        self._stack.append(_Pending(power, kind, self.start, base))
        self.advance()
        return True

    def _combine(self, power: int) -> None:
        """Apply the operators on the stack that bind tighter than `power`."""
        stack, operands = self._stack, self._operands
        while stack[-1].power > power:
            top = stack.pop()
            kind, count, text = top.kind, 2, ""
            if top.power == _COMPARE:
                symbols = [kind]
                while stack[-1].power == _COMPARE:
                    symbols.append(stack.pop().kind)
                kind, count, text = "compare", len(symbols) + 1, " ".join(reversed(symbols))
            elif kind == "else":
                kind, count = "choice", 3
            elif top.power == _NOT or top.power == _UNARY:
                node = operands[-1]
                operands[-1] = Node(kind, (node,), top.start, node.end)
                continue
            children = tuple(operands[-count:])
            operands[-count:] = [Node(kind, children, children[0].start, children[-1].end, text)]

    def _close(self) -> bool:
        """Complete the innermost parenthesis, or at an end the whole expression."""
        self._combine(0)
        self._check_choice()
        top, at_bottom = self._stack[-1], self._stack[-1].kind == "bottom"
        if at_bottom != (self.kind != ")"):
            raise self.unexpected()
        self._stack.pop()
        operands = self._operands
        children = tuple(operands[top.base :])
        del operands[top.base :]
        trailing = self.previous == ","
        if top.kind == "call":
            name = operands.pop()
            operands.append(Node("call", children, name.start, self.stop, name.text))
        elif len(children) == 1 and not trailing:
            (node,) = children
            if not at_bottom:
                node.start, node.end = top.start, self.stop
            operands.append(node)
        elif len(children) == 1:
            raise self.fail("a tuple of one element", "leave the trailing comma out", self.end - 1)
        else:
            start, end = (top.start, self.end if at_bottom else self.stop)
            operands.append(Node("tuple", children, start, end))
        if not at_bottom:
            self.advance()
        return False

    # Errors.

    def _check_choice(self) -> None:
        top = self._stack[-1]
        if top.kind == "if":
            raise self.fail("`if` without `else`", "write a choice as `b if a else c`", top.start)

    def _open_bracket(self) -> _Pending | None:
        return next((p for p in reversed(self._stack) if p.kind in ("(", "call")), None)

    def _place(self, position: int) -> str:
        error = ParseError("", self.source, position)
        return f"line {error.line}, column {error.column}"

    def _bracket_error(self) -> ParseError | None:
        """The error at a closing bracket without its partner, or at an end before its partner."""
        opened = self._open_bracket()
        if self.kind == "end" and opened:
            return self.fail("`(` is never closed", "add the missing `)`", opened.start)
        if self.kind in ("]", "}") and opened:
            hint = f"the `(` at {self._place(opened.start)} is closed by `)`"
            return self.fail(f"`{self.kind}` does not match `(`", hint)
        if self.kind in (")", "]", "}") and not opened:
            hint = "remove it, or add the bracket that opens it"
            return self.fail(f"`{self.kind}` closes no bracket", hint)
        return None

    def _missing_operand(self) -> ParseError:
        error = self._bracket_error()
        if error:
            return error
        if self.kind == ")" and self.previous == "(":
            return self.fail("nothing between the parentheses", "write a formula between them")
        if self.kind == "(" or self.kind == "[":
            return self.fail("a list", _OPERAND_HINTS["["])
        at_end = self.kind in ("line", "end")
        found = "the formula ends" if at_end else f"found {self._shown()}"
        default = f"nothing stands before {self._shown()}; write both operands"
        hint = _OPERAND_HINTS.get(self.kind, "write an operand there" if at_end else default)
        return self.fail(f"expected a number, a name or `(`, but {found}", hint)

    def unexpected(self) -> ParseError:
        """The error at a token that cannot follow an operand."""
        error = self._bracket_error()
        if error:
            return error
        kind, start = self.kind, self.start
        if kind == "[":
            return self.fail("indexing arrives with arrays", _SCALARS)
        if kind == "name" and self.text == "for":
            return self.fail("a sum over an index arrives with arrays", "write the terms out")
        if kind == ".":
            self.advance()
            if self.text == "T":
                return self.fail("`.T` arrives with arrays", _SCALARS, start)
            hint = "write functions without a module's name: sin(x)"
            return self.fail("attributes are not read", hint, start)
        reason = f"unexpected {self._shown()}"
        hint = _OPERATOR_HINTS.get(kind, "remove it, or write an operator before it")
        if kind in _LEAVES or kind == "(":
            reason = f"an operator is missing before {self._shown()}"
            before = self._operands[-1]
            if before.kind == "name" and before.text in _PYTHON:
                hint = f"`{before.text}` is a variable here; {_PYTHON[before.text]}"
            elif self.text in ("is", "in"):
                hint = "write == or != to compare"
            else:
                left = self.source[before.start : before.end] if not before.children else "a"
                hint = (
                    f"write {left[:20]}*{self.text[:20] if kind != '(' else '(...)'} for a product"
                )
        opened = self._open_bracket()
        if opened and self.source.find("\n", opened.start, start) >= 0:
            hint += f", or close the `(` at {self._place(opened.start)}"
        return self.fail(reason, hint)

    def _shown(self) -> str:
        return {"line": "the end of the line", "end": "the end"}.get(
            self.kind, f"`{self.text[:40]}`"
        )


_PYTHON: Final = {
    "lambda": "write the formula alone",
    **dict.fromkeys(("for", "while"), "loops are not read"),
    **dict.fromkeys(("import", "from"), "functions need no import"),
}
