"""Every exception that symdiff raises on purpose.

SymdiffError
├── ParseError            text that is not a formula: place, caret and hint
│   └── ShapeParseError   shapes in a text that do not fit an operation (a ShapeError too)
├── UnsupportedError      understood, but not something symdiff can do (names it)
├── TraceError            a Python function did what a traced value cannot do
│   └── NeedsShapes       it is a function of arrays, whose shapes are to be given
├── ArgumentError         a call with wrong, missing or unknown arguments (a TypeError)
├── ShapeError            shapes or dtypes that do not fit an operation (a ValueError)
├── IndexRangeError       an index beyond the array that it is to select from (an IndexError)
├── DifferentiationError  no derivative exists for what was asked
├── IRError               malformed IR, found by the reader or the verifier
└── CompileError          code generation or loading failed
"""

from __future__ import annotations


class SymdiffError(Exception):
    """Base of all errors raised on purpose by symdiff."""


class ParseError(SymdiffError):
    """A text that symdiff cannot read as a formula.

    Attributes:
        reason: what is wrong, in one sentence.
        line, column: where, both counted from 1.
        hint: what to do about it, or None.
    """

    def __init__(self, reason: str, source: str = "", position: int = 0, hint: str | None = None):
        self.reason = reason
        self.source = source
        self.position = position
        self.hint = hint
        self.line = source.count("\n", 0, position) + 1
        self.column = position - source.rfind("\n", 0, position)
        super().__init__(self._render())

    def __reduce__(self) -> tuple[type[ParseError], tuple[str, str, int, str | None]]:
        return type(self), (self.reason, self.source, self.position, self.hint)

    def _render(self) -> str:
        message = f"line {self.line}, column {self.column}: {self.reason}"
        start = self.position - (self.column - 1)
        end = self.source.find("\n", start)
        text = self.source[start : end if end >= 0 else len(self.source)]
        if text.strip():
            message += f"\n{pointed(text, self.column)}"
        if self.hint:
            message += f"\n  hint: {self.hint}"
        return message


def pointed(text: str, column: int) -> str:
    """A line of source around `column`, counted from 1, and below it a caret under that spot."""
    excerpt, caret = _window(text, column - 1)
    return f"  {excerpt}\n  {' ' * caret}^"


def _window(text: str, column: int, width: int = 76) -> tuple[str, int]:
    """At most `width` printable characters of `text` around `column`, and the caret's offset."""
    first = max(0, min(column - width // 2, len(text) - width))
    shown = text[first : first + width]
    lead, tail = ("... " if first else ""), (" ..." if first + width < len(text) else "")
    shown = "".join(c if c.isprintable() else "?" for c in shown)
    return f"{lead}{shown}{tail}", column - first + len(lead)


class UnsupportedError(SymdiffError):
    """Something that was understood but that symdiff, or one of its back ends, cannot do."""


class TraceError(SymdiffError):
    """A Python function used a traced value in a way that tracing cannot follow."""


class NeedsShapes(TraceError):  # noqa: N818 -- not a mistake of the user: shapes are to come
    """A function traced with scalars is one of arrays: it needs the shapes of its parameters."""


class ArgumentError(SymdiffError, TypeError):
    """Arguments that do not fit the parameters of a function or kernel."""


class ShapeError(SymdiffError, ValueError):
    """Operand shapes or dtypes that an operation does not accept."""


class ShapeParseError(ParseError, ShapeError):
    """Operands in a text that an operation does not accept: the operation, shapes and place."""


class IndexRangeError(SymdiffError, IndexError):
    """An index that is out of the range of the axis it indexes; found before memory is touched."""


class DifferentiationError(SymdiffError):
    """A derivative was asked for where symdiff has no rule for it."""


class IRError(SymdiffError):
    """IR that breaks the rules of the language."""


class CompileError(SymdiffError):
    """LLVM refused or failed on the generated code, or memory ran out."""
