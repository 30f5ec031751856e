"""A Sphinx extension: mathematics as MathML Core, which browsers show without a script."""

from __future__ import annotations

import html
from typing import Any

from docutils.nodes import SkipNode
from sphinx.application import Sphinx

from symdiff.page import mathml


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
