"""Tokens to syntax trees: operator precedence over an explicit stack, with no recursion.

The tree knows nothing of types or values, so that one tree can be built for several shapes of
arguments. Kinds of nodes, children in the order of the text:

    name, number, boolean   leaves; `text` is what was written
    string                  a leaf: quoted text, an argument of a function
    none, dots              leaves: `None`, or a part of a slice that is left out, and `...`
    + - * / // % @ **       two operands (`^` is `**`)
    neg pos not ~           one operand
    and or & |              two operands
    compare                 n + 1 operands and n symbols in `text`, separated by spaces
    choice                  value, condition, other value
    call                    the operands of the function `text`
    keyword                 the value of the argument `text` of a call
    tuple, list             its elements
    index                   an array and its subscripts
    slice                   start, stop and step of a subscript
    T                       the array that is transposed
    generator               none; see Generator
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


class Generator(Node):
    """`element for i in range(n) if c ...`: an element for every choice of the indices.

    The element and the clauses are trees of their own rather than children: the indices have to
    be known before anything that uses them can be built. A clause is a node of kind `for`, `text`
    its index, or `if`; its child is what it runs over, or its condition.
    """

    __slots__ = ("clauses", "element")

    def __init__(self, element: Node, clauses: tuple[Node, ...], end: int):
        super().__init__("generator", (), element.start, end)
        self.element = element
        self.clauses = clauses


class _Pending(NamedTuple):
    """An operator or a bracket that waits for what follows it."""

    power: int
    kind: str
    start: int
    base: int = 0  # brackets: how many operands stand before them


# Binding powers, those of Python's grammar. A bracket, an `if` before its `else`, a clause of a
# generator and the bottom of the stack have power 0: nothing is combined across them.
_KEYWORD, _CHOICE, _OR, _AND, _NOT, _COMPARE, _BIT_OR, _BIT_AND = 5, 10, 20, 30, 40, 50, 52, 54
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
_BRACKETS: Final = {"(": ")", "call": ")", "list": "]", "index": "]"}
_CLOSING: Final = frozenset({")", "]"})

_CLAUSES: Final = frozenset({"for", "filter"})  # on the stack; `filter` is the `if` of a generator
_QUOTED: Final = frozenset({"einsum", "norm", "pad"})  # functions with arguments that are texts
_GENERATOR: Final = "write sum(x[i]*y[j] for i in range(n) for j in range(i) if c)"

_OPERAND_HINTS: Final = {
    "*": "star arguments are not read; write the arguments out",
    "**": "a power needs a base; write x**2",
    "|": "write abs(x) for |x|",
    "||": "write abs(x) for |x|",
    "{": "sets and dictionaries are not read; group with ( )",
    "string": "a formula has no quoted text",
    "...": "`...` stands in the subscripts of an array: x[..., 0]",
    "return": "`return` opens a statement",
    "def": "one `def` is read, with nothing before it",
    "if": "write a choice as `b if a else c`",
    ":": "`:` stands in the head of a `def`, or in the subscripts of an array: x[1:]",
    "line": "put ( ) around a formula that goes over several lines",
}
_OPERATOR_HINTS: Final = {
    "=": "write == to compare",
    ":=": "assign in a statement of its own: x = 1",
    "!=": "write a != b",
    "&&": "write `and`",
    "||": "write `or`",
    ":": "`:` stands in the head of a `def` and in x[1:]; a choice is written `b if a else c`",
    "<<": "shifts are not read; write x * 2**n",
    ">>": "shifts are not read; write x / 2**n",
    "{": "braces are not read; group with ( )",
    "string": "a formula has no quoted text",
    "not": "write `a and not b`, or a != b",
    "return": "put `return` on a line of its own",
    "def": "put `def` on a line of its own",
    ";": "close the parenthesis before the end of the statement",
}


class ExpressionParser:
    """A cursor over the tokens of `source`, and the trees of the expressions found there."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.kind, self.text, self.start, self.stop = "", "", 0, 0  # the current token
        self.previous, self.end = "", 0  # the kind and the end of the token before it
        self._next_token = tokens(source).__next__
        self._operands: list[Node] = []
        self._stack: list[_Pending] = []

    def advance(self) -> str:
        """The kind of the next token, which becomes the current one."""
        self.previous, self.end = self.kind, self.stop
        self.kind, self.text, self.start, self.stop = self._next_token()
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
        start, operands = self.start, list[Node]()
        if self.kind in _LEAVES:
            leaf = Node(self.kind, (), start, self.stop, self.text)
            if self.advance() in _ENDS:
                return leaf  # as every target of an assignment
            operands.append(leaf)
        else:
            self.previous = ""
        self._operands, self._stack = operands, [_Pending(0, "bottom", start)]
        wants_operand = not operands
        while self._stack:
            wants_operand = self._operand() if wants_operand else self._operator()
        return operands.pop()

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
        if kind == "[":
            return self._push(0, "list", len(self._operands))
        top = self._stack[-1].kind
        after_comma = self.previous == "," and (kind in _CLOSING or kind in _ENDS)
        if after_comma or (kind == ")" and self.previous == "(" and top == "call"):
            return self._close()
        if kind == "string" and self._takes_text():
            return self._leaf("string", self.text[1:-1])
        if top == "index" and self.previous in ("[", ",", ":"):
            if kind == "..." and self.previous != ":":
                return self._leaf("dots")
            if kind == ":" or (kind == "," and self.previous == ":"):
                return not self._leaf(kind)
            if kind == "]" and self.previous == ":":
                return self._close()
        raise self._missing_operand()

    def _operator(self) -> bool:
        kind = self.kind
        yields = _YIELDS.get(kind)
        if yields is not None:
            self._combine(yields)
            return self._push(_BINARY[kind], "**" if kind == "^" else kind)
        if kind == "(" and self.previous == "name" and self._operands[-1].kind == "name":
            return self._push(0, "call", len(self._operands))
        if kind == "[":
            return self._push(0, "index", len(self._operands))
        if kind == "=" and self._stack[-1].kind == "call" and self.previous == "name":
            return self._push(_KEYWORD, "keyword")
        if kind in _CLOSING or kind in _ENDS:
            return self._close()
        if kind == "," or kind == ":":
            return self._separator()
        if kind == "if":
            return self._if()
        if kind == "else":
            self._combine(0)
            if self._stack[-1].kind != "if":
                raise self.fail("`else` without `if`", "write a choice as `b if a else c`")
            self._stack.pop()
            return self._push(_CHOICE, "else")
        if kind == ".":
            return self._attribute()
        if kind == "name" and self.text == "for":
            return self._for()
        raise self.unexpected()

    def _leaf(self, kind: str, text: str = "") -> bool:
        """Take the current token as an operand, or in subscripts as what separates two."""
        self._operands.append(Node(kind, (), self.start, self.stop, text))
        self.advance()
        return False

    def _takes_text(self) -> bool:
        """Whether an argument of the innermost call may be the quoted text at the cursor."""
        plain = self.text[0] in "'\"" and self.text[:3] not in ("'''", '"""')
        stack, operands = self._stack, self._operands
        top = stack[-2] if stack[-1].kind == "keyword" else stack[-1]
        at_start = self.previous in ("(", ",", "=")
        return plain and at_start and top.kind == "call" and operands[top.base - 1].text in _QUOTED

    def _separator(self) -> bool:
        """Take a comma, or a colon of a slice."""
        self._combine(0)
        self._check_choice()
        top = self._stack[-1]
        if top.kind == "index":
            return not self._leaf(self.kind)
        if self.kind == ":":
            raise self.unexpected()
        if top.kind in _CLAUSES:
            raise self.fail("a generator is the only argument of its call", _GENERATOR)
        self.advance()
        return True

    def _if(self) -> bool:
        self._combine(_CHOICE)
        top = self._stack[-1].kind
        if top == "if":
            reason = "a choice in the condition of a choice"
            raise self.fail(reason, "put ( ) around the inner `b if a else c`")
        if top in _CLAUSES:
            self._finish_clause()
            return self._push(0, "filter", len(self._operands))
        return self._push(0, "if")

    def _for(self) -> bool:
        """Take `for i in`, which opens a clause of a generator."""
        start = self.start
        self._combine(0)
        self._check_choice()
        self._finish_clause()
        top = self._stack[-1]
        given = len(self._operands) - top.base
        if top.kind != "call":
            raise self.fail("a generator stands only in the call of a function", _GENERATOR)
        if given != 1 and self._operands[-1].kind not in ("for", "if"):
            raise self.fail("a generator is the only argument of its call", _GENERATOR)
        if self.advance() != "name":
            raise self.fail("expected the name of an index after `for`", _GENERATOR)
        self._leaf("name", self.text)
        if self.kind != "name" or self.text != "in":
            raise self.fail("expected `in` after the index", _GENERATOR)
        self._stack.append(_Pending(0, "for", start, len(self._operands)))
        self.advance()
        return True

    def _finish_clause(self) -> None:
        """Complete the clause of a generator that the cursor is behind, if there is one."""
        top, operands = self._stack[-1], self._operands
        if top.kind not in _CLAUSES:
            return
        self._stack.pop()
        child, text = operands.pop(), ""
        if top.kind == "for":
            text = operands.pop().text
        kind = "for" if top.kind == "for" else "if"
        operands.append(Node(kind, (child,), top.start, child.end, text))

    def _attribute(self) -> bool:
        start, operands = self.start, self._operands
        self.advance()
        if self.kind == "name" and self.text == "T":
            operands[-1] = Node("T", (operands[-1],), operands[-1].start, self.stop)
            self.advance()
            return False
        hint = "write functions without a module's name: sin(x); `.T` is the only attribute"
        if self.text in ("shape", "size"):
            hint = "write len(x), or declare x: f64[n] and write n"
        raise self.fail("attributes are not read", hint, start)

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
            elif kind == "keyword":
                value, name = _none(operands.pop()), operands.pop()
                operands.append(Node(kind, (value,), name.start, value.end, name.text))
                continue
            elif top.power == _NOT or top.power == _UNARY:
                node = operands[-1]
                operands[-1] = Node(kind, (node,), top.start, node.end)
                continue
            if count == 2:  # the common case, written out
                right, left = operands.pop(), operands[-1]
                operands[-1] = Node(kind, (left, right), left.start, right.end, text)
                continue
            children = tuple(operands[-count:])
            operands[-count:] = [Node(kind, children, children[0].start, children[-1].end, text)]

    def _close(self) -> bool:
        """Complete the innermost bracket, or at an end the whole expression."""
        self._combine(0)
        self._check_choice()
        self._finish_clause()
        top = self._stack[-1]
        at_bottom = top.kind == "bottom"
        if self.kind not in _ENDS if at_bottom else self.kind != _BRACKETS.get(top.kind):
            raise self.unexpected()
        self._stack.pop()
        operands = self._operands
        children = tuple(operands[top.base :])
        del operands[top.base :]
        start, end = (top.start, self.end if at_bottom else self.stop)
        trailing = self.previous == ","
        if top.kind == "call":
            name = operands.pop()
            if len(children) > 1 and children[1].kind == "for":
                children = (Generator(children[0], children[1:], self.end),)
            operands.append(Node("call", children, name.start, end, name.text))
        elif top.kind == "index":
            array = operands.pop()
            keys = self._subscripts(children)
            operands.append(Node("index", (array, *keys), array.start, end))
        elif top.kind == "list":
            operands.append(Node("list", children, start, end))
        elif len(children) == 1 and not trailing:
            (node,) = children
            if not at_bottom:
                node.start, node.end = top.start, self.stop
            operands.append(node)
        elif len(children) == 1:
            raise self.fail("a tuple of one element", "leave the trailing comma out", self.end - 1)
        else:
            operands.append(Node("tuple", children, start, end))
        if not at_bottom:
            self.advance()
        return False

    def _subscripts(self, parts: tuple[Node, ...]) -> list[Node]:
        """The subscripts among `parts`, between which commas and colons stand."""
        groups: list[list[Node]] = [[]]
        for part in parts:
            if part.kind == ",":
                groups.append([])
            else:
                groups[-1].append(_none(part))
        return [self._subscript(group) for group in groups if group]

    def _subscript(self, parts: list[Node]) -> Node:
        colons = [part for part in parts if part.kind == ":"]
        if not colons:
            return parts[0]
        if len(colons) > 2:
            reason = "a slice has at most start, stop and step"
            raise self.fail(reason, "write x[start:stop:step]", colons[2].start)
        slots = [Node("none", (), part.start, part.start) for part in (colons * 3)[:3]]
        place = 0
        for part in parts:
            if part.kind == ":":
                place += 1
            else:
                slots[place] = part
        return Node("slice", tuple(slots), parts[0].start, parts[-1].end)

    # Errors.

    def _check_choice(self) -> None:
        top = self._stack[-1]
        if top.kind == "if":
            raise self.fail("`if` without `else`", "write a choice as `b if a else c`", top.start)

    def _open_bracket(self) -> _Pending | None:
        return next((p for p in reversed(self._stack) if p.kind in _BRACKETS), None)

    def _place(self, position: int) -> str:
        error = ParseError("", self.source, position)
        return f"line {error.line}, column {error.column}"

    def _bracket_error(self) -> ParseError | None:
        """The error at a closing bracket without its partner, or at an end before its partner."""
        opened = self._open_bracket()
        if opened:
            closing = _BRACKETS[opened.kind]
            opening = "(" if closing == ")" else "["
            if self.kind == "end":
                hint = f"add the missing `{closing}`"
                return self.fail(f"`{opening}` is never closed", hint, opened.start)
            if self.kind in (")", "]", "}") and self.kind != closing:
                place = self._place(opened.start)
                hint = f"the `{opening}` at {place} is closed by `{closing}`"
                return self.fail(f"`{self.kind}` does not match `{opening}`", hint)
        elif self.kind in (")", "]", "}"):
            hint = "remove it, or add the bracket that opens it"
            return self.fail(f"`{self.kind}` closes no bracket", hint)
        return None

    def _missing_operand(self) -> ParseError:
        error = self._bracket_error()
        if error:
            return error
        if self.kind == ")" and self.previous == "(":
            return self.fail("nothing between the parentheses", "write a formula between them")
        if self.kind == "]" and self.previous == "[":
            return self.fail(
                "nothing between the brackets", "write what belongs there: x[0], [x, y]"
            )
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


def _none(node: Node) -> Node:
    """`node`, or what the bare name `None` means where it cannot be a variable."""
    if node.kind == "name" and node.text == "None":
        return Node("none", (), node.start, node.end)
    return node


_PYTHON: Final = {
    "lambda": "write the formula alone",
    **dict.fromkeys(("for", "while"), "loops are not read"),
    **dict.fromkeys(("import", "from"), "functions need no import"),
}
