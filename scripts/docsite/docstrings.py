"""A Sphinx extension: docstrings, links and code blocks, as they are written here, for the site."""

from __future__ import annotations

import re
from typing import Any, Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

_SECTION: Final = re.compile(r"(?:Args|Attributes|Raises|Returns|Yields):$")
_CODE: Final = re.compile(r"(`[^`]*`)")
_PAGE: Final = re.compile(r"\bdocs/((?:adr/)?[\w-]+)\.md\b")

# Documents outside of docs/, which have pages of their own on the site.
_OUTSIDE: Final = {
    "](../bench/README.md": "](benchmarks.md",
    "](../CONTRIBUTING.md": "](contributing.md",
    "](../CHANGELOG.md": "](changelog.md",
}


def with_examples_apart(lines: list[str]) -> list[str]:
    """The docstring with the examples at its end as a section of their own.

    Ours stand after the last section without a heading; napoleon would take them for a part of it.
    """
    if not any(_SECTION.match(line) for line in lines):
        return lines
    last = max(i for i, line in enumerate(lines) if _SECTION.match(line))
    for i in range(last + 1, len(lines)):
        if lines[i].lstrip().startswith(">>> "):
            return [*lines[:i], "Example:", *(f"    {line}".rstrip() for line in lines[i:])]
    return lines


def _docstring(_app: Sphinx, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]):
    lines[:] = with_examples_apart([_as_text(line) for line in lines])


def _as_text(line: str) -> str:
    """A line with links for pages, and with bars that are bars: |x| is an absolute value."""
    if line.lstrip().startswith((">>> ", "... ")):
        return line
    parts = _CODE.split(line)
    parts[::2] = [_PAGE.sub(r":doc:`/\1`", part.replace("|", r"\|")) for part in parts[::2]]
    return "".join(parts)


def _source(_app: Sphinx, _name: str, source: list[str]) -> None:
    for outside, page in _OUTSIDE.items():
        source[0] = source[0].replace(outside, page)


class TrimmedCode(SphinxTransform):
    """Code blocks without the blank line that doctest needs at their end."""

    default_priority = 400

    def apply(self, **_: Any) -> None:
        """Cut the blanks off every block."""
        for block in self.document.findall(nodes.literal_block):
            text = block.astext()
            if text != text.rstrip():
                block.rawsource = text.rstrip()
                block[:] = [nodes.Text(text.rstrip())]


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect them; docstrings before napoleon reads them."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", _docstring, priority=100)
    app.connect("source-read", _source)
    app.add_transform(TrimmedCode)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
