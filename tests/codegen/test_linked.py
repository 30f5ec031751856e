"""LaTeX with marks is the LaTeX without them, and says which value every part is."""

from __future__ import annotations

import re

import pytest

import symdiff as sd
from symdiff.codegen.latex import latex
from symdiff.codegen.linked import FIRST_MARK, linked_latex
from symdiff.explain.numbering import numbered, origins
from symdiff.ir import Function

FORMULAS = [
    "sin(x)*y + exp(x*y)",
    "-x - -y + (-x)**2 * 3",
    "2*3**x",
    "x/(y + 1)/2**-y",
    "where(x < -y, sqrt(x), abs(y))",
    "max(x, y)**0.5 - (x - y)",
    "tanh(x)*tanh(x) + tanh(x)",
]


def without_marks(text: str) -> str:
    """The text without the groups that begin with a mark."""
    result: list[str] = []
    groups: list[bool] = []
    place = 0
    while place < len(text):
        character = text[place]
        marked = character == "{" and ord(text[place + 1]) >= FIRST_MARK
        if character == "{" and text[place - 1 : place] != "\\":
            groups.append(marked)
        ends = character == "}" and groups.pop()
        if not marked and not ends:
            result.append(character)
        place += 2 if marked else 1
    return "".join(result)


def optimized(formula: str) -> Function:
    return numbered(sd.value_and_grad(formula).optimized())


@pytest.mark.parametrize("formula", FORMULAS)
def test_without_the_marks_it_is_what_it_was(formula: str) -> None:
    fn = optimized(formula)
    lines = [f"{left} &= {right}" for left, right in linked_latex(fn).equations]
    plain = latex(fn).removeprefix("\\begin{aligned}\n").removesuffix("\n\\end{aligned}")
    assert [without_marks(line) for line in lines] == plain.split(" \\\\\n")


def test_the_marks_say_which_value_a_part_is() -> None:
    fn = optimized("sin(x)*y + exp(x*y)")
    linked = linked_latex(fn)
    (exponential,) = [place for value, place in origins(fn).items() if value.op.name == "exp"]
    mark = chr(FIRST_MARK + linked.places.index(exponential))
    found = [right for _, right in linked.equations if f"{{{mark}e^" in right]
    assert len(found) == 1
    assert all(re.search("[\U000f0000-\U000ffffd]", left) is None for left, _ in linked.equations)
