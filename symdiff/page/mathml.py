"""Mathematics in pages: MathML Core, which browsers show without a script."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any


def mathml(latex: str, *, display: bool) -> str:
    """The `<math>` element for a formula, on a line of its own if `display` is true.

    Raises:
        ValueError: the formula has a command that the converter does not know, or a brace too few.

        >>> mathml("x^2", display=False)
        '<math><msup><mi>x</mi><mn>2</mn></msup></math>'
    """
    try:
        return _converter().convert_with_local_state(latex, displaystyle=display)
    except import_module("math_core").LatexError as error:
        raise ValueError(f"cannot typeset {latex!r}: {error}") from None


@cache
def _converter() -> Any:
    return import_module("math_core").LatexToMathML(annotation=False)
