"""The document around what a page shows."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any, Final

from symdiff.page.colours import COMMON, Colours

_POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)


def document(
    title: str,
    body: str,
    *,
    colours: Colours = COMMON,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    data: Any = None,
) -> str:
    """A whole page.

    Args:
        title: what the window is called, as plain text.
        body: what is inside of `<body>`, as HTML. A `<button data-theme-switch>` in it changes
            between light and dark.
        colours: the variables `--paper`, `--panel`, `--ink`, `--muted`, `--line` and `--accent`,
            which the common sheet uses, and whatever else `styles` do.
        styles: sheets of CSS that follow the common one.
        scripts: sources of JavaScript that run when the body is there. `switchTheme()` changes
            between light and dark.
        data: what the scripts find, as JSON, in the element `#data`.

    Raises:
        ValueError: `data` holds a NaN or an infinity, which JSON has no words for.

        >>> page = document("a < b", "<p>text</p>", data={"tag": "</script>"})
        >>> "<title>a &lt; b</title>" in page, page.count("</script>")
        (True, 2)
    """
    sheets = "\n".join([colours.css(), asset("symdiff.page", "page.css"), *styles])
    sources = "\n".join([asset("symdiff.page", "page.js"), *scripts])
    held = (
        ""
        if data is None
        else f'<script type="application/json" id="data">{_json(data)}</script>\n'
    )
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="symdiff">
<link rel="icon" href="data:,">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{html.escape(title)}</title>
<style>
{sheets}
</style>
</head>
<body>
{body}
{held}<script>
{sources}
</script>
</body>
</html>
"""


def frame(title: str, page: str, height: str) -> str:
    """A page in a frame, as notebooks take it; `height` as in CSS."""
    return (
        f'<iframe title="{html.escape(title)}" style="width:100%;height:{height};border:0" '
        f'srcdoc="{html.escape(page)}"></iframe>'
    )


@cache
def asset(room: str, name: str) -> str:
    """The text of a file in the folder `assets` of a package, such as "symdiff.explain"."""
    return resources.files(room).joinpath("assets", name).read_text(encoding="utf-8")


def _json(data: Any) -> str:
    """JSON that can neither end the element it stands in, nor begin a comment there."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
