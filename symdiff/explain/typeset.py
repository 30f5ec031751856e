"""Formulas as MathML, which browsers set without any help, with the places of their parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from symdiff.codegen.linked import FIRST_MARK
from symdiff.errors import UnsupportedError
from symdiff.functions import texts
from symdiff.ir import Function, Location
from symdiff.page import mathml

ROWS: Final = 60  # equations that anybody reads
LARGE: Final = 1500  # operations that are not set at all

_MARKED: Final = re.compile("<mrow>\\s*<mi>([\U000f0000-\U000ffffd])</mi>")
_STRAY: Final = re.compile("<mi>[\U000f0000-\U000ffffd]</mi>")

Attribute = Callable[[Location], str]  # what an element says about where it comes from


@dataclass(frozen=True, slots=True)
class Equation:
    """Both sides of an equation as the insides of `<math>`."""

    left: str
    right: str


def typeset(fn: Function, attribute: Attribute) -> Sequence[Equation] | None:
    """The equations of `fn`, whose parts carry `attribute(location)`.

    None where there is no notation for an operation, or where nobody would read them.
    """
    if sum(bool(value.args) for value in fn.live()) > LARGE:
        return None
    try:
        linked = texts().linked_latex(fn)
    except UnsupportedError:
        return None
    if len(linked.equations) > ROWS:
        return None
    return [
        Equation(_inside(left, (), attribute), _inside(right, linked.places, attribute))
        for left, right in linked.equations
    ]


def _inside(latex: str, places: Sequence[Location], attribute: Attribute) -> str:
    """What is inside of `<math>` for a formula in LaTeX."""
    # A formula with one part only is not put into a row of its own.
    whole = mathml("{}" + latex, display=True)
    inside = whole[whole.index(">") + 1 : whole.rindex("</math>")]

    def opening(match: re.Match[str]) -> str:
        return f"<mrow {attribute(places[ord(match[1]) - FIRST_MARK])}>"

    return _STRAY.sub("", _MARKED.sub(opening, inside))
