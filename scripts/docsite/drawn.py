"""A Sphinx extension: `{drawn} NAME`, a figure that was written for light and for dark pages."""

from __future__ import annotations

from typing import Any, Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FOLDER: Final = "/figures"


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


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("drawn", Drawn)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
