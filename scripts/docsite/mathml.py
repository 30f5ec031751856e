"""A Sphinx extension: mathematics as MathML Core, which browsers show without a script."""

from __future__ import annotations

import html
from importlib import import_module
from typing import Any

from docutils.nodes import SkipNode
from sphinx.application import Sphinx


def mathml(latex: str, *, display: bool) -> str:
    """The `<math>` element for a formula.

    Raises:
        ValueError: the formula has a command that the converter does not know, or a brace too few.
    """
    core = import_module("math_core")
    converter = core.LatexToMathML(annotation=False)
    try:
        return converter.convert_with_local_state(latex, displaystyle=display)
    except core.LatexError as error:
        raise ValueError(f"cannot typeset {latex!r}: {error}") from None


def _inline(writer: Any, node: Any) -> None:
    writer.body.append(mathml(node.astext(), display=False))
    raise SkipNode


def _block(writer: Any, node: Any) -> None:
    label = html.escape(str(node.get("label") or ""))
    anchor = f' id="equation-{label}"' if label else ""
    formula = mathml(node.astext(), display=True)
    writer.body.append(f'<div class="math-block"{anchor}>{formula}</div>')
    raise SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Make "mathml" a renderer for `html_math_renderer`."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
