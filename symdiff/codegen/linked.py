"""LaTeX whose parts can be told apart: which value each of them is."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from symdiff.codegen.latex import LatexStyle, latex_equations
from symdiff.ir import Function, Location, Value

FIRST_MARK: Final = 0xF0000  # a plane for private use, of 65,534 characters
_MARKS: Final = 65_534
_OPENING: Final = re.compile("(?:{[\U000f0000-\U000ffffd])+")


class LinkedLatex(NamedTuple):
    """Equations in LaTeX.

    Every part of the right-hand sides that is a value with a location is a group which begins with
    a character of its own: `chr(FIRST_MARK + i)` for a value from `places[i]`.
    """

    equations: list[tuple[str, str]]
    places: list[Location]


def linked_latex(fn: Function) -> LinkedLatex:
    """The equations of `latex`, with marks.

    Raises:
        UnsupportedError: an operation on arrays that formulas have no notation for.
    """
    style = _Linked()
    return LinkedLatex(latex_equations(fn, style), list(style.places))


class _Linked(LatexStyle):
    def __init__(self) -> None:
        self.places: dict[Location, int] = {}

    def part(self, value: Value, text: str) -> str:
        if value.location is None or len(self.places) == _MARKS:
            return text
        number = self.places.setdefault(value.location, len(self.places))
        return f"{{{chr(FIRST_MARK + number)}{text}}}"

    def beginning(self, text: str) -> str:
        return _OPENING.sub("", text, count=1) if text[0] == "{" else text
