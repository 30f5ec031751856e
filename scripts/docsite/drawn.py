"""A Sphinx extension: figures and pages that step through a graph, from `docsite.figures`.

`{drawn} NAME` is a figure for light and for dark pages; `{stepped} NAME` a page within the page.
"""

from __future__ import annotations

from html import escape
from typing import Any, Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FOLDER: Final = "/figures"
HEIGHT: Final = 680  # of a page within a page, in pixels


class Drawn(SphinxDirective):
    """The two files of `docsite.figures` as one figure, with the text as its caption."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """One figure node; the theme shows the image of its scheme."""
        name = self.arguments[0]
        caption = " ".join(self.content)
        figure = nodes.figure(classes=["drawn"])
        for scheme in ("light", "dark"):
            image = nodes.image(uri=f"{FOLDER}/{name}-{scheme}.svg", alt=caption)
            image["classes"].append(f"only-{scheme}")
            figure += image
        inline, messages = self.parse_inline(caption)
        figure += nodes.caption(caption, "", *inline)
        return [figure, *messages]


class Stepped(SphinxDirective):
    """A self-contained page at the root of the site in a frame, with the text as its caption."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """The frame, and a link for those who want the whole window."""
        url = "../" * self.env.docname.count("/") + f"{self.arguments[0]}.html"
        caption = " ".join(self.content)
        frame = (
            f'<figure class="drawn stepped"><iframe src="{url}" title="{escape(caption)}" '
            f'height="{HEIGHT}" loading="lazy"></iframe>'
            f'<figcaption><p>{escape(caption)} <a href="{url}">In a window of its own.</a></p>'
            "</figcaption></figure>"
        )
        return [nodes.raw("", frame, format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directives."""
    app.add_directive("drawn", Drawn)
    app.add_directive("stepped", Stepped)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
